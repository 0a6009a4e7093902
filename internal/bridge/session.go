package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

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

// which says which session there is.
func (r *remote) which() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.generation
}

// utter sends within a session what is not answered.
func (r *remote) utter(ctx context.Context, m *message) error {
	if s := r.eventServer(); s != nil {
		return s.utter(ctx, m)
	}
	return r.mention(ctx, m, false)
}

// mention sends a notification within a session: again, when the server had lost it.
// What is of a session that is gone is of no use in another one, and could be taken
// there for something else: an answer has nothing but the number of its question.
func (r *remote) mention(ctx context.Context, m *message, again bool) error {
	generation, header := r.inSession()
	if m.of != 0 && m.of != generation {
		return nil
	}
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), m.harmless())
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
			r.kept.offered(e.Result)
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
	sink = r.learning(m, sink)
	for again := false; ; again = true {
		err := r.once(ctx, m, sink, again)
		switch {
		case !errors.Is(err, errAgain):
			return err
		case r.is() == legacy || r.is() == events:
			continue
		case r.straight(): // the server was upgraded meanwhile
			return errUpgraded
		default:
			return r.request(ctx, m)
		}
	}
}

// errAgain says that a request was not looked at, or may be sent again, and that
// the session or the way of talking is another one now.
var errAgain = errors.New("the request has to be sent again")

// once sends a request within the session that there is.
func (r *remote) once(ctx context.Context, m *message, sink func(raw []byte) bool, again bool) error {
	if s := r.eventServer(); s != nil {
		return s.request(ctx, m, sink, again)
	}
	generation, header := r.inSession()
	m.of = generation
	res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), r.harmless(m))
	if err != nil {
		return err
	}
	if res.StatusCode/100 == 2 {
		err := r.answer(ctx, m, res, sink)
		if !again && r.harmless(m) && errors.Is(err, errCut) {
			return errAgain
		}
		return err
	}
	body, e := errorIn(res)
	_ = res.Body.Close()
	lost, surely := r.lost(res.StatusCode, e)
	if again || !lost {
		return (&refused{res, body, e}).pass(m, sink)
	}
	harmless := r.harmless(m) // as the server said before it was another
	err = r.revive(ctx, generation)
	if !surely && !harmless {
		return mayBeDone(res, e)
	}
	if err != nil {
		return err
	}
	return errAgain
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
	case status == http.StatusMethodNotAllowed: // it takes no POST here: it is another server
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
	r.mu.Unlock()
	if !same {
		return nil
	}
	r.b.Log.Info("the server does not know the session any more: making a new one")
	return r.reopen(ctx)
}

// reopen begins anew as the client began, with a server that may be another one now.
// The one who calls it holds reviving.
func (r *remote) reopen(ctx context.Context) error {
	r.mu.Lock()
	m, was := r.first, r.version
	r.mu.Unlock()
	r.tool.doubt()
	refusal, err := r.open(ctx, func([]byte) bool { return true }) // the client was told when it began
	switch {
	case err != nil:
		return err
	case refusal != nil && passing(refusal.res.StatusCode): // in no way of talking
		return statusProblem(refusal.res, refusal.body)
	case refusal != nil:
		if newTranslator(r).resume(ctx, m) == nil {
			return nil
		}
		if s, err := r.connect(ctx); err == nil {
			return s.begin(ctx, m)
		}
		return statusProblem(refusal.res, refusal.body)
	}
	_, header := r.inSession()
	if now := header.Get("Mcp-Protocol-Version"); now != was && now != "" {
		r.b.Log.Warn("the server settles for another version than before", "was", was, "is", now)
	}
	if err := r.tell(ctx, ours(initialized), header); err != nil {
		return err
	}
	r.listen()
	r.restore(ctx)
	return nil
}

const initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

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
