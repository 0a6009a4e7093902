//go:build linux || darwin || freebsd

package main

import "syscall"

// freeBytes is the free space for who we run as.
func freeBytes(path string) (uint64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(path, &s)
	return uint64(s.Bavail) * uint64(s.Bsize), err //nolint:unconvert // they are of other types on other systems
}
