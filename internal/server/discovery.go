package server

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Anybody may fetch what we say of ourselves, as often as they like, and nothing
// comes of it. So of each network and document one fetch in a while is written
// down, of all no more than so many, and nobody waits for the disk.
const (
	discoveryWindow = time.Minute
	discoveryMost   = 64 // in a window
)

// discoveries writes down that somebody looks for the way to sign in: the first
// step of a login that is told later. It does not know who it is.
type discoveries struct {
	trail interface {
		Write(context.Context, *audit.Event) error
	}
	address func(*http.Request) (from netip.Addr, shared bool)
	now     func() time.Time

	mu    sync.Mutex
	since time.Time
	seen  map[fetched]struct{} // in this window
}

// fetched is what makes two fetches alike.
type fetched struct {
	from netip.Prefix
	path string
}

// of wraps the door to a document. server is the MCP server that it is about; empty: none.
func (d *discoveries) of(server, path string, door http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			door.ServeHTTP(w, r)
			return
		}
		a := &answered{ResponseWriter: w}
		door.ServeHTTP(a, r)
		d.note(r, server, path, a.code())
	})
}

func (d *discoveries) note(r *http.Request, server, path string, status int) {
	from, _ := d.address(r)
	if !d.first(from, path) {
		return
	}
	e := &audit.Event{
		Time: d.now(), Kind: config.AuditSignIn, Action: "discovery", Server: server, Address: from, Client: r.UserAgent(),
		Status: status, Outcome: audit.OK, Detail: map[string]string{"document": path},
	}
	if status >= http.StatusBadRequest {
		e.Outcome = audit.Failed
	}
	_ = d.trail.Write(context.WithoutCancel(r.Context()), e) // it was answered, and the trail says itself when it breaks
}

// first says whether a fetch is to be written down.
func (d *discoveries) first(from netip.Addr, path string) bool {
	of := fetched{audit.Network(from), path}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); now.Sub(d.since) >= discoveryWindow || now.Before(d.since) {
		d.since, d.seen = now, map[fetched]struct{}{}
	}
	if _, known := d.seen[of]; known || len(d.seen) >= discoveryMost {
		return false
	}
	d.seen[of] = struct{}{}
	return true
}

// answered remembers that of an answer.
type answered struct {
	http.ResponseWriter
	sent int
}

// WriteHeader implements http.ResponseWriter.
func (s *answered) WriteHeader(code int) {
	if s.sent == 0 {
		s.sent = code
	}
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController find what it controls.
func (s *answered) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *answered) code() int {
	if s.sent == 0 {
		return http.StatusOK
	}
	return s.sent
}
