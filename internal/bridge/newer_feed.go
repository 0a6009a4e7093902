package bridge

import (
	"bytes"
	"context"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

const metaSubscription = "io.modelcontextprotocol/subscriptionId"

// feed is a stream of changes that a client listens to. MCP 2026-07-28, subscriptions
type feed struct {
	id   []byte
	want wanted
}

// wanted is what a client wants to hear of.
type wanted struct {
	Tools     bool     `json:"toolsListChanged,omitzero"`
	Prompts   bool     `json:"promptsListChanged,omitzero"`
	Resources bool     `json:"resourcesListChanged,omitzero"`
	URIs      []string `json:"resourceSubscriptions,omitempty"`
}

// listen tells the client of changes until it does not want to hear of them.
func (b *backport) listen(ctx context.Context, m *message) error {
	var p struct {
		Want wanted `json:"notifications"`
	}
	if m.Params == nil || json.Unmarshal(m.Params, &p) != nil {
		return &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The notifications are missing."}
	}
	for _, uri := range p.Want.URIs {
		b.own(ctx, "resources/subscribe", map[string]any{"uri": uri})
	}
	f := &feed{id: m.ID, want: p.Want}
	b.mu.Lock()
	b.feeds[string(m.ID)] = f
	b.mu.Unlock()
	defer b.unlisten(f)
	b.feed(f, "notifications/subscriptions/acknowledged", map[string]any{"notifications": p.Want})
	<-ctx.Done()
	return ctx.Err()
}

// unlisten ends a feed, and has the server tell no more of what nobody listens for.
func (b *backport) unlisten(f *feed) {
	b.mu.Lock()
	delete(b.feeds, string(f.id))
	lone := slices.DeleteFunc(slices.Clone(f.want.URIs), func(uri string) bool {
		for _, other := range b.feeds {
			if slices.Contains(other.want.URIs, uri) {
				return true
			}
		}
		return false
	})
	b.mu.Unlock()
	if len(lone) == 0 || b.r.base.Err() != nil {
		return
	}
	b.r.running.Go(func() {
		ctx, stop := context.WithTimeout(b.r.base, b.r.b.patience())
		defer stop()
		for _, uri := range lone {
			b.own(ctx, "resources/unsubscribe", map[string]any{"uri": uri})
		}
	})
}

// feed writes a notification of a feed.
func (b *backport) feed(f *feed, method string, params map[string]any) {
	params["_meta"] = map[string]any{metaSubscription: jsontext.Value(f.id)}
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": params}, json.Deterministic(true))
	if err == nil {
		b.r.b.line(raw)
	}
}

// notification passes on what the server tells: changes to those who listen.
func (b *backport) notification(e mcp.Envelope, raw []byte) {
	params := map[string]any{}
	var wants func(wanted) bool
	switch e.Method {
	case "notifications/tools/list_changed":
		b.r.tool.doubt()
		wants = func(w wanted) bool { return w.Tools }
	case "notifications/prompts/list_changed":
		wants = func(w wanted) bool { return w.Prompts }
	case "notifications/resources/list_changed":
		wants = func(w wanted) bool { return w.Resources }
	case "notifications/resources/updated":
		var p struct {
			URI string `json:"uri"`
		}
		if json.Unmarshal(e.Params, &p) != nil {
			return
		}
		params["uri"] = p.URI
		wants = func(w wanted) bool { return slices.Contains(w.URIs, p.URI) }
	case "notifications/progress", "notifications/message":
		b.r.b.line(raw)
		return
	default:
		return // of nothing that newer clients know
	}
	b.mu.Lock()
	var all []*feed
	for _, f := range b.feeds {
		if wants(f.want) {
			all = append(all, f)
		}
	}
	b.mu.Unlock()
	for _, f := range all {
		b.feed(f, e.Method, params)
	}
}

// arrived takes a message of the server's own stream, which is of a session.
func (r *remote) arrived(ctx context.Context, raw []byte, session int) {
	b := r.backport()
	if b == nil {
		r.b.deliverOf(raw, nil, session)
		return
	}
	raw = bytes.Clone(raw) // it is looked at later
	e, err := mcp.Peek(raw)
	switch {
	case err != nil:
		r.b.Log.Warn("the server sent what is no message", "error", err)
	case e.Kind == mcp.Notification:
		b.notification(e, raw)
	case e.Kind == mcp.Request:
		b.asked(ctx, news{Envelope: e, raw: raw, of: session})
	}
}
