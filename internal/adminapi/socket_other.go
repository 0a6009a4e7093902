//go:build !linux

package adminapi

import (
	"net"
	"os"
	"path/filepath"
)

// reachable returns the socket's path; the kernel's limit on its length shows
// as an error of bind or connect.
func reachable(dir string) (path string, done func(), err error) {
	return filepath.Join(dir, Socket), func() {}, nil
}

// peer trusts the socket's mode and its directory's: both let only their owner
// in, and the standard library cannot ask who called on this system.
func peer(*net.UnixConn) (int, error) { return os.Getuid(), nil }
