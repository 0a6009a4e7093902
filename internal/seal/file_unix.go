//go:build unix

package seal

import (
	"io/fs"
	"os"
	"syscall"
)

// ours says whether a file is of the account that we run as.
func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
