package bridge

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// wires are connections that can go silent: they stay, and nothing comes through.
type wires struct {
	mu    sync.Mutex
	quiet []*sync.Mutex // of those there are
}

// lay leads to a server.
func (ws *wires) lay(t *testing.T, to string) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			t.Cleanup(func() { _, _ = near.Close(), far.Close() })
			m := &sync.Mutex{}
			ws.mu.Lock()
			ws.quiet = append(ws.quiet, m)
			ws.mu.Unlock()
			go carry(near, far, m)
			go carry(far, near, m)
		}
	}()
	return "http://" + l.Addr().String()
}

func carry(from, to net.Conn, m *sync.Mutex) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		m.Lock() // and for ever, once it is quiet
		_, werr := to.Write(buf[:n])
		m.Unlock()
		if err != nil || werr != nil {
			_, _ = from.Close(), to.Close()
			return
		}
	}
}

// silence has all connections that there are go silent, until the test ends.
func (ws *wires) silence(t *testing.T) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, m := range ws.quiet {
		m.Lock()
		t.Cleanup(m.Unlock)
	}
	ws.quiet = nil
}

// TestAMachineThatSleptConnectsAnew: connections from before are dead, and nobody says so.
func TestAMachineThatSleptConnectsAnew(t *testing.T) {
	f := newForgetful()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	ws := &wires{}
	at := ws.lay(t, strings.TrimPrefix(s.URL, "http://"))
	var mu sync.Mutex
	slept := time.Duration(0)
	d := sit(t, at, func(b *Bridge) {
		b.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(slept)
		}
	})
	d.hello()
	d.say(callLine, 1)
	d.hear()
	ws.silence(t)
	mu.Lock()
	slept = 3 * time.Hour
	mu.Unlock()
	d.say(callLine, 2)
	heard := map[string]bool{}
	for range 2 { // in either order: the news is of the server's own stream, which is open again
		got := d.hear()
		heard[string(got.ID)+string(got.Result)+got.Method] = true
	}
	if !heard["2{}"] || !heard["notifications/tools/list_changed"] {
		t.Errorf("got %v", heard)
	}
	f.says <- `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`
	if got := d.hear(); got.Method != "notifications/message" {
		t.Errorf("got %+v", got)
	}
	if inits, calls := f.counts(); inits != 1 || calls != 2 {
		t.Errorf("%d sessions, %d calls", inits, calls)
	}
}

func TestWhenAMachineHasSlept(t *testing.T) {
	var by time.Duration
	s := &sleeper{now: func() time.Time { return time.Now().Add(by) }}
	for _, step := range []struct {
		to   time.Duration
		want bool
	}{{0, false}, {time.Second, false}, {time.Hour, true}, {time.Hour, false}, {-time.Hour, false}, {-time.Hour, false}, {0, true}} {
		by = step.to
		if got := s.slept(); got != step.want {
			t.Errorf("at %s: got %t", step.to, got)
		}
	}
}

// during is a log that has something done when it is written to.
type during struct {
	slog.Handler
	do func()
}

func (d during) Handle(context.Context, slog.Record) error { d.do(); return nil }

// TestNobodyHasADeadConnectionWhileOthersAreMade: whoever asks second must not be told that nobody slept.
func TestNobodyHasADeadConnectionWhileOthersAreMade(t *testing.T) {
	var by time.Duration
	b := &Bridge{Now: func() time.Time { return time.Now().Add(by) }}
	r := newRemote(b, t.Context())
	dead := r.wire.Load()
	second := make(chan bool, 1)
	b.Log = slog.New(during{slog.NewTextHandler(io.Discard, nil), func() { // it was noticed, and nothing is made yet
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.wake()
			second <- r.wire.Load() == dead
		}()
		select {
		case <-done:
		case <-time.After(200 * time.Millisecond):
		}
	}})
	r.wake()
	by = time.Hour
	r.wake()
	if <-second {
		t.Error("the second one has a connection from before")
	}
}

// deaf is a client that reads nothing, and does not go.
type deaf struct{ until chan struct{} }

func (d deaf) Write([]byte) (int, error) { <-d.until; return 0, io.ErrClosedPipe }

// TestABridgeEndsBeforeAClientThatDoesNotRead: somebody else may hold its output open.
func TestABridgeEndsBeforeAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	out := deaf{make(chan struct{})}
	defer close(out.until)
	r, w := io.Pipe()
	d := sit(t, served(t, &old{}), func(b *Bridge) { b.Out, b.In = out, r })
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`+"\n")
	_ = w.Close()
	select {
	case err := <-d.done:
		if err != nil {
			t.Error(err)
		}
		d.done <- nil
	case <-time.After(60 * time.Second):
		t.Error("the bridge does not end")
	}
}
