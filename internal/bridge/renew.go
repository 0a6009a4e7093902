package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// kept is what a client has set in a session, which the next one has to have too. The
// client knows of one session only.
type kept struct {
	mu      sync.Mutex
	level   []byte            // parameters of logging/setLevel; nil: it was not
	watched map[string][]byte // of resources/subscribe, by uri
	offers  *offers           // what the server said that it tells of, when it began; nil: nothing yet
}

// offered notes what the server said when the client began: it listens for that.
func (k *kept) offered(result []byte) {
	var said struct {
		Capabilities offers `json:"capabilities"`
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.offers == nil && json.Unmarshal(result, &said) == nil {
		k.offers = &said.Capabilities
	}
}

// set notes what a request has set.
func (k *kept) set(m *message) {
	if m.Params == nil {
		return // a server that takes that has set nothing
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	uri := text(m.params.URI)
	switch m.Method {
	case "logging/setLevel":
		k.level = bytes.Clone(m.Params)
	case "resources/subscribe":
		if k.watched == nil {
			k.watched = map[string][]byte{}
		}
		k.watched[uri] = bytes.Clone(m.Params)
	case "resources/unsubscribe":
		delete(k.watched, uri)
	}
}

// now is the level, empty when none was set, and the resources that are watched.
func (k *kept) now() (level string, watched map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var p struct {
		Level string `json:"level"`
	}
	if k.level != nil && json.Unmarshal(k.level, &p) != nil {
		p.Level = "" // of another shape, which no newer server knows
	}
	watched = map[string]bool{}
	for uri := range k.watched {
		watched[uri] = true
	}
	return p.Level, watched
}

// learning has the bridge learn from the answer to a request before the client has it.
func (r *remote) learning(m *message, sink func(raw []byte) bool) func(raw []byte) bool {
	switch m.Method {
	case "initialize", "tools/list", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
	default:
		return sink
	}
	return func(raw []byte) bool {
		if e, err := mcp.Peek(raw); err == nil && e.Kind == mcp.Response && e.Result != nil {
			switch m.Method {
			case "initialize":
				r.kept.offered(e.Result)
			case "tools/list":
				r.tool.hint(e.Result)
			default:
				r.kept.set(m)
			}
		}
		return sink(raw)
	}
}

// restore has a new session be what the old one was to the client: it sets what the
// client had set, takes back what the old one asked, and tells what may be different
// since. Log messages have their level before the next call; the rest comes beside it.
func (r *remote) restore(ctx context.Context) {
	now := r.takeBack(ctx)
	r.kept.mu.Lock()
	level, watched := r.kept.level, make([][]byte, 0, len(r.kept.watched))
	for _, params := range r.kept.watched {
		watched = append(watched, params)
	}
	r.kept.mu.Unlock()
	if level != nil {
		r.again(ctx, "logging/setLevel", level)
	}
	r.running.Go(func() {
		for _, params := range watched {
			if r.which() != now {
				return // there is another one already
			}
			r.again(r.base, "resources/subscribe", params)
		}
		r.tellNews(r.base)
	})
}

// takeBack takes back what sessions asked that have ended, and returns the one there is.
func (r *remote) takeBack(ctx context.Context) (now int) {
	now = r.which()
	for _, id := range r.b.questions.lapse(now) {
		r.arrived(ctx, append(append([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"The server's session has ended.","requestId":`), id...), "}}"...), now)
	}
	return now
}

// tellNews tells the client that all it may hear of may have changed.
func (r *remote) tellNews(ctx context.Context) {
	r.kept.mu.Lock()
	var all wanted
	if o := r.kept.offers; o != nil {
		all = wanted{Tools: o.Tools.Changed, Prompts: o.Prompts.Changed, Resources: o.Resources.Changed}
	}
	for uri := range r.kept.watched {
		all.URIs = append(all.URIs, uri)
	}
	r.kept.mu.Unlock()
	now := r.which()
	for _, raw := range all.news(nil) {
		r.arrived(ctx, raw, now)
	}
}

// again has the server of a new session set what the old one had set.
func (r *remote) again(ctx context.Context, method string, params []byte) {
	q, err := readMessage([]byte(`{"jsonrpc":"2.0","id":` + string(ownID()) + `,"method":"` + method + `","params":` + string(params) + `}`))
	if err != nil {
		r.b.Log.Warn("what the client had set cannot be set again", "method", method, "error", err)
		return
	}
	var no *rpcError
	now := r.which()
	sink := func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response {
			r.arrived(ctx, raw, now)
			return false
		}
		no = readError(raw)
		return true
	}
	if s := r.eventServer(); s != nil {
		err = s.ask(ctx, q, sink)
	} else {
		err = r.inside(ctx, q, sink)
	}
	if err == nil && no != nil {
		err = errors.New(plain(no.Message))
	}
	if err != nil && ctx.Err() == nil {
		r.b.Log.Warn("the server's new session is not as the old one was", "method", method, "because", err)
	}
}

// inside sends a request within the session that there is, and makes no other.
func (r *remote) inside(ctx context.Context, q *message, sink func(raw []byte) bool) error {
	_, header := r.inSession()
	res, err := r.send(ctx, http.MethodPost, r.b.Server, q.raw, withContent(header), true)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		body, _ := errorIn(res)
		_ = res.Body.Close()
		return statusProblem(res, body)
	}
	return r.read(ctx, res, q.ID, sink)
}

// news are the notifications that all of it may have changed. With the id of a
// stream of changes they are of that one.
func (w wanted) news(stream []byte) [][]byte {
	var all [][]byte
	add := func(method string, params map[string]any) {
		if stream != nil {
			params["_meta"] = map[string]any{metaSubscription: jsontext.Value(stream)}
		}
		m := map[string]any{"jsonrpc": "2.0", "method": method}
		if len(params) > 0 {
			m["params"] = params
		}
		if raw, err := json.Marshal(m, json.Deterministic(true)); err == nil {
			all = append(all, raw)
		}
	}
	for _, one := range []struct {
		wants  bool
		method string
	}{{w.Tools, "notifications/tools/list_changed"}, {w.Prompts, "notifications/prompts/list_changed"}, {w.Resources, "notifications/resources/list_changed"}} {
		if one.wants {
			add(one.method, map[string]any{})
		}
	}
	slices.Sort(w.URIs)
	for _, uri := range w.URIs {
		add("notifications/resources/updated", map[string]any{"uri": uri})
	}
	return all
}

// catchingUp reads a stream of changes that was cut and is open again. What it begins
// with, the client has had; instead it hears that all of what it listens for may have
// changed meanwhile.
func catchingUp(m *message, sink func(raw []byte) bool) func(raw []byte) bool {
	return func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Method != "notifications/subscriptions/acknowledged" {
			return sink(raw)
		}
		var p struct {
			Has wanted `json:"notifications"`
		}
		if e.Params != nil && json.Unmarshal(e.Params, &p) == nil {
			for _, one := range p.Has.news(m.ID) {
				sink(one)
			}
		}
		return false
	}
}
