package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAKeyIsNotShownWhereItIsTyped: neither while it is read, nor is the terminal left
// silent by somebody who gives up.
func TestAKeyIsNotShownWhereItIsTyped(t *testing.T) {
	near, far := pseudoTerminal(t)
	echoes := func() bool {
		s, err := unix.IoctlGetTermios(int(far.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return s.Lflag&unix.ECHO != 0
	}
	a, out := atHome(t, "")
	a.in = far
	silent := func() {
		for echoes() {
			if t.Context().Err() != nil {
				return
			}
		}
	}
	typed := make(chan struct{})
	go func() {
		defer close(typed)
		silent()
		_, _ = near.WriteString("sk-hunter2\n")
	}()
	key, err := a.keyRead(t.Context(), "", nil)
	<-typed
	if key != "sk-hunter2" || err != nil || strings.Contains(out.String(), "hunter2") || !echoes() {
		t.Errorf("got %q, %v, %s", key, err, out)
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		silent()
		stop()
	}()
	if key, err := a.keyRead(ctx, "", nil); key != "" || !errors.Is(err, context.Canceled) || !echoes() {
		t.Errorf("Ctrl+C: got %q, %v", key, err)
	}
	_, _ = near.WriteString("\n")
}

func pseudoTerminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(near.Close(), far.Close()) })
	return near, far
}
