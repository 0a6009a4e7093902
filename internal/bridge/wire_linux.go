package bridge

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unheard is how long, in milliseconds, a connection may take to take what is sent.
const unheard = 60_000

// giveUpUnheard has a connection end on which nobody takes what is sent: the network is
// another one, or the other end has gone. The system tries for a quarter of an hour.
func giveUpUnheard(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unheard) // an old kernel does without
	})
}
