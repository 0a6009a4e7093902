// Package keychain keeps what a user of this machine has got from others:
// tokens, the clients they registered, keys. Everything is in files, sealed under
// one key that is in the operating system's keyring; where there is none, under
// a passphrase, or under a key of this machine that only the user can read.
//
// Only the key is in the keyring: tokens are longer than what some of them take.
package keychain

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

// ErrSealed says that something is kept which cannot be opened: it was sealed
// under another key, or was changed since.
var ErrSealed error = sealed{}

type sealed struct{}

func (sealed) Error() string { return "it was sealed under another key, or is damaged" }

// Sealed says that something is kept, which nobody can open any more.
func (sealed) Sealed() bool { return true }

// Options say where a keychain is, and what it is sealed under.
type Options struct {
	Dir        string // required; made with mode 0700 when it is not there
	Passphrase string // seals instead of the keyring; empty: none
	NoRing     bool   // do without the operating system's keyring
	Ring       Ring   // nil: the operating system's
	Existing   bool   // nothing is made: fs.ErrNotExist, wrapped, when there is no keychain yet
}

// Store is a keychain. It is safe for concurrent use, by other processes too.
type Store struct {
	dir   string // of the locks
	files string // of what is sealed under this key
	key   *seal.Key
	part  string
}

// Open opens a keychain. Each kind of key has its own part: what was sealed under
// the keyring's key is neither lost nor written over while there is no keyring.
// The part of this machine's key stands in where there is no keyring, and never
// for one that was used: ErrNoRing, wrapped, or ErrShut say so. A keyring, and others
// who wait for it, are waited for a minute in all, or until the context ends.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("a keychain needs a directory")
	}
	if o.Existing {
		return openExisting(ctx, o)
	}
	if o.Passphrase != "" {
		return openWith(ctx, o.Dir, passphrasePart, func(_ context.Context, dir string) (string, error) { return stretched(dir, o.Passphrase) })
	}
	if !o.NoRing {
		s, err := openWith(ctx, o.Dir, keyringPart, func(ctx context.Context, dir string) (string, error) { return fromRing(ctx, o.ring(), dir) })
		if !errors.Is(err, ErrNoRing) || used(o.Dir, keyringPart) {
			return s, err // in another part nobody would find what this one has
		}
	}
	return openWith(ctx, o.Dir, machinePart, func(_ context.Context, dir string) (string, error) {
		path := filepath.Join(dir, seal.File)
		text, err := seal.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return seal.MakeFile(path)
		}
		return text, err
	})
}

// openExisting opens the part of a keychain that Open would, and makes nothing.
func openExisting(ctx context.Context, o Options) (*Store, error) {
	part := machinePart
	switch {
	case o.Passphrase != "":
		part = passphrasePart
	case !o.NoRing && used(o.Dir, keyringPart):
		return openWith(ctx, o.Dir, keyringPart, func(ctx context.Context, dir string) (string, error) { return o.ring().Get(ctx, dir) })
	}
	// A directory may be left without what it is sealed under.
	file := map[string]string{machinePart: seal.File, passphrasePart: "salt"}[part]
	if _, err := os.Lstat(filepath.Join(o.Dir, part, file)); err != nil {
		return nil, fmt.Errorf("open the keychain: %w", err)
	}
	o.Existing, o.NoRing = false, true
	return Open(ctx, o)
}

func (o Options) ring() Ring {
	if o.Ring != nil {
		return o.Ring
	}
	return system{}
}

func openWith(ctx context.Context, dir, part string, material func(ctx context.Context, dir string) (string, error)) (*Store, error) {
	s := &Store{dir: dir, files: filepath.Join(dir, part), part: part}
	if err := ownfile.MkdirAll(s.files); err != nil {
		return nil, fmt.Errorf("make the keychain: %w", err)
	}
	// A keyring may hang, or ask the user: then who waits behind it is not to wait longer.
	ctx, stop := context.WithTimeoutCause(ctx, ringWait, fmt.Errorf("nothing within %s", ringWait))
	defer stop()
	// Two that start at once must not make two keys. Other parts have locks of their own.
	unlock, err := s.Lock(ctx, "key of "+part)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("open the keychain: %w (%w)", ErrShut, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	text, err := material(ctx, s.files)
	if err != nil {
		return nil, fmt.Errorf("open the keychain: %w", err)
	}
	if s.key, err = seal.Derive(text); err != nil {
		return nil, fmt.Errorf("open the keychain: %w", err)
	}
	return s, nil
}

// stretched makes a key of a passphrase that people can remember. RFC 9106 §4
func stretched(dir, passphrase string) (string, error) {
	path := filepath.Join(dir, "salt")
	salt, err := seal.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		salt, err = seal.MakeFile(path)
	}
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(argon2.IDKey([]byte(passphrase), []byte(salt), 3, 64<<10, 4, 32)), nil
}

