package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// backport lets a client of 2026-07-28 talk to a server that knows older revisions
// only: the bridge keeps a session with it, and what the server asks meanwhile
// becomes a result that asks. MCP 2026-07-28, versioning
type backport struct {
	r     *remote
	began discovered // what the server said when the session began

	mu     sync.Mutex
	level  string             // of logging, as the server was told; empty: it was not
	out    map[*errand]bool   // those that the client waits for
	parked map[string]*errand // by requestState
	feeds  map[string]*feed   // by the raw id of subscriptions/listen
}

var (
	errOlder    = errors.New("the server knows older revisions only")
	errUpgraded = errors.New("the server knows newer revisions only")
)

func (r *remote) backport() *backport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.back
}

// ask has a request of 2026-07-28 answered.
func (r *remote) ask(ctx context.Context, m *message) error {
	if b := r.backport(); b != nil {
		return b.request(ctx, m)
	}
	var unknown *rpcError // server/discover, to a server that answers 200 whatever it thinks
	err := r.askFor(ctx, m, func(raw []byte) bool {
		if e := readError(raw); e != nil && m.Method == "server/discover" && r.mayBeOlder(m, e) {
			unknown = e
			return true
		}
		return r.b.deliver(raw, m.ID)
	})
	switch {
	case errors.Is(err, errOlder), err == nil && unknown != nil && r.fallBack(ctx, m) == nil:
		return r.ask(ctx, m)
	case err == nil && unknown != nil:
		r.b.deliver(unknown.answer(m.ID), m.ID)
	}
	return err
}

// mayBeOlder says whether a refusal may be that of a server which does not know
// how it was asked.
func (r *remote) mayBeOlder(m *message, e *rpcError) bool {
	r.mu.Lock()
	is, first := r.mode, r.first
	r.mu.Unlock()
	switch {
	case first != nil, e != nil && modernCode(e.Code), bytes.HasPrefix(m.ID, []byte(`"gatehouse-`)):
		return false
	case is == modern: // an older one was put back, unless the client asks what there is not
		return e == nil || e.ofSession() || m.Method == "server/discover"
	}
	return is == unsettled
}

// older says whether a server that refuses a request is one of the time before
// 2026-07-28. If so, a session with it has begun.
func (r *remote) older(ctx context.Context, m *message, status int, e *rpcError) bool {
	f := refused{res: &http.Response{StatusCode: status}, rpc: e}
	return f.otherwise() && r.mayBeOlder(m, e) && r.fallBack(ctx, m) == nil
}

// fallBack begins a session on behalf of a client that knows none.
func (r *remote) fallBack(ctx context.Context, m *message) error {
	r.falling.Lock()
	defer r.falling.Unlock()
	if r.backport() != nil {
		return nil
	}
	if m.Method != "server/discover" && r.knowsDiscover(ctx, m) {
		return errUpgraded
	}
	first, err := beginning(m)
	if err != nil {
		return err
	}
	r.mu.Lock()
	was := r.mode
	r.first, r.session, r.version = first, "", ""
	r.mu.Unlock()
	b := &backport{r: r, out: map[*errand]bool{}, parked: map[string]*errand{}, feeds: map[string]*feed{}}
	fits := false
	sink := r.learning(first, func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response {
			return false
		}
		fits = e.Result != nil && b.note(e.Result) == nil
		return true
	})
	refusal, err := r.open(ctx, sink)
	if err == nil && refusal != nil && refusal.otherwise() {
		var s *eventServer
		if s, err = r.connect(ctx); err == nil {
			refusal, err = nil, s.ask(ctx, first, sink)
		}
	}
	if err != nil || refusal != nil || !fits {
		r.mu.Lock()
		r.first, r.mode = nil, was
		r.mu.Unlock()
		return errors.Join(errUpgraded, err)
	}
	r.b.Log.Info("the server does not know MCP 2026-07-28: translating")
	r.mu.Lock()
	r.back = b
	r.mu.Unlock()
	return r.utter(ctx, ours(initialized)) // and listen
}

// beginning is the initialize that a client of 2026-07-28 would have sent.
func beginning(m *message) (*message, error) {
	params := map[string]any{
		"protocolVersion": mcp.Version20251125, "capabilities": jsontext.Value("{}"), "clientInfo": jsontext.Value(`{"name":"unknown","version":"0"}`),
	}
	for to, from := range map[string]string{"capabilities": "io.modelcontextprotocol/clientCapabilities", "clientInfo": "io.modelcontextprotocol/clientInfo"} {
		if v := m.params.Meta[from]; v.Kind() == '{' {
			params[to] = v
		}
	}
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(ownID()), "method": "initialize", "params": params}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return readMessage(raw)
}

