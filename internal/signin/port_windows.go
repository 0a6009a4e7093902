package signin

import "syscall"

// alone has a port be ours alone: Windows lets another program of the same user have
// it too, and then either may get the answer. Microsoft, "Using SO_REUSEADDR and
// SO_EXCLUSIVEADDRUSE"
func alone(_, _ string, c syscall.RawConn) error {
	const exclusive = ^syscall.SO_REUSEADDR // SO_EXCLUSIVEADDRUSE of winsock2.h
	var failed error
	if err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, exclusive, 1)
	}); err != nil {
		return err
	}
	return failed
}
