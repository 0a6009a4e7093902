package edge

import (
	"os"

	"golang.org/x/sys/unix"
)

// dup returns a descriptor that no *os.File of ours closes.
func dup(f *os.File) (int, error) { return unix.Dup(int(f.Fd())) }
