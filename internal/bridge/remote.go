package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

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
	http *http.Client
	own  bool // whether the transport is ours
	tool tools

	reviving sync.Mutex // held while a session is made anew
	falling  sync.Mutex // held while one is made for a client that knows none

	mu         sync.Mutex
	mode       mode
	first      *message // the client's initialize
	session    string   // Mcp-Session-Id; empty: none
	version    string   // as the server settled it
	generation int      // of the session
	listening  context.CancelFunc
	sse        *eventServer
	translate  *translator
	back       *backport // a newer client before an older server; nil: it is not
	running    sync.WaitGroup
}

func newRemote(b *Bridge, base context.Context) *remote {
	r := &remote{b: b, base: base, own: b.Transport == nil}
	through := b.Transport
	if r.own {
		through = newTransport(b.Proxy)
	}
	r.http = &http.Client{Transport: through}
	return r
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
	switch r.is() {
	case events:
		return r.sse.request(ctx, m)
	case older:
		return r.translate.request(ctx, m)
	}
	return r.converse(ctx, m, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
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
	case events:
		return r.sse.post(ctx, m)
	case older:
		return r.translate.notify(ctx, m)
	}
	return r.mention(ctx, m, false)
}

// mention sends a notification within a session: again, when the server had lost it.
func (r *remote) mention(ctx context.Context, m *message, again bool) error {
	generation, header := r.inSession()
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), false)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		body, e := errorIn(res)
		if lost, _ := r.lost(res.StatusCode, e); !lost || again {
			return statusProblem(res, body)
		}
		if err := r.revive(ctx, generation); err != nil {
			return err
		}
		if m.Kind == mcp.Response || m.Method == "notifications/initialized" {
			return nil // the one is of the session that is gone, the other was sent already
		}
		if r.is() != legacy {
			return r.notify(ctx, m)
		}
		return r.mention(ctx, m, true)
	}
	if m.Method == "notifications/initialized" {
		r.listen()
	}
	return nil
}

// tell sends a notification of 2026-07-28.
func (r *remote) tell(ctx context.Context, m *message, header http.Header) error {
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), false)
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

// inSession returns the headers of the session, and which session it is.
func (r *remote) inSession() (generation int, h http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h = http.Header{}
	if r.session != "" {
		h.Set("Mcp-Session-Id", r.session)
	}
	if r.version >= mcp.Version20250618 { // MCP 2025-06-18, transports, §protocol version header
		h.Set("Mcp-Protocol-Version", r.version)
	}
	return r.generation, h
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
	s, err := r.connect(ctx)
	if err == nil {
		return s.request(ctx, m)
	}
	r.b.Log.Info("the server does not speak HTTP+SSE either", "error", err)
	r.settle(unsettled)
	return refusal.pass(m, func(raw []byte) bool { return r.b.deliver(raw, m.ID) })
}

// open sends initialize, hands the answer to sink and notes the session. A refusal
// that another way of talking may cure is returned, not an error.
func (r *remote) open(ctx context.Context, sink func(raw []byte) bool) (*refused, error) {
	r.mu.Lock()
	m := r.first
	r.mu.Unlock()
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(http.Header{}), true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		body, e := errorIn(res)
		return &refused{res, body, e}, nil
	}
	session := res.Header.Get("Mcp-Session-Id")
	var not *rpcError
	err = r.read(ctx, res, m.ID, func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response {
			return sink(raw)
		}
		if not = readError(raw); not != nil && modernCode(not.Code) {
			return true
		}
		var result struct {
			Version string `json:"protocolVersion"`
		}
		if json.Unmarshal(e.Result, &result) == nil {
			r.mu.Lock()
			r.mode, r.session, r.version = legacy, session, result.Version
			r.generation++
			r.mu.Unlock()
		}
		return sink(raw)
	})
	if err == nil && not != nil && modernCode(not.Code) {
		return &refused{res, nil, not}, nil
	}
	return nil, err
}

