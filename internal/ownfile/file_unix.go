//go:build unix

package ownfile

import (
	"errors"
	"os"
	"syscall"
)

// MkdirAll makes a directory, and those above it that are not there.
func MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// Create makes a file to write to; fs.ErrExist, wrapped, when there is something
// of that name, be it a link.
func Create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Open opens a file to read and write it, and makes one that is not there.
func Open(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) }

// CreateTemp is os.CreateTemp.
func CreateTemp(dir, pattern string) (*os.File, error) { return os.CreateTemp(dir, pattern) }

// TryLock locks an open file until it is closed, at the latest with the process.
func TryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// Replace gives a file the name of another, which is gone then.
func Replace(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func Remove(path string) error { return os.Remove(path) }

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
