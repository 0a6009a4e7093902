package edge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// Prefixes of addresses that are no host:port.
const (
	unixPrefix    = "unix:"
	systemdPrefix = "systemd:"
)

// Inherited are the sockets that a service manager has opened for us, by the
// names that their units give them. Each can be listened on once.
type Inherited []*os.File

// Passed takes the sockets that systemd has passed to this process, and has no
// child of ours take them for its own. Only the first call finds any.
// sd_listen_fds(3)
func Passed() Inherited { return activation.Files(true) }

// Open listens on an address: host:port, unix:/path or systemd:NAME. One name of
// systemd's may stand for several sockets; every other address is one. What
// cannot be opened is an *adminapi.Error that says what to do.
func Open(ctx context.Context, address string, inherited Inherited) ([]net.Listener, error) {
	if name, ok := strings.CutPrefix(address, systemdPrefix); ok {
		return inherited.open(name)
	}
	l, err := openOne(ctx, address)
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

func openOne(ctx context.Context, address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return openUnix(ctx, path)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, inUse(fmt.Sprintf("%s is in use%s. Use --listen %s", address, user(address), next(address)))
	}
	return nil, cannotListen(address, err)
}

func inUse(message string) error {
	return &adminapi.Error{Status: http.StatusConflict, Code: "GH-2301", Message: message}
}

func cannotListen(address string, err error) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2403", Message: fmt.Sprintf("Cannot listen on %s (%v).", address, bare(err))}
}

// bare is the reason without the address, which was said already.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// openUnix makes a socket for its owner and group alone: who reaches it counts
// as a proxy of ours. A socket that a killed server left is replaced, one that
// answers is not.
func openUnix(ctx context.Context, path string) (net.Listener, error) {
	address := unixPrefix + path
	switch at, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, cannotListen(address, err)
	case at.Mode().Type() != fs.ModeSocket:
		return nil, cannotListen(address, errors.New("there is something else, which is not removed"))
	default:
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			_ = conn.Close()
			return nil, inUse(fmt.Sprintf("%s is in use: somebody answers on it. Stop them, or listen elsewhere.", address))
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, cannotListen(address, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, cannotListen(address, err)
		}
	}
	l, err := bind(ctx, path)
	if err != nil {
		return nil, cannotListen(address, err)
	}
	made, err := os.Lstat(path)
	if err != nil {
		_ = l.Close()
		return nil, cannotListen(address, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // by name, which may be another's by then
	}
	return &unixListener{Listener: l, path: path, made: made}, nil
}

// unixListener removes its socket in the end.
type unixListener struct {
	net.Listener
	path string
	made fs.FileInfo
}

// Close stops listening and removes the socket, unless another took its place.
func (l *unixListener) Close() error {
	err := l.Listener.Close()
	if at, e := os.Lstat(l.path); e == nil && os.SameFile(at, l.made) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// open takes the sockets that have a name.
func (all Inherited) open(name string) ([]net.Listener, error) {
	var (
		taken []net.Listener
		named []string
	)
	for i, f := range all {
		if f == nil {
			continue
		}
		named = append(named, strconv.Quote(f.Name()))
		if f.Name() != name {
			continue
		}
		l, err := net.FileListener(f) // a copy of the descriptor
		if err != nil {
			closeAll(taken)
			return nil, cannotListen(systemdPrefix+name, fmt.Errorf("not a stream socket that listens: %w", err))
		}
		_ = f.Close()
		all[i] = nil
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // it is systemd's, and outlives us
		}
		taken = append(taken, l)
	}
	if len(taken) > 0 {
		return taken, nil
	}
	found := "none was passed: start Gatehouse by its socket unit"
	if len(named) > 0 {
		found = "there are " + strings.Join(named, ", ")
	}
	return nil, &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2032", Message: fmt.Sprintf(
		"systemd has passed no socket named %q; %s. FileDescriptorName= in the socket unit names it.", name, found)}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// user names the process on an address, as in ` by "node server.js" (pid 812)`.
func user(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return ""
	}
	pid, command := portOwner(uint16(n))
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" by %q (pid %d)", command, pid)
}

// next proposes another port.
func next(address string) string {
	host, port, _ := net.SplitHostPort(address)
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n >= 65535 {
		n = 0
	} else {
		n++
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}
