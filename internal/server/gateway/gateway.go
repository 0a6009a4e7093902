// Package gateway is the door in front of one MCP server: it admits callers,
// reads what they ask strictly, and carries it to the server and the answer
// back, event by event.
package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// Gateway protects one MCP server at one path. Fill it in, then Open it.
type Gateway struct {
	Name       string           // the server's name, for logs
	Path       string           // where the server is found, such as "/mcp"; "/mcp/" is the same
	SSEPath    string           // where clients of HTTP+SSE (2024-11-05) find it, such as "/sse"; empty: nowhere
	PublicURL  string           // the URL that people give to their clients
	Hosts      []string         // names in Host that are ours, without port; empty: loopback's names only
	Origins    []string         // further origins of browser clients, "https://inspector.example"
	SessionKey []byte           // at least 32 bytes: MAC of session ids, the same on every replica
	Guard      *access.Guard    // required: the only one who admits
	Upstream   *upstream.Client // the server, when it is reached over HTTP
	Stdio      *Stdio           // the server, when it is a program of ours; one of the two
	Events     bool             // Upstream speaks HTTP+SSE of 2024-11-05, and its URL is that of the event stream
	Log        *slog.Logger     // required
	MaxBody    int64            // bytes of a request's body; zero: 4 MiB
	MaxStreams int              // open event streams of one caller; zero: 1024
	BodyWait   time.Duration    // how long a client may take to send a body; zero: 30 s
	KeepAlive  time.Duration    // silence on a stream after which a comment is sent; zero: 15 s

	backend  backend
	events   eventDoor
	sessions sealer
	origins  origins
	streams  counter
	page     []byte
}

const (
	defaultMaxBody    = 4 << 20
	defaultMaxStreams = 1024
	defaultBodyWait   = 30 * time.Second
	defaultKeepAlive  = 15 * time.Second

	maxMessage = 16 << 20 // bytes of one message from the server
)

// Open makes the gateway ready to serve, and says what is missing.
func (g *Gateway) Open() error {
	if g.Guard == nil || g.Log == nil || len(g.SessionKey) < 32 || g.Path == "" {
		return fmt.Errorf("gateway %q: guard, log, path and a session key of 32 bytes are required", g.Name)
	}
	switch {
	case (g.Upstream == nil) == (g.Stdio == nil):
		return fmt.Errorf("gateway %q: want one upstream, by URL or by command", g.Name)
	case g.Events && g.Upstream == nil:
		return fmt.Errorf("gateway %q: an event stream has a URL", g.Name)
	case g.Events:
		g.backend = newEvents(g)
	case g.Upstream != nil:
		g.backend = &streamable{client: g.Upstream, max: maxMessage}
	default:
		if err := g.Stdio.check(); err != nil {
			return fmt.Errorf("gateway %q: %w", g.Name, err)
		}
		g.backend = newStdio(*g.Stdio)
	}
	g.MaxBody = orDefault(g.MaxBody, defaultMaxBody)
	g.MaxStreams = orDefault(g.MaxStreams, defaultMaxStreams)
	g.BodyWait = orDefault(g.BodyWait, defaultBodyWait)
	g.KeepAlive = orDefault(g.KeepAlive, defaultKeepAlive)
	g.sessions = sealer{key: g.SessionKey, server: g.Name}
	g.streams = counter{limit: g.MaxStreams}
	g.page = helperPage(g.PublicURL)
	if err := g.events.init(g); err != nil {
		return err
	}
	return g.origins.init(g.Hosts, g.Origins, g.PublicURL)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Close ends every session and child; it returns when they are gone.
func (g *Gateway) Close() {
	g.events.close()
	g.backend.close()
}

// ServeHTTP answers one request and writes one line about it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w, id: rand.Text()[:16]}
	a.Header().Set("X-Request-Id", a.id)
	g.hurry(a, r)
	v := &visit{began: time.Now()}
	defer g.finish(a, r, v)
	if v.err = g.serve(a, r, v); v.err != nil {
		a.refuse(v.err, v.call)
	}
}

