//go:build unix

package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const canary = "gatehouse-canary"

// written makes a file of a mode.
func written(mode os.FileMode, data string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(data), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// linked makes a link to a file of a mode, in a directory of another.
func linked(mode, dir os.FileMode) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		other := filepath.Join(t.TempDir(), "other")
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(other, "s")
		written(mode, canary)(t, target)
		if err := errors.Join(os.Chmod(other, dir), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
	}
}

// inDir makes a file in a directory of a mode.
func inDir(mode os.FileMode) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		written(0o600, canary)(t, path)
		if err := os.Chmod(filepath.Dir(path), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestA216_SecretFilesAreForOurEyes covers the hygiene of files with secrets.
func TestA216_SecretFilesAreForOurEyes(t *testing.T) {
	tests := []struct {
		name, err string
		make      func(t *testing.T, path string)
	}{
		{"a file of ours", "", written(0o600, canary)},
		{"one that we may only read", "", written(0o400, canary)},
		{"one line end", "", written(0o600, canary+"\n")},
		{"one line end of Windows", "", written(0o600, canary+"\r\n")},
		{"two line ends", "line break", written(0o600, canary+"\n\n")},
		{"a file that others may read", "others may read (mode 0644)", written(0o644, canary)},
		{"a file that the group may read", "others may read (mode 0640)", written(0o640, canary)},
		{"a file that all may write", "others may read (mode 0666)", written(0o666, canary)},
		{"a byte order mark", "byte order mark", written(0o600, "\ufeff"+canary)},
		{"UTF-16", "byte order mark", written(0o600, "\xff\xfea\x00")},
		{"NUL", "NUL", written(0o600, "a\x00b")},
		{"an empty file", "is empty", written(0o600, "\n")},
		{"a large file", "larger than 64 KiB", written(0o600, strings.Repeat("x", maxSecret+1))},
		{"a pipe", "is not a plain file", pipe},
		{"a link to a file of ours", "", linked(0o600, 0o700)},
		{"a link to one that others may read", "others may read", linked(0o644, 0o700)},
		{"a link into a directory that others may write", "others may replace", linked(0o600, 0o777)},
		{"a directory that others may write", "others may replace", inDir(0o775)},
		{"a sticky directory", "", inDir(0o777 | os.ModeSticky)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "secret")
			tt.make(t, path)
			c, err := Parse("f", []byte("version: 1\nservers: [{name: a, stdio: {command: [x], secrets: {A: '${file:"+path+"}'}}}]\n"), Outside{})
			if tt.err == "" {
				if err != nil || c.Servers[0].Stdio.Secrets["A"].Reveal() != canary {
					t.Errorf("got %v, want the secret", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestA216_SecretFilesOfOthersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		info, err := os.Stat("/proc/self/mem") // nobody can give a file away; judge by what is there
		if err == nil && !trusted(info) {
			t.Error("a file of ours is not trusted")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(path, false); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
		t.Errorf("got %v, want a refusal", err)
	}
	ours := path + ".ours"
	link := path + ".link"
	if err := os.WriteFile(ours, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(link, false); err == nil || !strings.Contains(err.Error(), "link of somebody else") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// systemd gives credentials to an account by an access list, which shows as a
// mode that groups may read.
func TestCredentialsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pepper")
	if err := os.WriteFile(path, []byte("from-systemd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		return "version: 1\nservers: [{name: a, stdio: {command: [x], secrets: {A: '${file:" + name + "}'}}}]\n"
	}
	o := Outside{Lookup: func(string) (string, bool) { return dir, true }}
	for _, name := range []string{"pepper", path} {
		c, err := Parse("f", []byte(file(name)), o)
		if err != nil || c.Servers[0].Stdio.Secrets["A"].Reveal() != "from-systemd" {
			t.Errorf("%s: got %v, want the credential", name, err)
		}
	}
	if _, err := Parse("f", []byte(file(path)), Outside{}); err == nil {
		t.Error("the same file is accepted without systemd")
	}
	if _, err := Parse("f", []byte(file("../"+filepath.Base(dir)+"/pepper")), o); err == nil {
		t.Error("a name that leaves the directory is a credential")
	}
}

// TestA215_ConfigurationFilesThatAreRefused covers the file itself.
func TestA215_ConfigurationFilesThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"one that the group may write": {base, 0o664, "can be written by others (mode 0664)"},
		"one that all may write":       {base, 0o606, "can be written by others"},
		"an empty one":                 {"", 0o600, "is empty"},
		"a half-written one":           {base[:len(base)-9], 0o600, ":4:10: "},
		"one cut inside a section":     {base[:40], 0o600, ":2:"},
		"one that ends in NUL":         {base + "\x00\x00", 0o600, "was not written to its end"},
		"one with a byte order mark":   {"\ufeff" + base, 0o600, "byte order mark"},
		"a large one":                  {base + "#" + strings.Repeat("x", maxFile), 0o600, "larger than 1 MiB"},
	} {
		path := filepath.Join(t.TempDir(), "g.yaml")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, Outside{})
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	path := filepath.Join(t.TempDir(), "g.yaml")
	if err := os.WriteFile(path, []byte(base), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Outside{}); err != nil {
		t.Errorf("a file that others may read: got %v", err)
	}
	if err := syscall.Mkfifo(path+".pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path+".pipe", Outside{}); err == nil || !strings.Contains(err.Error(), "plain file") {
		t.Errorf("a pipe: got %v", err)
	}
}
