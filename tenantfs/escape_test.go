package tenantfs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/tenantfs"
)

// every does all that can be done with a name, and returns what it got to see.
func every(f *tenantfs.FS, name string) (seen []byte, done []string) {
	see := func(what string, err error, b []byte) {
		if err == nil {
			seen, done = append(seen, b...), append(done, what)
		}
	}
	b, err := f.ReadFile(name)
	see("read", err, b)
	if file, err := f.Open(name); err == nil {
		_ = file.Close()
		done = append(done, "open")
	}
	if file, err := f.OpenFile(name, os.O_RDWR); err == nil {
		_ = file.Close()
		done = append(done, "open to write")
	}
	list, err := f.ReadDir(name)
	for _, e := range list {
		seen = append(seen, e.Name()...)
	}
	see("list", err, nil)
	_, err = f.Stat(name)
	see("stat", err, nil)
	see("write", f.WriteFile(name, []byte("of ada's")), nil)
	see("rename from", f.Rename(name, "moved"), nil)
	see("rename to", f.Rename("own", name), nil)
	see("mkdir", f.MkdirAll(name+"/new"), nil)
	return seen, done
}

// untouched wants what is outside of ada's files to be as it was.
func untouched(t *testing.T, base, how string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(base, "bob", "secret")); err != nil || string(got) != secret {
		t.Errorf("%s: bob's file is now %q, %v", how, got, err)
	}
	if entries, err := os.ReadDir(filepath.Join(base, "bob")); err != nil || len(entries) != 1 {
		t.Errorf("%s: bob has %v, %v", how, entries, err)
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) != 2 {
		t.Errorf("%s: beside the tenants are %v, %v", how, entries, err)
	}
}

// No name leads out of a tenant's files.
func TestNamesDoNotEscape(t *testing.T) {
	base, _, ada := two(t)
	if err := ada.WriteFile("own", nil); err != nil {
		t.Fatal(err)
	}
	if err := ada.MkdirAll("dir"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"..", "../bob", "../bob/secret", "dir/../../bob/secret", "./../bob/secret", "dir/..", "./own", "own/", "/", "//",
		filepath.Join(base, "bob", "secret"), "/etc/passwd", "//etc/passwd", `..\bob\secret`, `dir\..\..\bob\secret`, `C:\boot.ini`, `\\host\share`,
		"own\x00", "\x00", "own\x00/../../bob/secret", "", "dir//own", "...//bob", "..;/bob/secret", "%2e%2e/bob/secret", "\xff../bob/secret",
		"~/secret", "/proc/self/root/etc/passwd", "dir/./../../bob/secret", "../ADA/../bob/secret", "../Bob/secret",
	} {
		seen, done := every(ada, name)
		if bytes.Contains(seen, []byte(secret)) || bytes.Contains(seen, []byte("root:")) {
			t.Errorf("%q: saw %q", name, seen)
		}
		// Some of these are odd names of files within, where they may be.
		if plain := fs.ValidPath(name) && !strings.ContainsAny(name, "\x00\\"); len(done) > 0 && !plain {
			t.Errorf("%q: could %q", name, done)
		}
		untouched(t, base, name)
	}
	if err := ada.RemoveAll("../bob"); err == nil {
		t.Error("could remove another tenant's files")
	}
	if err := ada.Remove("../bob/secret"); err == nil {
		t.Error("could remove another tenant's file")
	}
	untouched(t, base, "remove")
}