// finish ends a request, also one that panicked: that costs its caller a 500,
// and nobody else anything.
func (g *Gateway) finish(a *answer, r *http.Request, v *visit) {
	cut := errors.Is(v.err, http.ErrAbortHandler)
	if p := recover(); p != nil {
		cut = a.status != 0
		v.err = fmt.Errorf("panic: %v", p)
		g.Log.Error("panic", "request", a.id, "panic", printable(fmt.Sprint(p)), "stack", string(debug.Stack()))
		a.refuse(v.err, v.call)
	}
	g.record(a, r, v)
	if cut {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
}

// visit gathers what the line in the log says about a request.
type visit struct {
	began  time.Time
	caller *access.Caller
	call   *mcp.Call
	err    error
}

// serve is the life of a request: each step refuses or hands on.
func (g *Gateway) serve(a *answer, r *http.Request, v *visit) error {
	if err := g.origins.check(a, r); err != nil {
		return err
	}
	if err := g.route(r); err != nil {
		return err
	}
	if preflight(a, r) {
		return nil
	}
	x := &exchange{w: a, r: r, id: a.id, g: g}
	if err := g.admit(x); err != nil {
		if wantsPage(r, err) {
			a.html(g.page, err)
			v.err = err
			return nil
		}
		return err
	}
	v.caller = x.caller
	ctx, stop := g.Guard.Watch(r.Context(), x.caller)
	defer stop()
	x.r = r.WithContext(ctx)
	return g.dispatch(x, v)
}

// dispatch reads what is asked for and carries it to the backend.
func (g *Gateway) dispatch(x *exchange, v *visit) error {
	if door := g.events.at(x.r.URL.Path); door != nil {
		return door(x, v)
	}
	switch x.r.Method {
	case http.MethodPost:
		if err := g.read(x); err != nil {
			return err
		}
		v.call = x.call
		if err := g.bind(x); err != nil {
			return err
		}
		return g.forward(x)
	case http.MethodGet, http.MethodDelete:
		version, err := mcp.HeaderVersion(x.r.Header)
		if err != nil {
			return err
		}
		if version == mcp.Version20260728 { // transports: both are gone
			return notAllowed("POST")
		}
		if err := g.bind(x); err != nil {
			return err
		}
		if x.r.Method == http.MethodDelete {
			return g.backend.delete(x)
		}
		leave, err := x.place() // before the server hears of it: nothing else can come of it
		if err != nil {
			return err
		}
		defer leave()
		return g.backend.get(x)
	default:
		return notAllowed("GET, POST, DELETE")
	}
}

// forward carries what was read to the backend, if it may pass: all that is
// called comes by here, whichever door it came in by.
func (g *Gateway) forward(x *exchange) error {
	if err := g.Guard.Check(x.caller, x.call); err != nil {
		return err
	}
	return g.backend.post(x)
}

// Serves says whether something is served at a path.
func (g *Gateway) Serves(path string) bool {
	return path == g.Path || path == g.Path+"/" || g.events.at(path) != nil
}

// record writes the request's line: refusals always, the rest when asked for.
func (g *Gateway) record(a *answer, r *http.Request, v *visit) {
	level := slog.LevelDebug
	if v.err != nil || a.dropped > 0 {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !g.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("server", g.Name), slog.String("request", a.id), slog.String("address", r.RemoteAddr),
		slog.String("http", printable(r.Method)), slog.Int("status", a.status), slog.Duration("took", time.Since(v.began)),
	}
	if c := v.caller; c != nil {
		attrs = append(attrs, slog.String("tenant", c.TenantName), slog.String("key", c.KeyID))
	}
	if v.call != nil && len(v.call.Messages) > 0 {
		m := v.call.Messages[0]
		attrs = append(attrs, slog.String("method", printable(m.Method)), slog.String("name", printable(m.Name)))
	}
	if a.dropped > 0 {
		attrs = append(attrs, slog.Int("dropped", a.dropped))
	}
	if v.err != nil {
		attrs = append(attrs, reason(v.err)...)
	}
	g.Log.LogAttrs(ctx, level, "request", attrs...)
}

// counter bounds how much of something each caller holds at once.
type counter struct {
	limit int
	mu    sync.Mutex
	held  map[string]int
}

// take counts one more for the caller, or refuses. release gives it back.
func (c *counter) take(caller string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = make(map[string]int)
	}
	if c.held[caller] >= c.limit {
		return nil, &gatehouse.Error{Code: "GH-1503", Status: http.StatusServiceUnavailable, Description: "Too many open streams for this key. Close some, or retry later."}
	}
	c.held[caller]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.held[caller]--; c.held[caller] == 0 {
			delete(c.held, caller)
		}
	}, nil
}
