package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// claim makes sure that the database file at path is there, is a plain file,
// and can be read by nobody but its owner, its directory included.
func claim(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	if err := private(dir, fs.ModeDir); err != nil {
		return err
	}
	if err := lockable(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // SQLite gives -wal and -shm the same mode
	switch {
	case errors.Is(err, fs.ErrExist):
		return private(path, 0)
	case err != nil:
		return fmt.Errorf("make the file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), syncDir(dir)); err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	return nil
}

// private returns ErrPermissions unless path is of the kind and only its owner,
// who must be us, may use it. A link is refused: what it points to may change hands.
func private(path string, kind fs.FileMode) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return fmt.Errorf("look at the file: %w", err)
	case info.Mode().Type() != kind:
		return fmt.Errorf("%w: %s is a %v", ErrPermissions, path, info.Mode().Type())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: %s has mode %04o; chmod go= %s", ErrPermissions, path, info.Mode().Perm(), path)
	}
	return owned(path, info)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sizeOf returns how many bytes a database has on disk; what is not there counts nothing.
func sizeOf(path string) (n int64) {
	for _, suffix := range [...]string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			n += info.Size()
		}
	}
	return n
}
