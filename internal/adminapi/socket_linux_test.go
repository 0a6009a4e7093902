package adminapi

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// TestA174_StrangersAreHungUpOn opens the socket's own doors, mode and
// directory, so that only the question who called is left to keep others out.
func TestA174_StrangersAreHungUpOn(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can call as somebody else")
		}
		t.Skip("only root can call as somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "gatehouse") // t.TempDir is in a directory of root's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, Socket)
	for p, mode := range map[string]os.FileMode{dir: 0o777, path: 0o777} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	accepted := make(chan error, 1)
	go func() { _, err := l.Accept(); accepted <- err }()
	if n, err := readAs(65534, path); err != nil || n != 0 {
		t.Errorf("stranger: read %d bytes, %v; want the end of the connection", n, err)
	}
	select {
	case err := <-accepted:
		t.Errorf("a stranger was accepted: %v", err)
	default:
	}
	if _, err := Dial(t.Context(), dir); err != nil {
		t.Errorf("owner: %v", err)
	}
	if err := <-accepted; err != nil {
		t.Errorf("owner: got %v, want to be accepted", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// readAs connects as another user and reads until there is something. Only this
// thread changes its user, and it ends with the goroutine.
func readAs(uid int, path string) (n int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		u := uintptr(uid)
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, u, u, u); e != 0 {
			err = e
			return
		}
		fd, e := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if e != nil {
			err = e
			return
		}
		defer func() { _ = syscall.Close(fd) }()
		if e := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); e != nil {
			err = fmt.Errorf("connect: %w", e)
			return
		}
		// A while, so that a listener that lets us in shows as a time-out.
		if e := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5}); e != nil {
			err = e
			return
		}
		n, err = syscall.Read(fd, make([]byte, 1))
	}()
	<-done
	return n, err
}
