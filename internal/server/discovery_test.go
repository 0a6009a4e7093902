package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// written keeps events that nobody waited for.
type written struct {
	mu     sync.Mutex
	events []audit.Event
}

func (w *written) Write(_ context.Context, e *audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, *e)
	return nil
}

// TestAFloodOfDiscoveryIsNoFloodOfTheTrail has strangers fetch what anybody may
// fetch: once for each network and document, and never more than so many in a minute.
func TestAFloodOfDiscoveryIsNoFloodOfTheTrail(t *testing.T) {
	trail, at := &written{}, time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	d := &discoveries{
		trail: trail, now: func() time.Time { return at },
		address: func(r *http.Request) (netip.Addr, bool) {
			a, _ := netip.ParseAddr(r.Header.Get("From"))
			return a, false
		},
	}
	status := http.StatusOK
	door := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	get := func(method, path, from, agent string) {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("From", from)
		r.Header.Set("User-Agent", agent)
		d.of("notes", path, door).ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 1000 {
		get("GET", "/a", "203.0.113.7", "\x1b[2J")
		get("GET", "/b", "203.0.113.7", "x")
		get("HEAD", "/a", "203.0.113.8", "x")
		get("OPTIONS", "/a", "203.0.113.9", "x")
	}
	if len(trail.events) != 2 {
		t.Fatalf("got %d events, want one for each document", len(trail.events))
	}
	if e := trail.events[0]; e.Kind != config.AuditSignIn || e.Action != "discovery" || e.Server != "notes" || e.Detail["document"] != "/a" || e.Outcome != audit.OK || e.Status != 200 || e.Client != "\x1b[2J" || e.Request != "" {
		t.Errorf("got %+v", e)
	}
	for i := range 100 {
		get("GET", "/a", fmt.Sprintf("2001:db8::%x", i), "x")
	}
	if len(trail.events) != 3 {
		t.Errorf("got %d events, want one more of one IPv6 network", len(trail.events))
	}
	for i := range 10_000 {
		get("GET", "/a", fmt.Sprintf("10.0.%d.%d", i/250, i%250), "x")
	}
	if len(trail.events) != discoveryMost {
		t.Errorf("got %d events in a minute, want %d", len(trail.events), discoveryMost)
	}
	at, status = at.Add(discoveryWindow), http.StatusServiceUnavailable
	get("GET", "/a", "203.0.113.7", "x")
	if e := trail.events[len(trail.events)-1]; len(trail.events) != discoveryMost+1 || e.Outcome != audit.Failed || e.Status != 503 {
		t.Errorf("got %d events, %+v, want another minute and what was answered", len(trail.events), e)
	}
}
