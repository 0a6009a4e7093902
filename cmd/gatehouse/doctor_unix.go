//go:build unix

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// openFiles is how many files a process started here may have open. Go raises
// the soft limit to the hard one by itself.
func openFiles() (uint64, error) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return uint64(l.Max), err //nolint:unconvert // it is signed on some systems
}

// writable asks whether this process could write a file, or into a directory. access(2)
func writable(path string) error { return unix.Access(path, unix.W_OK) }
