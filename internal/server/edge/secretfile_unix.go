//go:build unix

package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// private says why a file is no place for a private key: somebody else can read
// it, or can put another in its place.
//
// A file of root's may be readable by its group: that is how distributions and
// clusters hand a key to a service that runs under an account of its own.
func private(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	at, err := os.Stat(real)
	if err != nil {
		return err
	}
	mode, us := at.Mode().Perm(), os.Geteuid()
	owner := us
	if st, ok := at.Sys().(*syscall.Stat_t); ok {
		owner = int(st.Uid)
	}
	switch {
	case owner != us && owner != 0:
		return fmt.Errorf("%s belongs to another account (uid %d)", path, owner)
	case mode&0o007 != 0, mode&0o020 != 0, owner == us && mode&0o070 != 0:
		return fmt.Errorf("%s can be read or changed by others (mode %04o); chmod 600 it", path, mode)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(real)} {
		at, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if at.Mode().Perm()&0o022 != 0 && at.Mode()&os.ModeSticky == 0 {
			return fmt.Errorf("others can put another file in its place: %s has mode %04o", dir, at.Mode().Perm())
		}
	}
	return nil
}
