package authserver

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
)

// fsyncs counts what the disk is waited for.
type fsyncs struct {
	trail
	actions []string
}

func (l *fsyncs) Durable(ctx context.Context, e *audit.Event) error {
	l.actions = append(l.actions, e.Action+" "+e.Outcome)
	return l.Write(ctx, e)
}

func TestWhatIsOnlyShownWaitsForNoDisk(t *testing.T) {
	h := newHouse(t)
	slow := &fsyncs{}
	h.Trail = slow
	b := h.browser()
	next := b.decide(b.get(askTrusted()), "allow")
	b.get("/account")
	if slow.actions != nil || len(slow.events) != 3 {
		t.Errorf("waited for %v, wrote %d", slow.actions, len(slow.events))
	}
	b.get(askTrusted("resource", "https://evil.test")) // refused
	b.goOn(next, h.ada)
	if got := strings.Join(slow.actions, ", "); got != "authorize "+audit.Refused+", code "+audit.OK {
		t.Errorf("waited for %s", got)
	}
}

// Whoever opens pages without end leaves few lines, and a login that is gone on
// with has all of its own.
func TestAFloodOfPagesLeavesNoLines(t *testing.T) {
	h := newHouse(t)
	h.Limiter = &ratelimit.Limiter{Now: h.clock}
	b := h.browser()
	var page *reply
	for range shownRate.Count + 20 {
		page = b.get(askTrusted())
	}
	if n := len(h.trail.events); n != shownRate.Count {
		t.Errorf("got %d lines", n)
	}
	b.goOn(b.decide(page, "allow"), h.ada)
	var steps []string
	for _, e := range h.trail.events[shownRate.Count:] {
		steps = append(steps, e.Action)
		if e.Request != h.trail.last().Request {
			t.Errorf("got %+v, want one login", e)
		}
	}
	if got := strings.Join(steps, " "); got != "authorize consent code" {
		t.Errorf("got %s", got)
	}
	var last *reply
	for range pageRate.Count {
		if last = b.get(askTrusted()); last.StatusCode == 429 {
			break
		}
	}
	isPage(t, "a flood", last, 429, "GH-1501")
	if wait, err := strconv.Atoi(last.Header.Get("Retry-After")); err != nil || wait < 1 {
		t.Errorf("got Retry-After %q", last.Header.Get("Retry-After"))
	}
}
