package upstream

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// watchable says that sockets can be asked what socket asks them. Where they
// cannot, http.Transport does all the work.
const watchable = true

// socket asks the kernel about a connection.
type socket struct {
	raw syscall.RawConn

	poll  func(fd uintptr) // made once: does what quiet asks
	fds   [1]unix.PollFd
	ready int
	err   error
}

func (s *socket) watch(nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("no TCP connection but %T", nc)
	}
	s.poll = func(fd uintptr) {
		s.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
		s.ready, s.err = unix.Poll(s.fds[:], 0)
	}
	var err error
	s.raw, err = tcp.SyscallConn()
	return err
}

// quiet reports whether the peer has sent nothing that was not read, and has
// not ended the connection.
func (s *socket) quiet() bool {
	s.ready = 1
	err := s.raw.Control(s.poll)
	return err == nil && s.err == nil && s.ready == 0
}

// acknowledged returns how many bytes the peer's kernel has acknowledged, the
// handshake's one included.
func (s *socket) acknowledged() (int64, bool) {
	var info *unix.TCPInfo
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || failed != nil {
		return 0, false
	}
	return int64(info.Bytes_acked), true
}
