package adminapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Socket is the admin door's name in the state directory.
const Socket = "gatehouse.sock"

// ErrNotRunning says that nobody listens on a state directory's socket.
var ErrNotRunning = errors.New("no server runs on this state")

// Listen opens the door of a state directory for its owner alone: the socket
// is 0600 and every caller's user id is checked as well. It replaces a socket
// that a killed server left, so the caller must hold the state's lock.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, Socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	near, done, err := reachable(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := bind(near)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // by its long name, below
	return &listener{UnixListener: l, path: path, uid: os.Getuid()}, nil
}

// Dial returns a way to the door of a state directory, or [ErrNotRunning].
func Dial(ctx context.Context, dir string) (http.RoundTripper, error) {
	if !sockets {
		return nil, ErrNotRunning
	}
	conn, err := dial(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("reach the server on %s: %w", filepath.Join(dir, Socket), err)
	}
	_ = conn.Close()
	return &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
		DisableKeepAlives: true,
	}, nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	near, done, err := reachable(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, "unix", near)
}

// listener admits the owner and root.
type listener struct {
	*net.UnixListener
	path string
	uid  int
}

// Accept waits for a caller of ours. Others are hung up on without a word.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peer(c)
		if err == nil && (uid == l.uid || uid == 0) {
			return c, nil
		}
		_ = c.Close()
	}
}

// Close stops listening and removes the socket.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if rm := os.Remove(l.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
