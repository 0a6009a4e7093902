package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// modernHeader mirrors a message. MCP 2026-07-28, transports, §standard headers
func modernHeader(m *message) http.Header {
	h := http.Header{"Mcp-Protocol-Version": {mcp.EncodeHeaderValue(m.version())}, "Mcp-Method": {mcp.EncodeHeaderValue(m.Method)}}
	if name := m.name(); name != "" {
		h.Set("Mcp-Name", mcp.EncodeHeaderValue(name))
	}
	return h
}

// askFor has a request of 2026-07-28 answered to sink.
func (r *remote) askFor(ctx context.Context, m *message, sink func(raw []byte) bool) error {
	harmless, hears := r.harmless(m), sink
	for relisted, again := false, false; ; {
		header := modernHeader(m)
		if m.Method == "tools/call" {
			r.tool.headers(m.name(), m.params.Arguments, header)
		}
		res, err := r.send(ctx, http.MethodPost, r.b.Server, m.raw, withContent(header), harmless)
		if err != nil {
			return err
		}
		if res.StatusCode/100 == 2 {
			err := r.listed(ctx, m, res, r.noting(hears))
			if !errors.Is(err, errCut) || !harmless || again {
				return err
			}
			if again = m.Method != "subscriptions/listen"; !again { // which is only cut when the server is
				hears = catchingUp(m, sink)
			}
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
			continue
		}
		body, e := errorIn(res)
		_ = res.Body.Close()
		// The server refused before it did anything: its tools are not those we know.
		if e != nil && e.Code == mcp.CodeHeaderMismatch && m.Method == "tools/call" && !relisted {
			relisted = true
			if r.relist(ctx, m) == nil {
				continue
			}
		}
		if r.older(ctx, m, res.StatusCode, e) {
			return errOlder
		}
		if e == nil {
			return statusProblem(res, body)
		}
		sink(e.answer(m.ID))
		return nil
	}
}

// noting notes that the server answers to 2026-07-28, when it does.
func (r *remote) noting(sink func(raw []byte) bool) func(raw []byte) bool {
	return func(raw []byte) bool {
		if e := readError(raw); e == nil || modernCode(e.Code) {
			r.mu.Lock()
			if r.mode == unsettled {
				r.mode = modern
			}
			r.mu.Unlock()
		}
		return sink(raw)
	}
}

// listed reads an answer, and learns from one that lists tools.
func (r *remote) listed(ctx context.Context, m *message, res *http.Response, sink func(raw []byte) bool) error {
	if m.Method != "tools/list" {
		return r.answer(ctx, m, res, sink)
	}
	return r.answer(ctx, m, res, func(raw []byte) bool {
		e, err := mcp.Peek(raw)
		if err != nil || e.Kind != mcp.Response || e.Result == nil {
			return sink(raw)
		}
		result, err := r.tool.learn(e.Result, func(tool string, err error) {
			r.b.Log.Warn("a tool is left out", "tool", plain(tool), "because", plain(err.Error()))
		})
		if err != nil {
			return sink(raw) // another shape: the client says what it thinks of it
		}
		if len(result) != len(e.Result) {
			raw = resultOf(e.ID, result)
		}
		return sink(raw)
	})
}

// resultOf writes an answer.
func resultOf(id, result []byte) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	out = append(append(out, `,"result":`...), result...)
	return append(out, '}')
}

// relist asks for the tools again, all pages, on behalf of a call.
func (r *remote) relist(ctx context.Context, m *message) error {
	cursor := ""
	for range 20 {
		list, err := ownRequest("tools/list", m.params.Meta, cursor)
		if err != nil {
			return err
		}
		next := ""
		if err := r.askFor(ctx, list, func(raw []byte) bool {
			e, err := mcp.Peek(raw)
			if err != nil || e.Kind != mcp.Response {
				return false
			}
			next = nextCursor(e.Result)
			return true
		}); err != nil {
			return err
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
	return nil
}

// withoutGreeting leaves out what a stream of changes begins with: the client has
// had it.
func withoutGreeting(sink func(raw []byte) bool) func(raw []byte) bool {
	return func(raw []byte) bool {
		if e, err := mcp.Peek(raw); err == nil && e.Method == "notifications/subscriptions/acknowledged" {
			return false
		}
		return sink(raw)
	}
}
