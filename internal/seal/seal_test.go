package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

const material = "correct horse battery staple, twice over"

func derive(t testing.TB, text string) *seal.Key {
	t.Helper()
	k, err := seal.Derive(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t testing.TB, k *seal.Key, purpose, row, secret string) string {
	t.Helper()
	s, err := k.Seal(purpose, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpensWhatItSealed(t *testing.T) {
	k := derive(t, material)
	for _, secret := range []string{"", "x", strings.Repeat("long ", 10_000), "\x00\xff"} {
		one, two := sealed(t, k, "signing", "row", secret), sealed(t, k, "signing", "row", secret)
		if one == two {
			t.Error("got the same twice, want a nonce of its own for each")
		}
		// Another process, from the same material with the line break of a file.
		got, err := derive(t, "\ufeff"+material+"\r\n").Open("signing", "row", one)
		if err != nil || string(got) != secret {
			t.Errorf("got %.20q, %v, want what was sealed", got, err)
		}
		if len(secret) > 1 && strings.Contains(one, secret) {
			t.Error("the secret can be read")
		}
	}
}

func TestRefusesWeakMaterial(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("a", seal.MinKey-1), strings.Repeat(" ", 100) + "short\n"} {
		if k, err := seal.Derive(text); !errors.Is(err, seal.ErrWeak) || k != nil {
			t.Errorf("%q: got %v, %v, want ErrWeak", text, k, err)
		}
	}
}

// A row's ciphertext opens in its row, for its purpose, under its key, and only whole.
func TestA218SealedRowsCannotBeExchanged(t *testing.T) {
	k := derive(t, material)
	s := sealed(t, k, "signing", "kid", "secret")
	for name, open := range map[string]func() ([]byte, error){
		"another purpose":         func() ([]byte, error) { return k.Open("other", "kid", s) },
		"another row":             func() ([]byte, error) { return k.Open("signing", "kie", s) },
		"purpose and row, moved":  func() ([]byte, error) { return k.Open("signingk", "id", s) },
		"nothing":                 func() ([]byte, error) { return k.Open("signing", "kid", "") },
		"another version":         func() ([]byte, error) { return k.Open("signing", "kid", "s2"+s[2:]) },
		"cut":                     func() ([]byte, error) { return k.Open("signing", "kid", s[:len(s)-4]) },
		"more":                    func() ([]byte, error) { return k.Open("signing", "kid", s+"AAAA") },
		"a line break in it":      func() ([]byte, error) { return k.Open("signing", "kid", s[:30]+"\n"+s[30:]) },
		"padding":                 func() ([]byte, error) { return k.Open("signing", "kid", s+"=") },
		"shorter than any sealed": func() ([]byte, error) { return k.Open("signing", "kid", s[:20]+"AAAA") },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrDamaged) || got != nil {
			t.Errorf("%s: got %q, %v, want ErrDamaged", name, got, err)
		}
	}
	for i := range s {
		changed := []byte(s)
		changed[i] ^= 1
		if got, err := k.Open("signing", "kid", string(changed)); err == nil {
			t.Errorf("byte %d changed: got %q, want a refusal", i, got)
		}
	}
	if got, err := derive(t, material+"!").Open("signing", "kid", s); !errors.Is(err, seal.ErrForeign) || got != nil {
		t.Errorf("under another key: got %q, %v, want ErrForeign", got, err)
	}
}

func TestA218OldSealsOpenDuringRotation(t *testing.T) {
	old, fresh := derive(t, material), derive(t, "another "+material)
	s := sealed(t, old, "signing", "kid", "secret")
	both := fresh.After(old)
	if got, err := both.Open("signing", "kid", s); err != nil || string(got) != "secret" || !both.Stale(s) || old.Stale(s) {
		t.Errorf("got %q, %v, stale %v, want it opened, and stale for the new key only", got, err, both.Stale(s))
	}
	again := sealed(t, both, "signing", "kid", "secret")
	if got, err := fresh.Open("signing", "kid", again); err != nil || string(got) != "secret" || both.Stale(again) {
		t.Errorf("got %q, %v, want it sealed under the new key", got, err)
	}
}

func TestKeysShowNothing(t *testing.T) {
	k := derive(t, material).After(derive(t, "old "+material))
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, strings.Repeat(verb+"\n", 3), k, *k, struct{ k *seal.Key }{k})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("a", "key", k)
	if s := out.String(); strings.Contains(s, "correct horse") || strings.Contains(s, fmt.Sprintf("%x", "correct horse")) {
		t.Errorf("got the material in %s", s)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), seal.File)
	if _, err := seal.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is none", err)
	}
	made := make([]string, 16)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = seal.MakeFile(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	again, err := seal.ReadFile(path)
	for _, m := range made {
		if err != nil || m != again || len(m) < seal.MinKey {
			t.Fatalf("got %d bytes and %v, want the same key for all who make it at once", len(m), err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v beside the file, want nothing", left, err)
	}
}

func TestA216KeyFileMustBeOurs(t *testing.T) {
	dir := t.TempDir()
	good, link := filepath.Join(dir, "good"), filepath.Join(dir, "link")
	if _, err := seal.MakeFile(good); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("a"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(name, path string) {
		t.Helper()
		if text, err := seal.ReadFile(path); !errors.Is(err, seal.ErrFile) || text != "" {
			t.Errorf("%s: got %v, want ErrFile", name, err)
		}
		if _, err := seal.MakeFile(path); !errors.Is(err, seal.ErrFile) {
			t.Errorf("%s, made again: got %v, want ErrFile", name, err)
		}
	}
	refused("a link", link)
	refused("a directory", dir)
	refused("a large file", big)
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(good, mode); err != nil {
			t.Fatal(err)
		}
		refused(mode.String(), good)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(good, 0o600), os.Chown(good, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		refused("somebody else's", good)
	}
}

func FuzzOpen(f *testing.F) {
	k := derive(f, material)
	const good = "s1.4184651609b41c0f.c3kWEdBEuRUPe4mKugn2pDY3OPCy-D5XLG8E955xQe0hfQ"
	if got, err := k.Open("purpose", "row", good); err != nil || string(got) != "secret" {
		f.Fatalf("got %q, %v, want what an earlier version has sealed", got, err)
	}
	for _, s := range []string{good, "", "s1", "s1..", "s1.0123456789abcdef.", good[:30], good + "=", "s1." + strings.Repeat(".", 40)} {
		f.Add("purpose", "row", s)
	}
	f.Fuzz(func(t *testing.T, purpose, row, s string) {
		got, err := k.Open(purpose, row, s)
		if err == nil && (s != good || purpose != "purpose" || row != "row" || string(got) != "secret") {
			t.Errorf("opened %q for %q, %q", s, purpose, row)
		}
		if err != nil && !errors.Is(err, seal.ErrDamaged) && !errors.Is(err, seal.ErrForeign) {
			t.Errorf("got %v, want one of the two refusals", err)
		}
	})
}
