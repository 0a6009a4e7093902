package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// Metrics counts requests.
type Metrics interface {
	// Request counts one. Server is a name from the configuration or "none", method one of
	// the protocol, code a GH code, "rpc" or "ok": no caller can add to them.
	Request(server, method, code string, took time.Duration)
}

// record writes the request's line, and counts it.
func (g *Gateway) record(a *answer, r *http.Request, v *visit) {
	if g.Metrics != nil {
		g.Metrics.Request(cmp.Or(v.server, "none"), v.method(r), v.code(a), v.took)
	}
	level := slog.LevelInfo
	switch {
	case v.err != nil || a.dropped > 0:
		level = slog.LevelWarn
	case g.Quiet || v.asked:
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !g.Log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 16),
		slog.String("server", v.server), slog.String("request", a.id), slog.String("address", v.from.String()),
		slog.String("http", printable(r.Method)), slog.Int("status", a.status), slog.Int64("took_us", v.took.Microseconds()),
	)
	if c := v.caller; c != nil {
		attrs = append(attrs, slog.String("tenant", c.TenantName))
		if c.Token != nil {
			attrs = append(attrs, slog.String("issuer", c.Token.IssuerName), slog.String("subject", printable(c.Subject)), slog.String("client", printable(c.Client)))
		} else {
			attrs = append(attrs, slog.String("key", c.KeyID))
		}
	}
	if v.call != nil && len(v.call.Messages) > 0 {
		m := v.call.Messages[0]
		attrs = append(attrs, slog.String("method", printable(m.Method)), slog.String("name", printable(m.Name)))
	}
	if a.dropped > 0 {
		attrs = append(attrs, slog.Int("dropped", a.dropped))
	}
	if v.err != nil {
		attrs = append(attrs, reason(v.err)...)
	}
	line := slog.NewRecord(v.began.Add(v.took), level, "request", 0) // Logger would look for the line of code, which is this one
	line.AddAttrs(attrs...)
	_ = g.Log.Handler().Handle(ctx, line) // as Logger does: there is nowhere to say that the log cannot be written
}

// method is what a request is counted under.
func (v *visit) method(r *http.Request) string {
	switch {
	case v.call == nil && (r.Method == http.MethodGet || r.Method == http.MethodDelete || r.Method == http.MethodOptions):
		return r.Method
	case v.call == nil:
		return "none"
	case v.call.Batch:
		return "batch"
	case v.call.Messages[0].Kind == mcp.Response:
		return "response"
	case !mcp.Known(v.call.Messages[0].Method):
		return "unknown"
	}
	return v.call.Messages[0].Method
}

// code is what came of it.
func (v *visit) code(a *answer) string {
	if v.err == nil {
		if a.status >= http.StatusBadRequest {
			return "upstream"
		}
		return "ok"
	}
	if _, code, _ := told(v.err); code != "" {
		return code
	}
	return "rpc"
}
