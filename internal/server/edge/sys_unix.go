//go:build unix

package edge

import (
	"context"
	"net"
	"syscall"
)

// kept are the file descriptors that connections never take: the store, the
// audit trail and files have to be opened whatever strangers do.
const kept = 64

// roomFor says how many connections there may be, when want are wanted: each
// may need another descriptor, towards the server behind.
func roomFor(want int) int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return want
	}
	cur := uint64(limit.Cur) //nolint:unconvert // it is signed on some systems
	if cur < kept+2 {
		return 1
	}
	return int(min(uint64(want), (cur-kept)/2))
}

// bind makes a socket for its owner and group. The mask makes it private from its
// first moment on.
func bind(ctx context.Context, path string) (net.Listener, error) {
	old := syscall.Umask(0o117)
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	syscall.Umask(old)
	return l, err
}
