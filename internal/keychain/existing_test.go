package keychain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestLookingMakesNoKeychain(t *testing.T) {
	for name, o := range map[string]Options{"without a keyring": {NoRing: true}, "under a passphrase": {Passphrase: "correct horse"}} {
		t.Run(name, func(t *testing.T) {
			o.Dir = filepath.Join(t.TempDir(), "keychain")
			look := o
			look.Existing = true
			if _, err := Open(t.Context(), look); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v, want fs.ErrNotExist", err)
			}
			if _, err := os.Lstat(o.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a directory was made: %v", err)
			}
			s := open(t, o)
			if err := s.Save(t.Context(), "a", []byte("b")); err != nil {
				t.Fatal(err)
			}
			again, err := Open(t.Context(), look)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.Load(t.Context(), "a"); err != nil || string(got) != "b" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// empty is a keyring with nothing in it, which nobody may write to.
type empty struct{ t *testing.T }

// Get implements Ring.
func (empty) Get(context.Context, string) (string, error) { return "", errNotThere }

// Set implements Ring.
func (e empty) Set(context.Context, string, string) error {
	e.t.Error("a key was put into the keyring")
	return nil
}

func TestLookingPutsNoKeyIntoTheKeyring(t *testing.T) {
	o := Options{Dir: t.TempDir(), Ring: empty{t}, Existing: true}
	if err := os.Mkdir(filepath.Join(o.Dir, "keyring"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), o); err == nil {
		t.Errorf("got %v, want an error", s)
	}
}
