package bridge

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// notify handles what an older client tells. Little of it is known to newer servers.
func (t *translator) notify(_ context.Context, m *message) error {
	if m.Method == "notifications/initialized" {
		t.listen()
	}
	return nil
}

func (t *translator) setLevel(m *message) error {
	var p struct {
		Level string `json:"level"`
	}
	if err := json.Unmarshal(m.Params, &p); err != nil || p.Level == "" {
		return &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The level is missing."}
	}
	t.mu.Lock()
	t.level = p.Level
	t.mu.Unlock()
	return t.own(m, "{}")
}

// watch keeps which resources the client wants to hear of.
func (t *translator) watch(m *message) error {
	uri := text(m.params.URI)
	if uri == "" {
		return &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The uri is missing."}
	}
	t.mu.Lock()
	if m.Method == "resources/subscribe" {
		t.watched[uri] = true
	} else {
		delete(t.watched, uri)
	}
	t.mu.Unlock()
	t.listen()
	return t.own(m, "{}")
}

// listen opens the stream of changes anew, with all that the client wants to hear of.
// MCP 2026-07-28, subscriptions/listen
func (t *translator) listen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	wants := map[string]any{}
	for name, changed := range map[string]bool{
		"toolsListChanged": t.offers.Tools.Changed, "promptsListChanged": t.offers.Prompts.Changed, "resourcesListChanged": t.offers.Resources.Changed,
	} {
		if changed {
			wants[name] = true
		}
	}
	if len(t.watched) > 0 {
		uris := []string{}
		for uri := range t.watched {
			uris = append(uris, uri)
		}
		wants["resourceSubscriptions"] = uris
	}
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
	if len(wants) == 0 {
		return
	}
	raw, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": jsontext.Value(ownID()), "method": "subscriptions/listen",
		"params": map[string]any{"_meta": t.meta, "notifications": wants},
	}, json.Deterministic(true))
	if err != nil {
		return
	}
	m, err := readMessage(raw)
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(t.r.base)
	t.stop = stop
	t.r.running.Go(func() {
		defer stop()
		if err := t.follow(ctx, m); err != nil && ctx.Err() == nil {
			t.r.b.Log.Info("the stream of changes has ended", "because", err)
		}
	})
}

// follow reads the stream, again and again while the server comes back.
func (t *translator) follow(ctx context.Context, m *message) error {
	pass := func(raw []byte) bool {
		if e, err := mcp.Peek(raw); err == nil && e.Kind == mcp.Response {
			return true // the stream's own end
		}
		t.r.b.deliver(raw, nil)
		return false
	}
	sink := withoutGreeting(pass)
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := t.r.askFor(ctx, m, sink)
		if err == nil || ctx.Err() != nil || !comesBack(err) {
			return err
		}
		sink = catchingUp(m, pass)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}
