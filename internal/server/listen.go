package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// listen opens the gateway's port. A port that is taken says by whom, if that
// can be known.
func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	e := &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2403", Message: fmt.Sprintf("Cannot listen on %s (%v).", address, bare(err))}
	if errors.Is(err, syscall.EADDRINUSE) {
		e.Status, e.Code = http.StatusConflict, "GH-2301"
		e.Message = fmt.Sprintf("%s is in use%s. Use --listen %s", address, user(address), next(address))
	}
	return nil, e
}

// bare is the reason without the address, which was said already.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
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
