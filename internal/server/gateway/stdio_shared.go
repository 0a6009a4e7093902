package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// modern carries one message of the newer era to the child that all share.
func (s *linked) modern(x *exchange) error {
	m := &x.call.Messages[0]
	switch {
	case m.Kind == mcp.Notification:
		return s.notified(x, m)
	case m.Kind == mcp.Response: // MCP 2026-07-28 transports: clients send none
		return &mcp.Error{Status: http.StatusBadRequest, Code: mcp.CodeInvalidRequest, Message: "Responses have no place here.", ID: m.ID}
	}
	box := newInbox(owner(x), 1)
	r := newReply(x, box, 1, s.code)
	a, p, err := s.begin(x, m, box)
	if err != nil {
		return s.unavailable(x, m, err)
	}
	defer a.lease.give()
	if err := r.run(); err != nil {
		box.fail(err)
		a.link.cancel(x, p) // a closed stream is a cancellation. MCP 2026-07-28 transports
		return endOf(x, err)
	}
	return nil
}

// begin sends a request to the shared child. One that ended just before is no
// reason to refuse: there is another.
func (s *linked) begin(x *exchange, m *mcp.Message, box *inbox) (*attempt, *pending, error) {
	ctx := x.ctx()
	for again := false; ; again = true {
		a, err := s.sharedChild(ctx, x)
		if err != nil {
			return nil, nil, err
		}
		var p *pending
		if err = process.ErrEnded; a.users == nil || a.users.note(x) {
			p, err = a.link.begin(ctx, x, m, box)
		}
		if err == nil {
			return a, p, nil
		}
		a.lease.give()
		if again || !errors.Is(err, process.ErrEnded) {
			return nil, nil, err
		}
		select {
		case <-a.link.over:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// notified passes on a cancellation of the caller's own call. Nothing else of
// this kind means anything to a server that knows no connections.
func (s *linked) notified(x *exchange, m *mcp.Message) error {
	if a := s.home(x).running(); a != nil && m.Method == "notifications/cancelled" && m.Target != nil {
		if p := a.link.find(owner(x), m.Target); p != nil {
			if err := relay(x, a.link, mcp.Edit{RequestID: p.id}, m.Raw); err != nil {
				return s.unavailable(x, m, err)
			}
		}
	}
	return x.accepted()
}

// relay sends a message that gets no answer.
func relay(x *exchange, l *link, edit mcp.Edit, message []byte) error {
	line, err := edit.Line(message)
	if err != nil {
		return err
	}
	return l.peer.Send(x.ctx(), x, line)
}

// unavailable says why there is nobody to answer.
func (s *linked) unavailable(x *exchange, m *mcp.Message, err error) error {
	if cause := ended(x); cause != nil {
		return cause
	}
	var rpc *mcp.Error
	var e *gatehouse.Error
	switch {
	case errors.Is(err, errOlder):
		return olderOnly(m.ID, x.call.Version)
	case errors.As(err, &rpc), errors.As(err, &e), x.ctx().Err() != nil:
		return err
	case errors.Is(err, process.ErrEnded):
		return broken(m.ID, textEnded, s.code)
	}
	return broken(m.ID, textNotStarted, s.code)
}

// gone says why a message could not be delivered to a session's child. Without
// the child there is no session.
func (s *linked) gone(x *exchange, m *mcp.Message, err error) error {
	if errors.Is(err, process.ErrEnded) && m.Method != "initialize" {
		return noSession()
	}
	return s.unavailable(x, m, err)
}

// harmless says whether an error is for the caller, and nobody's failure.
func harmless(err error) bool {
	var e *gatehouse.Error
	return errors.As(err, &e) || errors.Is(err, errClosing)
}

// shared is the child that callers of the newer era share.
type shared struct {
	backoff backoff

	mu      sync.Mutex
	starts  backoff   // of sessions' children that do not even begin
	attempt *attempt  // the latest; nil: none worth asking
	older   time.Time // until when the server is known to speak the older era only
}

// attempt is one start of the shared child.
type attempt struct {
	done     chan struct{} // closed when it is known how it went
	link     *link
	versions []string // that the server says it speaks
	err      error
	lease    lease
	users    *attendance // nil: it does not depend on who they are
}

var (
	errOlder   = errors.New("the server speaks the older era only")
	errBackoff = errors.New("the server has failed; it is started again a little later")
)

const (
	olderKnown   = 10 * time.Minute // how long the answer of a probe is believed
	olderGuessed = 30 * time.Second // and the lack of one
	backoffMax   = 30 * time.Second
	healthy      = time.Minute // after so long, failures are forgotten
	patience     = time.Second // for which a caller is kept waiting before a start
)

// home returns where the child is that an exchange shares with others: within
// its tenant, or with everybody.
func (s *linked) home(x *exchange) *shared {
	name := ""
	if s.perTenant {
		name = tenantOf(x)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.shared[name]
	if h == nil {
		h = &shared{backoff: backoff{first: s.backoff}, starts: backoff{first: s.backoff}}
		s.shared[name] = h
	}
	return h
}

// running returns the child if there is one, without starting it.
func (h *shared) running() *attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.attempt
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		if a.err == nil {
			return a
		}
	default:
	}
	return nil
}

// sharedChild returns the child that x shares, held; it is started if need be.
// Without an exchange it is for ourselves.
func (s *linked) sharedChild(ctx context.Context, x *exchange) (*attempt, error) {
	if s.older {
		return nil, errOlder
	}
	for {
		a, err := s.currentAttempt(x)
		if err != nil {
			return nil, err
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if a.err != nil {
			return nil, a.err
		}
		if a.lease.take() {
			return a, nil
		}
		select { // it has just been idle for too long
		case <-a.link.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// currentAttempt returns the attempt that is under way or went well, or begins one.
func (s *linked) currentAttempt(x *exchange) (*attempt, error) {
	h := s.home(x)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := s.now()
	if h.attempt != nil {
		return h.attempt, nil
	}
	if now.Before(h.older) {
		return nil, errOlder
	}
	wait := h.backoff.remaining(now)
	if wait > patience {
		return nil, errBackoff
	}
	a := &attempt{done: make(chan struct{})}
	var from *exchange
	if s.perTenant {
		from = &exchange{caller: x.caller, g: x.g} // what else belongs to x ends with it
		a.users = &attendance{ctx: s.ctx, empty: func() { s.later(a.link.stop) }}
	}
	if !s.later(func() { s.try(h, a, from, wait) }) {
		return nil, errClosing
	}
	h.attempt = a
	return a, nil
}

// try starts the shared child and asks what it speaks.
func (s *linked) try(h *shared, a *attempt, from *exchange, wait time.Duration) {
	defer close(a.done)
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
		}
	}
	a.lease.after, a.lease.end = s.idle, func() { a.link.stop() }
	a.link, a.err = s.launch(s.ctx, from, mcp.Modern, nil, func(l *link) { s.lost(h, a, l) })
	if a.err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.attempt = nil
		if !harmless(a.err) {
			s.log.Error("server could not be started", "code", s.code, "server", s.name, "cause", a.err)
			h.backoff.fail(s.now(), 0)
		}
		return
	}
	a.versions, a.err = s.probe(a.link)
	switch {
	case a.err == nil:
		a.lease.take() // begins its time
		a.lease.give()
		return
	case errors.Is(a.err, errOlder):
		h.mu.Lock()
		h.older = s.now().Add(olderKnown)
		h.mu.Unlock()
	default: // no answer: some older servers end when the first message is not initialize
		h.mu.Lock()
		h.older = s.now().Add(olderGuessed)
		h.mu.Unlock()
		s.log.Info("server did not say what it speaks; it is taken for one of the older era", "server", s.name, "cause", a.err)
		a.err = errOlder
	}
	a.link.stop()
}

// lost is called when the shared child is gone.
func (s *linked) lost(h *shared, a *attempt, l *link) {
	a.lease.cancel()
	if a.users != nil {
		a.users.close()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attempt == a {
		h.attempt = nil
	}
	if !l.stopping.Load() {
		now := s.now()
		h.backoff.fail(now, now.Sub(l.peer.Began()))
	}
}

// backoff keeps a server that fails from being started all the time.
type backoff struct {
	first    time.Duration
	failures int
	until    time.Time
}

// fail notes a failure after the server had been well for so long.
func (b *backoff) fail(now time.Time, well time.Duration) {
	if well >= healthy {
		b.failures = 0
	}
	pause := min(b.first<<min(b.failures, 16), backoffMax)
	b.failures++
	b.until = now.Add(pause)
}

func (b *backoff) remaining(now time.Time) time.Duration { return max(b.until.Sub(now), 0) }

// The capabilities are those of any client: some servers judge all later
// requests of a connection by its first.
const discover = `{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{` + probeMeta + `}}}`

const probeMeta = `"io.modelcontextprotocol/protocolVersion":"` + mcp.Version20260728 + `",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"gatehouse","version":"0"},` +
	`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}`

// probe asks a child whether it speaks the newer era. It returns the versions
// that it speaks, errOlder, or why there is no answer.
func (s *linked) probe(l *link) ([]string, error) {
	ctx, stop := context.WithTimeout(s.ctx, s.probeWait)
	defer stop()
	e, err := ask(ctx, l, "server/discover", discover)
	if err != nil {
		return nil, err
	}
	var result struct {
		SupportedVersions []string `json:"supportedVersions"`
	}
	if e.Error != nil || json.Unmarshal(e.Result, &result) != nil {
		return nil, errOlder
	}
	for _, v := range result.SupportedVersions {
		if v == mcp.Version20260728 {
			return result.SupportedVersions, nil
		}
	}
	return nil, errOlder
}

// ask sends a request of our own and waits for its answer. It is an error when
// the child ends instead.
func ask(ctx context.Context, l *link, method, request string) (*mcp.Envelope, error) {
	box := newInbox("", 1)
	m := &mcp.Message{Kind: mcp.Request, ID: []byte("0"), Method: method, Raw: []byte(request)}
	p, err := l.begin(ctx, nil, m, box)
	if err != nil {
		return nil, err
	}
	for {
		select {
		case <-ctx.Done():
			l.forget(p)
			return nil, ctx.Err()
		case <-box.ready:
		}
		parcels, _ := box.take()
		for _, got := range parcels {
			if got.final == nil {
				continue
			}
			if got.status == http.StatusBadGateway {
				return nil, errors.New(textEnded)
			}
			e, err := mcp.Peek(got.message)
			return &e, err
		}
	}
}
