package notify

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// manager listens like a service manager.
func manager(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestNotify(t *testing.T) {
	heard := manager(t)
	for _, tt := range []struct {
		name string
		tell func() error
		want string
	}{
		{"ready", func() error { return Ready("serving 2 servers") }, `^READY=1\nSTATUS=serving 2 servers$`},
		{"reloading", Reloading, `^RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading the configuration$`},
		{"stopping", Stopping, `^STOPPING=1\nSTATUS=stopping$`},
		{"a status", func() error { return Status("all is well") }, `^STATUS=all is well$`},
		{"a status of two lines", func() error { return Status("x\nSTOPPING=1\r") }, `^STATUS=x STOPPING=1 $`},
	} {
		if err := tt.tell(); err != nil {
			t.Error(err)
		}
		if got := heard(); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if err := errors.Join(Ready("x"), Reloading(), Stopping(), Watch(t.Context(), func(context.Context) bool { return true })); err != nil {
		t.Errorf("got %v, want nothing to happen", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Ready("x"); err == nil {
		t.Error("got none, want an error when the manager is gone")
	}
}

func TestWatchdog(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, stop := context.WithCancel(t.Context())
	var ill atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- Watch(ctx, func(context.Context) bool { return !ill.Load() }) }()
	for range 3 {
		if got := heard(); got != "WATCHDOG=1" {
			t.Errorf("got %q, want a sign of life", got)
		}
	}
	ill.Store(true)
	for heard() != "" { // what was sent before
	}
	ill.Store(false)
	if got := heard(); got != "WATCHDOG=1" {
		t.Errorf("got %q after it got well, want a sign of life", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Setenv("WATCHDOG_PID", "1")
	if err := Watch(t.Context(), nil); err != nil {
		t.Errorf("got %v when another process is watched, want nothing", err)
	}
}