// No link leads out either, whoever put it there.
func TestLinksDoNotEscape(t *testing.T) {
	base, root, ada := two(t)
	own := filepath.Join(base, "ada")
	for _, to := range []string{
		"../bob", "../bob/secret", filepath.Join(base, "bob"), filepath.Join(base, "bob", "secret"), "..", "/", "../ada/../bob",
		"/etc/passwd", "/proc/self/root", "/proc/self/cwd", "hop/../../bob", "second", "../../" + filepath.Base(base) + "/bob",
	} {
		for _, err := range []error{
			os.Symlink(to, filepath.Join(own, "link")), os.Symlink("../bob", filepath.Join(own, "second")), os.MkdirAll(filepath.Join(own, "hop"), 0o700),
			os.WriteFile(filepath.Join(own, "own"), nil, 0o600),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"link", "link/secret", "link/bob/secret", "link/etc/passwd", "second/secret"} {
			seen, _ := every(ada, name)
			if bytes.Contains(seen, []byte(secret)) || bytes.Contains(seen, []byte("root:")) || bytes.Contains(seen, []byte("secret")) {
				t.Errorf("by %q to %q: saw %q", name, to, seen)
			}
			untouched(t, base, name+" to "+to)
		}
		// Clearing away removes the links, and nothing that they lead to.
		if entries, err := ada.ReadDir("."); err == nil {
			for _, e := range entries {
				if err := ada.RemoveAll(e.Name()); err != nil {
					t.Errorf("remove %s: %v", e.Name(), err)
				}
			}
		}
		untouched(t, base, "removing a link to "+to)
	}
	// A link in place of a tenant's directory is no tenant's directory.
	for name, to := range map[string]string{"eve": "bob", "mallory": filepath.Join(base, "bob"), "trent": "../", "sybil": "."} {
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
		if f, err := root.Tenant(name); err == nil || f != nil {
			t.Errorf("%s: opened the files of %s", name, to)
		}
	}
	if err := os.WriteFile(filepath.Join(base, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := root.Tenant("file"); err == nil || f != nil {
		t.Error("a file is no directory")
	}
}

// A link that is swapped for a directory and back, while names go through it,
// lets nothing out and nothing in.
func TestRaceOfSwappedLinks(t *testing.T) {
	base, root, ada := two(t)
	own := filepath.Join(base, "ada")
	real, link, at := filepath.Join(own, "real"), filepath.Join(own, "link"), filepath.Join(own, "at")
	if err := ada.MkdirAll("real"); err != nil {
		t.Fatal(err)
	}
	if err := ada.WriteFile("real/secret", []byte("of ada's")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../bob", link); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(real, at)
			_ = os.Rename(at, real)
			_ = os.Rename(link, at)
			_ = os.Rename(at, link)
			_ = os.Rename(filepath.Join(base, "eve"), filepath.Join(base, "away")) // a tenant's own directory, too
			_ = os.Symlink("bob", filepath.Join(base, "eve"))
			_ = os.Remove(filepath.Join(base, "eve"))
			_ = os.Rename(filepath.Join(base, "away"), filepath.Join(base, "eve"))
		}
	})
	if err := os.Mkdir(filepath.Join(base, "eve"), 0o700); err != nil {
		t.Fatal(err)
	}
	through := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		got, err := ada.ReadFile("at/secret")
		if err == nil {
			through++
		}
		if bytes.Contains(got, []byte(secret)) {
			t.Fatal("read another tenant's file")
		}
		_ = ada.WriteFile("at/secret", []byte("of ada's"))
		if f, err := root.Tenant("eve"); err == nil {
			if got, err := f.ReadFile("secret"); err == nil {
				t.Fatalf("eve reads %q", got)
			}
			_ = f.Close()
		}
	}
	close(stop)
	swapping.Wait()
	if got, err := os.ReadFile(filepath.Join(base, "bob", "secret")); err != nil || string(got) != secret {
		t.Errorf("bob's file is now %q, %v", got, err)
	}
	t.Logf("%d names came through", through)
}

// A hard link is the file itself, which nobody can tell by its name: the package
// comment says so, and offers no way to make one.
func TestHardLinksAreSeenThrough(t *testing.T) {
	base, _, ada := two(t)
	if err := os.Link(filepath.Join(base, "bob", "secret"), filepath.Join(base, "ada", "hard")); err != nil {
		t.Fatal(err)
	}
	if got, err := ada.ReadFile("hard"); err != nil || string(got) != secret {
		t.Errorf("got %q, %v: if hard links are refused now, say so in the package comment", got, err)
	}
}

func FuzzNames(f *testing.F) {
	base := f.TempDir()
	root, err := tenantfs.Open(base)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "outside"), []byte(secret), 0o600); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"a", "..", "../outside", "a/b", "A", "\x00", "=2e"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, tenant, name string) {
		files, err := root.Tenant(tenant)
		if err != nil {
			return
		}
		defer files.Close() //nolint:errcheck // only read
		if got, err := files.ReadFile(name); err == nil && bytes.Contains(got, []byte(secret)) {
			t.Errorf("%q, %q: saw what is outside", tenant, name)
		}
		_ = files.WriteFile(name, []byte("x"))
		if got, err := os.ReadFile(filepath.Join(base, "outside")); err != nil || string(got) != secret {
			t.Fatalf("%q, %q: wrote outside", tenant, name)
		}
	})
}