// knowsDiscover asks whether the server is of 2026-07-28 after all.
func (r *remote) knowsDiscover(ctx context.Context, m *message) bool {
	q, err := ownRequest("server/discover", m.params.Meta, "")
	if err != nil {
		return false
	}
	res, err := r.send(ctx, http.MethodPost, r.b.Server, q.raw, withContent(modernHeader(q)), true)
	if err != nil {
		return true // nobody knows: what was said stands
	}
	if res.StatusCode/100 != 2 {
		_, e := errorIn(res)
		_ = res.Body.Close()
		return e != nil && modernCode(e.Code)
	}
	knows := false
	err = r.read(ctx, res, q.ID, func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response {
			return false
		}
		knows = e.Error == nil
		return true
	})
	return err != nil || knows
}

// note keeps what the server said of itself.
func (b *backport) note(result []byte) error {
	var said struct {
		Capabilities jsontext.Value `json:"capabilities"`
		Info         jsontext.Value `json:"serverInfo"`
		Instructions string         `json:"instructions"`
	}
	if err := json.Unmarshal(result, &said); err != nil {
		return err
	}
	b.began = discovered{Versions: []string{mcp.Version20260728}, Capabilities: said.Capabilities, Instructions: said.Instructions, Meta: map[string]jsontext.Value{}}
	if said.Capabilities == nil {
		b.began.Capabilities = jsontext.Value("{}")
	}
	if said.Info != nil {
		b.began.Meta["io.modelcontextprotocol/serverInfo"] = said.Info
	}
	return nil
}

// request has a request answered.
func (b *backport) request(ctx context.Context, m *message) error {
	switch m.Method {
	case "server/discover":
		raw, err := json.Marshal(b.began, json.Deterministic(true))
		if err == nil {
			b.deliver(m, raw)
		}
		return err
	case "subscriptions/listen":
		return b.listen(ctx, m)
	}
	b.setLevel(ctx, m)
	x, err := b.errand(ctx, m)
	if err != nil {
		return err
	}
	return b.wait(ctx, m, x)
}

// deliver answers a request with what the server resulted in.
func (b *backport) deliver(m *message, result []byte) {
	b.r.b.deliver(resultOf(m.ID, newer(m.Method, result)), m.ID)
}

// newer adds what results have since 2026-07-28: nothing may be kept for long.
func newer(method string, result []byte) []byte {
	all := map[string]jsontext.Value{}
	if json.Unmarshal(result, &all) != nil {
		return result
	}
	add := map[string]string{"resultType": `"complete"`}
	switch method {
	case "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read": // SEP-2549
		add["ttlMs"], add["cacheScope"] = "0", `"private"`
	}
	for name, v := range add {
		if all[name] == nil {
			all[name] = jsontext.Value(v)
		}
	}
	out, err := json.Marshal(all, json.Deterministic(true))
	if err != nil {
		return result
	}
	return out
}

// setLevel tells the server which log messages the client wants, when that changes.
func (b *backport) setLevel(ctx context.Context, m *message) {
	level := text(m.params.Meta["io.modelcontextprotocol/logLevel"])
	b.mu.Lock()
	same := level == b.level || level == ""
	if !same {
		b.level = level
	}
	b.mu.Unlock()
	if same {
		return
	}
	b.own(ctx, "logging/setLevel", map[string]any{"level": level})
}

// own has the server do something on the bridge's behalf; what it answers is of no
// consequence.
func (b *backport) own(ctx context.Context, method string, params map[string]any) {
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(ownID()), "method": method, "params": params}, json.Deterministic(true))
	if err != nil {
		return
	}
	q, err := readMessage(raw)
	if err == nil {
		err = b.r.converse(ctx, q, func(raw []byte) bool { e, err := mcp.Peek(raw); return err == nil && e.Kind == mcp.Response })
	}
	if err != nil {
		b.r.b.Log.Info("the server was not told", "method", method, "because", err)
	}
}

// askedFor is how long a call waits for the client to answer what the server asks.
const askedFor = 10 * time.Minute
