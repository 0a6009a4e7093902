//go:build unix

package seal

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ours refuses a file that others may use, or that is of another account.
func ours(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s can be used by others (mode %04o); they may have the key. Close it: chmod 600 %[2]s", ErrFile, path, info.Mode().Perm())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to another user", ErrFile, path)
	}
	return nil
}

// closed has nothing to add to the mode.
func closed(*os.File) error { return nil }
