// Package gateway is the door in front of one MCP server: it admits callers,
// reads what they ask strictly, and carries it to the server and the answer
// back, event by event.
package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// Gateway protects one MCP server at one path. Fill it in, then Open it.
type Gateway struct {
	Name       string           // the server's name, for logs
	Host       string           // the one name in Host that is this server's, for Front; empty: any
	SSEPath    string           // where clients of HTTP+SSE (2024-11-05) find it, such as "/sse"; empty: nowhere
	Path       string           // where the server is found, such as "/mcp"; "/mcp/" is the same
	PublicURL  string           // the URL that people give to their clients
	Page       []byte           // what a browser is shown that comes without a credential; nil: the refusal, like anybody
	Hosts      []string         // names in Host that are ours, without port; empty: loopback's names only
	Origins    []string         // further origins of browser clients, "https://inspector.example"
	SessionKey []byte           // at least 32 bytes: MAC of session ids, the same on every replica
	Guard      *access.Guard    // required: the only one who admits
	Upstream   *upstream.Client // the server, when it is reached over HTTP
	Stdio      *Stdio           // the server, when it is a program of ours; one of the two
	Events     bool             // Upstream speaks HTTP+SSE of 2024-11-05, and its URL is that of the event stream
	Earlier    *Gateway         // instead of both: the gateway whose server this one takes over; see Activate

	// ByTenant are gateways of the same name, opened by themselves, before servers
	// that tenants have of their own. A tenant's caller never reaches this one's.
	ByTenant map[string]*Gateway // by the tenant's name

	Forward  *upstream.Forward // what an upstream over HTTP is told of callers; nil: nothing
	Log      *slog.Logger      // required
	MaxBody  int64             // bytes of a request's body; zero: 4 MiB
	BodyWait time.Duration     // how long a client may take to send a body; zero: 30 s
	Metrics  Metrics           // nil: nothing is counted
	Pins     Pins              // nil: tools may change as they like

	// Challenge is what a caller without a good credential is told beside the
	// reason: where the resource's metadata is, and what to ask for at first.
	Challenge gatehouse.Challenge

	// Address returns where a request came from, and whether that is a proxy's
	// address, which did not say whom it speaks for; nil: where its connection does.
	Address func(*http.Request) (from netip.Addr, shared bool)

	Quiet     bool          // admitted requests get no line in the log unless it is verbose
	KeepAlive time.Duration // silence on a stream after which a comment is sent; zero: 15 s

	line     *Line
	base     string // of the public path, which a proxy in front takes away
	origin   string // by which callers know us, without a path
	sessions sealer
	cursors  sealer
	tasks    sealer
	origins  origins
}

const (
	defaultMaxBody   = 4 << 20
	defaultBodyWait  = 30 * time.Second
	defaultKeepAlive = 15 * time.Second

	maxMessage = 16 << 20 // bytes of one message from the server
)

// Open makes the gateway ready to serve, and says what is missing.
func (g *Gateway) Open() error {
	if err := g.prepare(); err != nil {
		return err
	}
	switch {
	case g.Earlier != nil && g.Upstream == nil && g.Stdio == nil:
		g.line = g.Earlier.line
		g.Earlier = nil // or each gateway would keep all before it
		return nil
	case g.Earlier == nil && g.Upstream != nil && g.Stdio == nil && g.Events:
		g.line = &Line{backend: newEvents(g)}
	case g.Earlier == nil && g.Upstream != nil && g.Stdio == nil:
		g.line = &Line{backend: &streamable{client: g.Upstream, max: maxMessage}}
	case g.Earlier == nil && g.Upstream == nil && g.Stdio != nil:
		if err := g.Stdio.check(); err != nil {
			return fmt.Errorf("gateway %q: %w", g.Name, err)
		}
		g.line = &Line{backend: newStdio(*g.Stdio)}
	default:
		return fmt.Errorf("gateway %q: want one upstream: by URL, by command or that of an earlier gateway", g.Name)
	}
	g.line.current.Store(g)
	g.line.rules.Store(g.Guard)
	return nil
}

