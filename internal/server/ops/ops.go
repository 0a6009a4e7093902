// Package ops is the door for whoever looks after a running Gatehouse: is it
// alive, may it be given work, and what has it done. It tells nothing about
// callers and changes nothing, so it asks nobody who they are; it listens
// where operators are.
package ops

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Door serves /-/live, /-/ready and /-/metrics. Fill it in.
type Door struct {
	// Health says why no work should be sent here, and what else is wrong. What
	// is wrong everywhere at once, such as a mistake in the file that every
	// replica reads, belongs to the second: else it would end the service.
	Health  func() (blocking, warnings []string)
	Metrics *Metrics
	Log     *slog.Logger
	Local   bool // it listens on loopback: it goes by loopback's names only
}

// Handler returns the door.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	// A process that answers at all is alive: to restart it for a broken file or
	// a full disk would only end the calls that still work.
	mux.HandleFunc("GET /-/live", func(w http.ResponseWriter, _ *http.Request) { state(w, nil, nil) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		blocking, warnings := d.Health()
		state(w, blocking, warnings)
	})
	mux.Handle("GET /-/metrics", promhttp.HandlerFor(d.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(d.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, // a scrape walks every series
	}))
	if !d.Local {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) { // a web page that has its own name lead here (DNS rebinding) could read all
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// loopback says whether a Host header names this machine, as seen from itself.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return config.Loopback(strings.Trim(host, "[]"))
}

// state answers a probe.
func state(w http.ResponseWriter, blocking, warnings []string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	answer := struct {
		Status   string   `json:"status"` // ok, degraded or unready
		Problems []string `json:"problems,omitempty"`
	}{"ok", append(blocking, warnings...)}
	switch {
	case len(blocking) > 0:
		answer.Status = "unready"
		w.WriteHeader(http.StatusServiceUnavailable)
	case len(warnings) > 0:
		answer.Status = "degraded"
	}
	_ = json.NewEncoder(w).Encode(answer) // a prober that left needs no answer
}
