package adminapi

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// sunPath is how long a socket's path may be: sockaddr_un holds 108 bytes.
const sunPath = 107

// reachable returns a path of the socket that is short enough for the kernel:
// a long one is walked to through an open directory. Call done when it was used.
func reachable(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, Socket)
	if len(path) <= sunPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), Socket), func() { _ = d.Close() }, nil
}

// peer returns the user id of the process on the other end.
func peer(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	uid := -1
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if err != nil {
			failed = err
			return
		}
		uid = int(cred.Uid)
	})
	if err == nil {
		err = failed
	}
	return uid, err
}
