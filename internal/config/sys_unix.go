//go:build unix

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK // a pipe in the place of a file must not make us wait

// private says why somebody else could read or replace an open file, or nil.
func private(path string, _ *os.File, info fs.FileInfo) error {
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return fmt.Errorf("others may read (mode %04o): chmod 600 %s", m, path)
	}
	if !trusted(info) {
		return errors.New("belongs to somebody else than us and root")
	}
	link, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if link.Mode()&fs.ModeSymlink != 0 && !trusted(link) {
		return errors.New("is behind a link of somebody else")
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(target)} {
		d, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		if d.Mode().Perm()&0o022 != 0 && d.Mode()&fs.ModeSticky == 0 { // in a sticky directory only the owner can replace a file
			return fmt.Errorf("others may replace (the directory has mode %04o): chmod go-w %s", d.Mode().Perm(), dir)
		}
	}
	return nil
}

// trusted says whether a file is ours or root's.
func trusted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}

// writable says who else may change an open configuration, and what to do about
// it; empty: nobody.
func writable(f *os.File, info fs.FileInfo) (string, error) {
	if m := info.Mode().Perm(); m&0o022 != 0 {
		return fmt.Sprintf("others (mode %04o), who could let themselves in: chmod go-w %s", m, f.Name()), nil
	}
	return "", nil
}
