package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Names of the servers behind.
const (
	notes  = "notes"  // Streamable HTTP without sessions, of both eras
	old    = "old"    // Streamable HTTP with sessions, of the older era
	events = "events" // HTTP+SSE of 2024-11-05
	local  = "local"  // a program of ours over stdio
	extra  = "extra"  // the demonstration server over stdio, which comes and goes
)

// behind is one server behind that speaks HTTP.
type behind struct {
	*witness
	address string
	make    func() http.Handler

	mu     sync.Mutex
	server *http.Server
}

func newBehind(w *world, name, path string, handler func(*mcp.Server) http.Handler) (*behind, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &behind{address: l.Addr().String(), make: func() http.Handler { return handler(newServer(name)) }}
	b.witness = &witness{name: name, self: "http://" + b.address + path, w: w}
	b.serve(l)
	return b, nil
}

func (b *behind) serve(l net.Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = b.make() // its sessions end with it, as with any restart
	b.server = &http.Server{Handler: b.witness, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func(s *http.Server) { _ = s.Serve(l) }(b.server)
}

func (b *behind) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.server.Close()
}

// restart ends the server with all its connections, and starts it anew.
func (b *behind) restart(away time.Duration) error {
	b.close()
	time.Sleep(away)
	for try := 0; ; try++ {
		l, err := net.Listen("tcp", b.address)
		if err == nil {
			b.witness = &witness{name: b.name, self: b.self, w: b.w}
			b.serve(l)
			return nil
		}
		if try == 50 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// openBehind starts all servers that speak HTTP.
func (w *world) openBehind() error {
	same := func(m *mcp.Server) func(*http.Request) *mcp.Server {
		return func(*http.Request) *mcp.Server { return m }
	}
	stateless := func(m *mcp.Server) http.Handler {
		return mcp.NewStreamableHTTPHandler(same(m), &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	}
	stateful := func(m *mcp.Server) http.Handler {
		return mcp.NewStreamableHTTPHandler(same(m), &mcp.StreamableHTTPOptions{SessionTimeout: time.Minute})
	}
	sse := func(m *mcp.Server) http.Handler { return mcp.NewSSEHandler(same(m), nil) }
	for _, one := range []struct {
		key, name, path string
		handler         func(*mcp.Server) http.Handler
	}{{notes, notes, "/mcp", stateless}, {"notes2", notes, "/mcp", stateless}, {old, old, "/mcp", stateful}, {events, events, "/sse", sse}} {
		b, err := newBehind(w, one.name, one.path, one.handler)
		if err != nil {
			return err
		}
		w.behind[one.key] = b
	}
	return w.openEar()
}

// openEar listens to what servers over stdio see.
func (w *world) openEar() error {
	path := filepath.Join(w.dir, "seen.sock")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	_ = c.SetReadBuffer(1 << 20)
	w.ear = c
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := c.Read(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			var r childReport
			if err != nil || json.Unmarshal(buffer[:n], &r) != nil {
				w.report.fail("what a server over stdio saw cannot be read: %v %q", err, buffer[:n])
				continue
			}
			if r.Credential != "" {
				w.report.fail("a caller's credential reached %s: %s", local, r.Credential)
				continue
			}
			w.saw(sighting{server: local, tool: r.Tool, nonce: r.Nonce, at: r.At})
		}
	}()
	return nil
}

// saw judges what a server behind has seen, and has the trail looked through for it.
func (w *world) saw(s sighting) {
	strict := w.book.see(s)
	if s.who != nil {
		w.trail.expectCall(s.who.Request, s.server+" "+s.tool, strict)
	}
	switch w.report.s.sabotage {
	case "twice":
		w.book.see(s)
	case "unknown":
		w.book.see(sighting{server: s.server, tool: s.tool, nonce: newNonce(), at: s.at})
	case "identity":
		w.book.identified(&call{key: &key{id: "another"}, server: s.server, tool: s.tool}, s)
	}
}

// lieAboutRevoked reports calls with keys that are over.
func (w *world) lieAboutRevoked(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		if k := w.ledger.ghost(w.dice()); k != nil {
			c := &call{nonce: newNonce(), client: -1, key: k, server: notes, tool: "echo"}
			w.book.send(c)
			w.book.see(sighting{server: notes, tool: "echo", nonce: c.nonce, at: time.Now()})
		}
	}
}

func sabotages() []string {
	return []string{"revoked", "identity", "twice", "unknown", "trail"}
}

// self is this program.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
