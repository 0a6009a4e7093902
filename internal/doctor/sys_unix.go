//go:build unix

package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ours says whether a file belongs to who we run as.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// others says who else may use a file; empty: nobody.
func others(_ string, info fs.FileInfo) string {
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return fmt.Sprintf("others (mode %04o)", m)
	}
	return ""
}

// closing is the command that takes a file from others.
func closing(chmod, path string) string { return chmod + path }
