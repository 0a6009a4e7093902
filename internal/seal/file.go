package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// File is the name of the key file beside a database. Unfinished is the pattern
// of what a crash may leave of making one.
const (
	File       = "seal.key"
	Unfinished = "." + File + ".*.fresh"
)

// ErrFile says that a key file is not fit to be trusted.
var ErrFile = errors.New("the key file cannot be used")

const maxFile = 4 << 10 // bytes; a key file is one line

// ReadFile returns the key material in a file that nobody but us may read. It
// returns fs.ErrNotExist, wrapped, when there is none, and ErrFile when there
// is one that others may have read or could exchange.
func ReadFile(path string) (string, error) {
	info, err := os.Lstat(path) // a link's target may change hands
	if err != nil {
		return "", fmt.Errorf("look at the key file: %w", err)
	}
	if err := trusted(path, info); err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	now, err := f.Stat()
	if err != nil || !os.SameFile(info, now) {
		return "", fmt.Errorf("%w: %s was exchanged just now", ErrFile, path)
	}
	if err := closed(f); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrFile, err)
	case len(text) > maxFile:
		return "", fmt.Errorf("%w: %s is larger than a key", ErrFile, path)
	}
	return string(text), nil
}

// trusted refuses what is no plain file, or none of ours alone as far as its mode says.
func trusted(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a plain file", ErrFile, path)
	}
	return ours(path, info)
}

// MakeFile makes a file with a random key, mode 0600, and returns the material.
// Whoever comes second gets what the first has made. The name appears with the
// whole key behind it, on disk: a crash leaves all of it or nothing.
func MakeFile(path string) (string, error) {
	dir := filepath.Dir(path)
	key := make([]byte, 32)
	rand.Read(key)                                // never fails: the program ends instead
	f, err := ownfile.CreateTemp(dir, Unfinished) // mode 0600
	if err != nil {
		return "", fmt.Errorf("make the key file: %w", err)
	}
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it replaces nothing
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err = errors.Join(err, os.Remove(f.Name()), ownfile.SyncDir(dir)); err != nil {
		return "", fmt.Errorf("make the key file: %w", err)
	}
	return ReadFile(path)
}
