package bridge

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// translator lets a client of the time before 2026-07-28 talk to a server that
// knows nothing older: what the client says once, each request says again; what
// the server wants to know comes as a question. MCP 2026-07-28, versioning
type translator struct {
	r    *remote
	meta map[string]jsontext.Value // of every request

	mu      sync.Mutex
	level   string          // of logging; empty: none
	watched map[string]bool // resources
	offers  offers
	stop    context.CancelFunc // of the stream of changes; nil: there is none
}

// offers is what the server says it can tell of.
type offers struct {
	Tools struct {
		Changed bool `json:"listChanged"`
	} `json:"tools"`
	Prompts struct {
		Changed bool `json:"listChanged"`
	} `json:"prompts"`
	Resources struct {
		Changed bool `json:"listChanged"`
	} `json:"resources"`
}

func newTranslator(r *remote) *translator {
	return &translator{r: r, watched: map[string]bool{}}
}

// counter numbers the bridge's own requests.
var counter atomic.Int64

func ownID() []byte { return []byte(`"gatehouse-` + strconv.FormatInt(counter.Add(1), 10) + `"`) }

// ownRequest makes a request of the bridge's own.
func ownRequest(method string, meta map[string]jsontext.Value, cursor string) (*message, error) {
	params := map[string]any{"_meta": meta}
	if cursor != "" {
		params["cursor"] = cursor
	}
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(ownID()), "method": method, "params": params}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return readMessage(raw)
}

// discovered is what server/discover returns. MCP 2026-07-28, server/discover
type discovered struct {
	Versions     []string                  `json:"supportedVersions"`
	Capabilities jsontext.Value            `json:"capabilities"`
	Instructions string                    `json:"instructions,omitzero"`
	Meta         map[string]jsontext.Value `json:"_meta"`
}

// begin answers initialize with what server/discover says.
func (t *translator) begin(ctx context.Context, m *message) error {
	d, err := t.discover(ctx, m)
	if err != nil {
		return err
	}
	version := text(m.params.Version)
	if version >= mcp.Version20260728 || version < mcp.Version20241105 {
		version = mcp.Version20251125
	}
	info := d.Meta["io.modelcontextprotocol/serverInfo"]
	if info == nil {
		info = jsontext.Value(`{"name":"unknown","version":"0"}`)
	}
	capabilities := d.Capabilities
	if capabilities == nil {
		capabilities = jsontext.Value("{}")
	}
	result := map[string]any{"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
	if d.Instructions != "" {
		result["instructions"] = d.Instructions
	}
	raw, err := json.Marshal(result, json.Deterministic(true))
	if err != nil {
		return err
	}
	t.r.b.deliver(resultOf(m.ID, raw), m.ID)
	return nil
}

// resume goes on for a client that began while the server knew older revisions.
func (t *translator) resume(ctx context.Context, m *message) error {
	if _, err := t.discover(ctx, m); err != nil {
		return err
	}
	t.r.b.Log.Info("the server knows MCP 2026-07-28 only from now on: translating")
	t.level, t.watched = t.r.kept.now()
	t.r.mu.Lock()
	t.r.mode, t.r.translate = older, t
	t.r.generation++ // the session has ended, and no other takes its place
	t.r.mu.Unlock()
	t.listen()
	t.r.takeBack(ctx)
	t.r.tellNews(ctx)
	return nil
}

func (t *translator) discover(ctx context.Context, m *message) (*discovered, error) {
	var began struct {
		Info         jsontext.Value `json:"clientInfo"`
		Capabilities jsontext.Value `json:"capabilities"`
	}
	if err := json.Unmarshal(m.Params, &began); err != nil {
		return nil, err
	}
	t.meta = map[string]jsontext.Value{
		metaVersion: jsontext.Value(`"` + mcp.Version20260728 + `"`), "io.modelcontextprotocol/clientCapabilities": jsontext.Value("{}"),
	}
	if began.Info != nil {
		t.meta["io.modelcontextprotocol/clientInfo"] = began.Info
	}
	if began.Capabilities != nil {
		t.meta["io.modelcontextprotocol/clientCapabilities"] = began.Capabilities
	}
	q, err := ownRequest("server/discover", t.meta, "")
	if err != nil {
		return nil, err
	}
	result, rpc, err := t.once(ctx, q)
	if err != nil {
		return nil, err
	}
	if rpc != nil {
		return nil, errors.New(rpc.Message)
	}
	d := &discovered{}
	if err := json.Unmarshal(result, d); err != nil {
		return nil, err
	}
	if d.Capabilities != nil {
		_ = json.Unmarshal(d.Capabilities, &t.offers) // another shape tells of nothing
	}
	return d, nil
}

// once asks the server, and returns what it answered. What comes before the answer
// goes to the client.
func (t *translator) once(ctx context.Context, m *message) (result []byte, rpc *rpcError, err error) {
	err = t.r.askFor(ctx, m, func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response {
			t.r.b.deliver(raw, nil)
			return false
		}
		if e.Error != nil {
			rpc = readError(raw)
			return true
		}
		result = append([]byte{}, e.Result...)
		return true
	})
	if err == nil && result == nil && rpc == nil {
		err = &problem{code: codeMessage, text: "The server's answer cannot be read."}
	}
	return result, rpc, err
}

