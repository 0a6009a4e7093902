//go:build !unix

package adminapi

import (
	"errors"
	"net"
)

const sockets = false // so no server runs

// bind refuses: nothing here keeps others from the socket.
func bind(string) (*net.UnixListener, error) {
	return nil, errors.New("this system has no socket for one user alone")
}
