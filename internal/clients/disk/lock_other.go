//go:build !unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lock waits for a file in the directory that only one can make. One that was
// left behind counts for nothing after a minute.
func lock(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, ".gatehouse-lock")
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return func() { _ = errors.Join(f.Close(), os.Remove(name)) }, nil
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(name)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func own(*os.File, fs.FileInfo) error { return nil }

func sync(string) error { return nil }
