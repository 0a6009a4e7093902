//go:build unix

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// closedToOthers refuses a directory where somebody else could put another file
// in the trail's place.
func closedToOthers(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("look at the directory of the audit trail: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrUnsafe, dir)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%w: others may write in %s (mode %04o); chmod go-w %[2]s", ErrUnsafe, dir, info.Mode().Perm())
	}
	if uid := ownerOf(info); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d, this program runs as %d", ErrUnsafe, dir, uid, os.Geteuid())
	}
	return nil
}

// private opens a file that only we may read: never through a link, never
// somebody else's. O_NONBLOCK keeps a named pipe from holding us up; it means
// nothing for a plain file.
func private(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrUnsafe, path)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: %s is no plain file", ErrUnsafe, path)
	case ownerOf(info) != os.Geteuid():
		err = fmt.Errorf("%w: %s belongs to user %d, this program runs as %d", ErrUnsafe, path, ownerOf(info), os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("%w: others may use %s (mode %04o); chmod 600 %[2]s", ErrUnsafe, path, info.Mode().Perm())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
