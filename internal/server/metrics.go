package server

import (
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
	"github.com/gatehouse-mcp/gatehouse/internal/server/ops"
)

// publish offers what is known of this process as metrics. docs/reference/metrics.md has them all.
func (r *Running) publish() {
	r.metrics.Add(
		ops.Number{Name: "gatehouse_ready", Help: "0 while /-/ready says that no work should be sent here.", Value: func() float64 {
			blocking, _ := r.health()
			return flag(len(blocking) == 0)
		}},
		ops.Number{Name: "gatehouse_problems", Help: "Problems in /-/ready.", Value: func() float64 {
			blocking, warnings := r.health()
			return float64(len(blocking) + len(warnings))
		}},
		ops.Number{Name: "gatehouse_config_reload_failed", Help: "1 while the file on disk is not the configuration in force.", Value: func() float64 { return flag(r.broken.Load() != nil) }},
		ops.Number{Name: "gatehouse_config_loaded_timestamp_seconds", Help: "When the configuration in force was loaded.", Value: func() float64 { return seconds(r.current.Load().loaded) }},
		ops.Number{Name: "gatehouse_config_weakened", Help: "Settings that weaken a check.", Value: func() float64 { return float64(len(r.current.Load().config.Weakened())) }},
		ops.Number{Name: "gatehouse_banned_addresses", Help: "Addresses banned now.", Value: func() float64 { return float64(len(r.counters.Bans.List())) }},
		ops.Number{Name: "gatehouse_certificate_expiry_timestamp_seconds", Help: "End of the certificate that ends first; 0 without TLS or certificate.", Value: func() float64 { return seconds(r.edge.Expiry()) }},
		ops.Number{Name: "gatehouse_exchanges", Help: "Calls and streams under way.", Value: func() float64 {
			n := 0
			for _, v := range r.current.Load().ways {
				n += v.gateway.UnderWay()
			}
			return float64(n)
		}},
	)
	r.publishAudit()
	r.publishEdge()
}

func (r *Running) publishAudit() {
	r.metrics.Add(
		ops.Number{Name: "gatehouse_audit_unwritable", Help: "1 while the audit trail cannot be written.", Value: func() float64 { return flag(r.Trail.Healthy() != nil) }},
		ops.Number{Name: "gatehouse_audit_queue", Help: "Events that wait to be written.", Value: func() float64 { return float64(r.Trail.Stats().Queued) }},
		ops.Number{Name: "gatehouse_audit_events_total", Help: "Events written.", Counter: true, Value: func() float64 { return float64(r.Trail.Stats().Written) }},
		ops.Number{Name: "gatehouse_audit_refused_events_total", Help: "Events that could not be written; what they were about was refused.", Counter: true, Value: func() float64 { return float64(r.Trail.Stats().Lost) }},
		ops.Number{Name: "gatehouse_audit_files_total", Help: "Files begun because the one before was full.", Counter: true, Value: func() float64 { return float64(r.Trail.Stats().Turned) }},
	)
}

func (r *Running) publishEdge() {
	count := func(name, help string, labels map[string]string, of func(c edge.Counts) int64) {
		r.metrics.Add(ops.Number{Name: name, Help: help, Labels: labels, Counter: true, Value: func() float64 { return float64(of(r.edge.Counts())) }})
	}
	r.metrics.Add(ops.Number{Name: "gatehouse_connections", Help: "Open connections of callers.", Value: func() float64 { return float64(r.edge.Counts().Open) }})
	for reason, of := range map[string]func(c edge.Counts) int64{
		"crowded":         func(c edge.Counts) int64 { return c.Crowded },
		"crowded_address": func(c edge.Counts) int64 { return c.CrowdedAddress },
		"handshake":       func(c edge.Counts) int64 { return c.Handshakes },
		"not_a_proxy":     func(c edge.Counts) int64 { return c.ProxyRefused },
		"proxy_header":    func(c edge.Counts) int64 { return c.ProxyBroken },
	} {
		count("gatehouse_connections_refused_total", "Connections closed before a request was read.", map[string]string{"reason": reason}, of)
	}
	for reason, of := range map[string]func(c edge.Counts) int64{
		"stranger": func(c edge.Counts) int64 { return c.Ignored },
		"conflict": func(c edge.Counts) int64 { return c.Conflicts },
	} {
		count("gatehouse_forwarded_ignored_total", "Requests whose X-Forwarded-For or Forwarded was not believed.", map[string]string{"reason": reason}, of)
	}
	count("gatehouse_accept_errors_total", "Connections that could not be accepted, for want of file descriptors most of all.", nil, func(c edge.Counts) int64 { return c.AcceptErrors })
	count("gatehouse_clear_connections_total", "Connections that spoke plain HTTP where TLS is expected.", nil, func(c edge.Counts) int64 { return c.ClearOnTLS })
	count("gatehouse_clear_credentials_total", "Requests with a credential over plain HTTP: each burnt a key.", nil, func(c edge.Counts) int64 { return c.Burnt })
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// seconds since 1970; never is 0.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