func fromRing(ctx context.Context, ring Ring, dir string) (string, error) {
	text, err := ring.Get(ctx, dir)
	if !errors.Is(err, errNotThere) {
		return text, err
	}
	if err := ring.Set(ctx, dir, rand.Text()+rand.Text()); err != nil {
		return "", err
	}
	text, err = ring.Get(ctx, dir)
	if errors.Is(err, errNotThere) { // of a prompt that was dismissed some say nothing
		err = fmt.Errorf("%w: it did not keep the key", ErrShut)
	}
	return text, err
}

// kept is what is sealed. The name of its file is made of the name, and does not tell it.
type kept struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

const (
	purpose = "keychain"
	suffix  = ".sealed"
)

func fileOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// Load returns what is kept under a name; nil: nothing. ErrSealed, wrapped, is of
// what cannot be opened.
func (s *Store) Load(_ context.Context, name string) ([]byte, error) {
	k, err := s.open(fileOf(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return k.Value, nil
}

func (s *Store) open(file string) (*kept, error) {
	text, err := os.ReadFile(filepath.Join(s.files, file+suffix))
	if err != nil {
		return nil, fmt.Errorf("read the keychain: %w", err)
	}
	plain, err := s.key.Open(purpose, file, string(text))
	if err != nil {
		return nil, fmt.Errorf("read the keychain: %w (%w)", ErrSealed, err)
	}
	k := &kept{}
	if err := json.Unmarshal(plain, k); err != nil {
		return nil, fmt.Errorf("read the keychain: %w", ErrSealed)
	}
	return k, nil
}

// Save keeps a value under a name, in the place of an older one. It is on disk
// when Save returns; a crash leaves the older one or the new one.
func (s *Store) Save(_ context.Context, name string, value []byte) error {
	plain, err := json.Marshal(kept{Name: name, Value: value})
	if err != nil {
		return err
	}
	file := fileOf(name)
	text, err := s.key.Seal(purpose, file, plain)
	if err != nil {
		return fmt.Errorf("write the keychain: %w", err)
	}
	if err := replace(filepath.Join(s.files, file+suffix), []byte(text)); err != nil {
		return fmt.Errorf("write the keychain: %w", err)
	}
	return nil
}

func replace(path string, text []byte) error {
	f, err := ownfile.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = ownfile.Replace(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Delete forgets what is kept under a name, if anything is.
func (s *Store) Delete(_ context.Context, name string) error {
	err := ownfile.Remove(filepath.Join(s.files, fileOf(name)+suffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the keychain: %w", err)
	}
	return nil
}

// Names returns the names under which something is kept that can be opened, in order.
func (s *Store) Names(_ context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.files)
	if err != nil {
		return nil, fmt.Errorf("read the keychain: %w", err)
	}
	var names []string
	for _, e := range entries {
		file, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		k, err := s.open(file)
		if errors.Is(err, ErrSealed) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names, nil
}

// lockEvery is how often somebody who waits for a lock looks.
const lockEvery = 50 * time.Millisecond

// Lock waits until nobody else, in this process or another, has the lock of that
// name. It ends with unlock, or with the process.
func (s *Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	path := filepath.Join(s.dir, fileOf("lock "+name)+".lock")
	f, err := ownfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lock the keychain: %w", err)
	}
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		if err = ownfile.TryLock(f); err == nil {
			return func() { _ = f.Close() }, nil // which ends it
		}
		if !errors.Is(err, ownfile.ErrLocked) {
			return nil, errors.Join(fmt.Errorf("lock the keychain: %w", err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}