// prepare makes all but the way to the server.
func (g *Gateway) prepare() error {
	if g.Guard == nil || g.Log == nil || len(g.SessionKey) < 32 || g.Path == "" {
		return fmt.Errorf("gateway %q: guard, log, path and a session key of 32 bytes are required", g.Name)
	}
	if g.Forward != nil && g.Stdio != nil {
		return fmt.Errorf("gateway %q: only an upstream by URL can be told of callers", g.Name)
	}
	g.MaxBody = orDefault(g.MaxBody, defaultMaxBody)
	g.BodyWait = orDefault(g.BodyWait, defaultBodyWait)
	g.KeepAlive = orDefault(g.KeepAlive, defaultKeepAlive)
	g.sessions = sealer{key: g.SessionKey, server: g.Name, kind: "session", limit: maxSession}
	g.cursors = sealer{key: g.SessionKey, server: g.Name, kind: "cursor", limit: maxMessage}
	g.tasks = sealer{key: g.SessionKey, server: g.Name, kind: "task", limit: maxMessage}
	if u, err := url.Parse(g.PublicURL); err == nil && u.Host != "" {
		g.origin = u.Scheme + "://" + u.Host
	}
	if err := g.checkEvents(); err != nil {
		return err
	}
	if g.Events && g.Upstream == nil && g.Earlier == nil {
		return fmt.Errorf("gateway %q: an event stream has a URL", g.Name)
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
func (g *Gateway) Close() { g.line.end() }

// ServeHTTP answers one request and writes one line about it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{began: time.Now()}
	v.from, v.shared = g.address(r)
	a := &v.answer
	a.ResponseWriter, a.id, a.challenge = w, rand.Text()[:16], &g.Challenge
	a.only("X-Request-Id", a.id)
	g.hurry(a, r, v.began)
	if path, _, _ := strings.Cut(r.RequestURI, "?"); g.Serves(path) { // else it came here because no server has that path
		v.server = g.Name
	}
	defer g.finish(a, r, v)
	if v.err = g.serve(a, r, v); v.err != nil {
		g.refuse(a, r, v)
	}
}

// address is where a request came from; invalid when that is not known.
func (g *Gateway) address(r *http.Request) (from netip.Addr, shared bool) {
	if g.Address != nil {
		return g.Address(r)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap(), false
}

// refuse answers with an error, and before that has it written down.
func (g *Gateway) refuse(a *answer, r *http.Request, v *visit) {
	status, _, _ := told(v.err)
	// The way to the server may refuse too, and then nothing was carried out. What a
	// lost right cuts off was, as far as anybody knows, and is told as that.
	if !v.passed || !v.stream && a.status == 0 && status < http.StatusInternalServerError && ended(v.x) == nil {
		v.passed = false
		g.refused(a, r, v)
	}
	if v.page && !access.Unwritten(v.err) {
		a.html(g.Page, v.err)
		return
	}
	a.refuse(v.err, v.call)
}

// finish ends a request, also one that panicked: that costs its caller a 500,
// and nobody else anything.
func (g *Gateway) finish(a *answer, r *http.Request, v *visit) {
	cut := errors.Is(v.err, http.ErrAbortHandler)
	if p := recover(); p != nil {
		cut = a.status != 0
		v.err = fmt.Errorf("panic: %v", p)
		g.Log.Error("panic", "request", a.id, "panic", printable(fmt.Sprint(p)), "stack", string(debug.Stack()))
		g.refuse(a, r, v)
	}
	v.took = time.Since(v.began)
	if v.passed {
		g.done(a, v)
	}
	g.record(a, r, v)
	if cut {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
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
		v.asked = true
		return nil
	}
	x := &v.exchange
	x.w, x.r, x.id, x.g, x.from, x.shared = a, r, a.id, g, v.from, v.shared
	if err := g.admit(x); err != nil {
		v.page = len(g.Page) > 0 && wantsPage(r, err)
		return err
	}
	v.caller, v.x = x.caller, x
	if own := g.ByTenant[x.caller.TenantName]; own != nil {
		g, x.g = own, own
	}
	ctx, end := g.guard().Watch(r.Context(), x.caller)
	defer end(nil)
	x.r, x.end = r.WithContext(ctx), end
	if err := g.line.enter(x); err != nil {
		return err
	}
	defer g.line.leave(x)
	if err := g.guard().Welcome(x.caller); err != nil { // a change may have come between
		return err
	}
	err := g.dispatch(x, v)
	if err != nil && !v.counted { // what came to nothing is not for free
		if limited := g.guard().Wasted(x.caller); limited != nil {
			return limited
		}
	}
	return err
}

// dispatch reads what is asked for and carries it to the backend.
func (g *Gateway) dispatch(x *exchange, v *visit) error {
	if door := g.eventsAt(x.r.URL.Path); door != nil {
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
		return g.forward(x, v)
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
		release, err := x.hold() // before the server hears of it: nothing else can come of it
		if err != nil {
			return err
		}
		defer release()
		if err := g.check(x, v); err != nil {
			return err
		}
		if x.r.Method == http.MethodDelete {
			return g.line.delete(x)
		}
		return g.line.get(x)
	default:
		return notAllowed("GET, POST, DELETE")
	}
}

// forward carries what was read to the server, if it may pass: all that is
// called comes by here, whichever door it came in by.
func (g *Gateway) forward(x *exchange, v *visit) error {
	if err := x.open(); err != nil {
		return err
	}
	release, err := x.hold()
	if err != nil {
		return err
	}
	defer release()
	if err := g.check(x, v); err != nil {
		return err
	}
	return g.line.post(x)
}