// rounds is how often a server may ask before it answers.
const rounds = 16

// request has a request answered, and the server's questions asked.
func (t *translator) request(ctx context.Context, m *message) error {
	switch m.Method {
	case "ping":
		return t.own(m, "{}")
	case "logging/setLevel":
		return t.setLevel(m)
	case "resources/subscribe", "resources/unsubscribe":
		return t.watch(m)
	}
	extra := map[string]jsontext.Value{}
	for range rounds {
		q, err := t.said(m, extra)
		if err != nil {
			return err
		}
		result, rpc, err := t.once(ctx, q)
		if err != nil {
			return err
		}
		if rpc != nil {
			t.r.b.deliver(rpc.answer(m.ID), m.ID)
			return nil
		}
		var wants struct {
			Kind  string                    `json:"resultType"`
			Asks  map[string]jsontext.Value `json:"inputRequests"`
			State jsontext.Value            `json:"requestState"`
		}
		if json.Unmarshal(result, &wants) != nil || wants.Kind != "input_required" {
			t.r.b.deliver(resultOf(m.ID, result), m.ID)
			return nil
		}
		clear(extra)
		if extra["inputResponses"], err = t.put(ctx, wants.Asks); err != nil {
			return err
		}
		if wants.State != nil {
			extra["requestState"] = wants.State
		}
	}
	return &problem{code: codeMessage, text: "The server asks again and again, and does not answer."}
}

// own answers a request that the server does not know any more.
func (t *translator) own(m *message, result string) error {
	t.r.b.deliver(resultOf(m.ID, []byte(result)), m.ID)
	return nil
}

// said is the request as the server wants it: with what the client said when it began.
func (t *translator) said(m *message, extra map[string]jsontext.Value) (*message, error) {
	params := map[string]jsontext.Value{}
	if m.Params != nil {
		if err := json.Unmarshal(m.Params, &params); err != nil {
			return nil, &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The parameters are no object."}
		}
	}
	meta := map[string]jsontext.Value{}
	for name, v := range m.params.Meta {
		meta[name] = v
	}
	for name, v := range t.meta {
		meta[name] = v
	}
	t.mu.Lock()
	if t.level != "" {
		meta["io.modelcontextprotocol/logLevel"] = jsontext.Value(strconv.Quote(t.level))
	}
	t.mu.Unlock()
	whole, err := json.Marshal(meta, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	params["_meta"] = whole
	for name, v := range extra {
		params[name] = v
	}
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(m.ID), "method": m.Method, "params": params}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return readMessage(raw)
}

// put asks the client what the server wants to know, and returns the answers.
func (t *translator) put(ctx context.Context, asks map[string]jsontext.Value) (jsontext.Value, error) {
	answers := map[string]jsontext.Value{}
	for key, ask := range asks {
		var q struct {
			Method string         `json:"method"`
			Params jsontext.Value `json:"params,omitzero"`
		}
		if err := json.Unmarshal(ask, &q); err != nil {
			return nil, &problem{code: codeMessage, text: "The server asks what cannot be read."}
		}
		switch q.Method {
		case "elicitation/create", "sampling/createMessage", "roots/list":
		default:
			return nil, &problem{code: codeMessage, text: "The server asks " + plain(q.Method) + ", which no client answers."}
		}
		e, err := t.r.b.question(ctx, q.Method, q.Params)
		if err != nil {
			return nil, err
		}
		if e.Error != nil {
			return nil, &problem{code: codeMessage, text: "The client does not answer what the server asks: " + plain(string(e.Error))}
		}
		answers[key] = append(jsontext.Value{}, e.Result...)
	}
	return json.Marshal(answers, json.Deterministic(true))
}

// question asks the client something.
func (b *Bridge) question(ctx context.Context, method string, params jsontext.Value) (mcp.Envelope, error) {
	id := ownID()
	q := map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(id), "method": method}
	if params != nil {
		q["params"] = params
	}
	raw, err := json.Marshal(q, json.Deterministic(true))
	if err != nil {
		return mcp.Envelope{}, err
	}
	answer := make(chan mcp.Envelope, 1)
	b.mu.Lock()
	b.asked[string(id)] = answer
	b.mu.Unlock()
	b.line(raw)
	select {
	case e := <-answer:
		return e, nil
	case <-ctx.Done():
		b.mu.Lock()
		delete(b.asked, string(id))
		b.mu.Unlock()
		return mcp.Envelope{}, ctx.Err()
	}
}
