package server

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/ops"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// health says why no work should be sent here, and what else is wrong.
func (r *Running) health() (blocking, warnings []string) {
	if r.draining.Load() {
		blocking = append(blocking, "stopping")
	}
	if err := r.Trail.Healthy(); err != nil {
		blocking = append(blocking, "audit: "+err.Error())
	}
	if err := r.Verifier.Healthy(); err != nil {
		blocking = append(blocking, "store: "+err.Error())
	}
	if text := r.broken.Load(); text != nil {
		warnings = append(warnings, "configuration: "+strings.ReplaceAll(*text, "\n", "; ")+" (the one loaded before stays in force)")
	}
	for _, p := range r.edge.Problems() {
		if p.Severe {
			blocking = append(blocking, p.Text)
		} else {
			warnings = append(warnings, p.Text)
		}
	}
	return blocking, warnings
}

// Alive says that the parts which every request needs still answer. A full disk
// or a broken file is no reason to start anew.
func (r *Running) Alive(ctx context.Context) bool {
	_, err := r.DB.Secret(ctx, "session")
	return err == nil
}

// publish offers what is known of this process as metrics.
func (r *Running) publish() {
	flag := func(on bool) float64 {
		if on {
			return 1
		}
		return 0
	}
	r.metrics.Add(
		ops.Gauge{Name: "gatehouse_config_reload_failed", Help: "1 while the file on disk is not the configuration in force.", Value: func() float64 { return flag(r.broken.Load() != nil) }},
		ops.Gauge{Name: "gatehouse_config_loaded_timestamp_seconds", Help: "When the configuration in force was loaded.", Value: func() float64 { return float64(r.current.Load().loaded.Unix()) }},
		ops.Gauge{Name: "gatehouse_config_weakened", Help: "Settings that weaken a check.", Value: func() float64 { return float64(len(r.current.Load().config.Weakened())) }},
		ops.Gauge{Name: "gatehouse_audit_unwritable", Help: "1 while the audit trail cannot be written.", Value: func() float64 { return flag(r.Trail.Healthy() != nil) }},
		ops.Gauge{Name: "gatehouse_banned_addresses", Help: "Addresses banned now.", Value: func() float64 { return float64(len(r.counters.Bans.List())) }},
		ops.Gauge{Name: "gatehouse_connections", Help: "Open connections of callers.", Value: func() float64 { return float64(r.edge.Counts().Open) }},
		ops.Gauge{Name: "gatehouse_exchanges", Help: "Calls and streams under way.", Value: func() float64 {
			n := 0
			for _, v := range r.current.Load().served {
				n += v.gateway.UnderWay()
			}
			return float64(n)
		}},
	)
}

// burnt writes down that a credential came in the clear. Whoever was on the
// line has it now.
func (r *Running) burnt(q *http.Request, from netip.Addr, keys []string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(q.Context()), recordTime)
	defer stop()
	if len(keys) == 0 {
		keys = []string{""}
	}
	for _, id := range keys {
		e := &audit.Event{
			Time: time.Now(), Kind: config.AuditAuthFailed, KeyID: id, Address: from, Method: q.Method, Code: "GH-1015", Outcome: audit.Refused,
			Reason: "a credential came over plain HTTP: it is burnt, revoke it",
		}
		if err := r.Trail.Durable(ctx, e); err != nil {
			r.server.Options.Log.Error("audit", "error", err.Error())
		}
		r.server.Options.Log.Warn("a credential came over plain HTTP; revoke it", "key", id, "address", from.String())
	}
}

// public is what anybody may fetch, by path.
func (r *Running) public() map[string]http.Handler {
	return map[string]http.Handler{wellknown.Path: &wellknown.JWKS{Keys: published{r.Installation}, Log: r.server.Options.Log}}
}
