//go:build unix

package adminapi

import (
	"net"
	"syscall"
)

const sockets = true

// bind makes the socket. The mask makes it private from its first moment; the
// directory, which only its owner may enter, is the second wall.
func bind(path string) (*net.UnixListener, error) {
	old := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(old)
	return l, err
}
