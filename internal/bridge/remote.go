package bridge

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// mode is how the server is talked to.
type mode int

const (
	unsettled mode = iota // nothing was answered yet
	legacy                // Streamable HTTP up to 2025-11-25: a session
	modern                // 2026-07-28: each request stands for itself
	events                // HTTP+SSE of 2024-11-05
	older                 // an older client before a server that knows 2026-07-28 only
)

// remote is the server's side.
type remote struct {
	b    *Bridge
	base context.Context // of the bridge: what outlives a request
	wire atomic.Pointer[http.Client]
	own  bool // whether the transport is ours
	tool tools
	kept kept

	sleeper sleeper

	reviving sync.Mutex // held while a session is made anew
	falling  sync.Mutex // held while one is made for a client that knows none

	mu         sync.Mutex
	mode       mode
	first      *message // the client's initialize
	session    string   // Mcp-Session-Id; empty: none
	version    string   // as the server settled it
	generation int      // of the session; 1: before the first one
	listening  context.CancelFunc
	stir       context.CancelFunc // has the stream that is listened to opened again; nil: there was none
	sse        *eventServer
	translate  *translator
	back       *backport // a newer client before an older server; nil: it is not
	running    sync.WaitGroup
}

func newRemote(b *Bridge, base context.Context) *remote {
	r := &remote{b: b, base: base, own: b.Transport == nil, generation: 1}
	through := b.Transport
	if r.own {
		through = newTransport(b.Proxy)
	}
	r.wire.Store(newClient(through))
	r.sleeper.now = b.Now
	if b.Now == nil {
		r.sleeper.now = time.Now
	}
	return r
}

func newClient(through http.RoundTripper) *http.Client {
	return &http.Client{Transport: through, CheckRedirect: sameOrigin}
}

// eventServer is the server when it speaks HTTP+SSE; nil: it does not.
func (r *remote) eventServer() *eventServer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mode != events {
		return nil
	}
	return r.sse
}

func (r *remote) is() mode {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mode
}

// modern says whether the server may only answer.
func (r *remote) modern() bool { m := r.is(); return m == modern || m == older }

// settle notes how the server is talked to from now on.
func (r *remote) settle(m mode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = m
}

// request has the server answer a request, and the answer delivered.
func (r *remote) request(ctx context.Context, m *message) error {
	if m.version() != "" {
		return r.ask(ctx, m)
	}
	if m.Method == "initialize" {
		return r.begin(ctx, m)
	}
	if r.is() == older {
		return r.translate.request(ctx, m)
	}
	return r.converse(ctx, m, func(raw []byte) bool { return r.b.deliverOf(raw, m.ID, m.of) })
}

// notify sends what is not answered: a notification, or the client's own answer.
func (r *remote) notify(ctx context.Context, m *message) error {
	if r.backport() != nil {
		return nil // older servers know nothing of what newer clients tell
	}
	if m.version() != "" {
		return r.tell(ctx, m, modernHeader(m))
	}
	switch r.is() {
	case modern:
		return r.tell(ctx, m, http.Header{"Mcp-Protocol-Version": {mcp.Version20260728}, "Mcp-Method": {m.Method}})
	case older:
		return r.translate.notify(ctx, m)
	}
	return r.utter(ctx, m)
}

// tell sends a notification of 2026-07-28.
func (r *remote) tell(ctx context.Context, m *message, header http.Header) error {
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), m.harmless())
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		body, _ := errorIn(res)
		return statusProblem(res, body)
	}
	return nil
}

// cancel has the server give up a request. In 2026-07-28 the end of the request's
// stream says so.
func (r *remote) cancel(ctx context.Context, m *message) error {
	if r.modern() || r.backport() != nil { // which tells the server itself
		return nil
	}
	return r.notify(ctx, m)
}

// withContent adds what a POST says of what it has and wants.
func withContent(h http.Header) http.Header {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	return h
}

// begin opens the conversation for a client of the time before 2026-07-28. A server
// that does not know how is asked in the newer way, and then in the oldest one. MCP
// 2026-07-28, transports, §backward compatibility
func (r *remote) begin(ctx context.Context, m *message) error {
	r.mu.Lock()
	r.first = m
	r.session, r.version = "", ""
	r.mu.Unlock()
	refusal, err := r.open(ctx, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
	if refusal == nil || err != nil {
		return err
	}
	if !refusal.otherwise() {
		return refusal.pass(m, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
	}
	if t := newTranslator(r); t.begin(ctx, m) == nil {
		r.mu.Lock()
		r.mode, r.translate = older, t
		r.mu.Unlock()
		return nil
	}
	if _, err = r.connect(ctx); err == nil {
		return r.converse(ctx, m, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
	}
	r.b.Log.Info("the server does not speak HTTP+SSE either", "error", err)
	r.settle(unsettled)
	return refusal.pass(m, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
}

// wait ends what runs on its own.
func (r *remote) wait() {
	r.running.Wait()
	if r.own {
		r.wire.Load().CloseIdleConnections()
	}
}