// converse has a request answered within a session. When the server has lost it,
// the request was not looked at, and is sent again in a new one. Where only its
// words say that it has, they may be about the call, which was done: that is not.
func (r *remote) converse(ctx context.Context, m *message, sink func(raw []byte) bool) error {
	for again := false; ; again = true {
		generation, header := r.inSession()
		res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), m.harmless())
		if err != nil {
			return err
		}
		if res.StatusCode/100 == 2 {
			err := r.answer(ctx, m, res, sink)
			if !again && m.harmless() && errors.Is(err, errCut) {
				continue
			}
			return err
		}
		body, e := errorIn(res)
		_ = res.Body.Close()
		lost, surely := r.lost(res.StatusCode, e)
		if again || !lost {
			return (&refused{res, body, e}).pass(m, sink)
		}
		err = r.revive(ctx, generation)
		if !surely && !m.harmless() {
			return mayBeDone(res, e)
		}
		if err != nil {
			return err
		}
		if r.is() == legacy {
			continue
		}
		if r.straight() { // the server was upgraded meanwhile
			return errUpgraded
		}
		return r.request(ctx, m)
	}
}

// straight ends the translation for a newer client, whose server knows its revision
// now. It says whether there was one.
func (r *remote) straight() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.back != nil || r.first == nil
	if was {
		r.back, r.first, r.translate, r.mode = nil, nil, nil, modern
	}
	return was
}

// lost says whether a refusal means that the server does not know the session, or
// sessions, any more, and whether that is sure. Some say so with 400, in their own
// words; so may a tool that is about sessions.
func (r *remote) lost(status int, e *rpcError) (lost, surely bool) {
	r.mu.Lock()
	had, begun := r.session != "", r.first != nil && r.mode == legacy
	r.mu.Unlock()
	switch {
	case !begun:
		return false, false
	case status == http.StatusNotFound && had: // MCP 2025-11-25, transports, §session management
		return true, true
	case e == nil || status != http.StatusBadRequest && status != http.StatusNotFound:
		return false, false
	case modernCode(e.Code):
		return true, true
	}
	return had && e.ofSession(), false
}

// revive makes a new session as the client began the old one, unless somebody did
// so already.
func (r *remote) revive(ctx context.Context, generation int) error {
	r.reviving.Lock()
	defer r.reviving.Unlock()
	r.mu.Lock()
	same := r.generation == generation && r.mode == legacy
	m, was := r.first, r.version
	r.mu.Unlock()
	if !same {
		return nil
	}
	r.b.Log.Info("the server does not know the session any more: making a new one")
	refusal, err := r.open(ctx, func([]byte) bool { return true }) // the client was told when it began
	switch {
	case err != nil:
		return err
	case refusal != nil:
		t := newTranslator(r)
		if err := t.resume(ctx, m); err != nil {
			return statusProblem(refusal.res, refusal.body)
		}
		r.b.Log.Info("the server knows MCP 2026-07-28 only from now on: translating")
		r.mu.Lock()
		r.mode, r.translate = older, t
		r.mu.Unlock()
		return nil
	}
	_, header := r.inSession()
	if now := header.Get("Mcp-Protocol-Version"); now != was && now != "" {
		r.b.Log.Warn("the server settles for another version than before", "was", was, "is", now)
	}
	initialized := &message{raw: []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)}
	if err := r.tell(ctx, initialized, header); err != nil {
		return err
	}
	r.listen()
	return nil
}

// leave ends the session.
func (r *remote) leave() {
	_, header := r.inSession()
	r.mu.Lock()
	is, stop := r.mode, r.listening
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	if is != legacy || header.Get("Mcp-Session-Id") == "" {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(r.base), 2*time.Second)
	defer done()
	cred, err := r.b.Access.Credential(ctx)
	if err != nil {
		return
	}
	if res, _, err := r.do(ctx, http.MethodDelete, r.b.Server, nil, header, cred); err == nil {
		discard(res)
	}
}

// wait ends what runs on its own.
func (r *remote) wait() {
	r.running.Wait()
	if r.own {
		r.http.CloseIdleConnections()
	}
}
