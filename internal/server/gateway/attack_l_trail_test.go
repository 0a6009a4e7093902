package gateway_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

const callEcho = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_a","arguments":{"city":"Rome","api_key":"hunter2-canary"}}}`

// TestA169AdmittedCalls wants one event for each call, with who, what, from where and how it ended.
func TestA169AdmittedCalls(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	got := s.one(t, s.plain("POST", "/mcp", callEcho, s.bearer()))
	events := s.trail.of(got.header.Get("X-Request-Id"))
	if len(events) != 1 {
		t.Fatalf("got %+v, want one event", events)
	}
	e := events[0]
	if e.Kind != config.AuditToolCall || e.Method != "tools/call" || e.Name != "get_a" || e.Outcome != audit.OK || e.Status != http.StatusOK ||
		e.Tenant != "default" || e.KeyID != s.id || e.Subject != "key:"+s.id || !e.Address.IsLoopback() || e.Took <= 0 || e.Server != "files" {
		t.Errorf("got %+v, want the call told in full", e)
	}
	if e.Args != nil {
		t.Errorf("got the arguments %s, which nobody asked for", e.Args)
	}
}

// TestA169CallsThatARevocationCutsOff were carried out, at least in part: the
// trail tells them as calls, and does not count them among refusals.
func TestA169CallsThatARevocationCutsOff(t *testing.T) {
	var s *siege
	var id, key string
	s = besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.keys.Revoke(t.Context(), "", id, "test", "leaked"); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}))
	id, key = s.mint()
	got := s.one(t, s.plain("POST", "/mcp", callEcho, "Authorization: Bearer "+key))
	events := s.trail.of(got.header.Get("X-Request-Id"))
	if got.status != http.StatusForbidden || got.header.Get("WWW-Authenticate") != "" || len(events) != 1 {
		t.Fatalf("got %d and %+v, want 403, which nobody signs in for to send the call again, and one event", got.status, events)
	}
	if e := events[0]; e.Kind != config.AuditToolCall || e.Name != "get_a" || e.Outcome != audit.Cut || e.Status != got.status || e.Code != "GH-1011" || e.KeyID != id {
		t.Errorf("got %+v, want a call that was cut off", e)
	}
}

func TestA169ArgumentsOnlyWhenAskedForAndRedacted(t *testing.T) {
	some, err := policy.Compile([]string{"get_*"})
	if err != nil {
		t.Fatal(err)
	}
	city, err := policy.Compile([]string{"cit*"})
	if err != nil {
		t.Fatal(err)
	}
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { g.Guard.Audit.Args, g.Guard.Audit.Redact = &some, city })
	got := s.one(t, s.plain("POST", "/mcp", callEcho, s.bearer()))
	events := s.trail.of(got.header.Get("X-Request-Id"))
	if len(events) != 1 || events[0].Args == nil {
		t.Fatalf("got %+v, want one event with arguments", events)
	}
	if args := string(events[0].Args); strings.Contains(args, "Rome") || strings.Contains(args, "hunter2") || !strings.Contains(args, "city") {
		t.Errorf("got %s, want the names of both arguments and the value of neither", args)
	}
	other := s.one(t, s.plain("POST", "/mcp", strings.Replace(callEcho, "get_a", "put_a", 1), s.bearer()))
	if events := s.trail.of(other.header.Get("X-Request-Id")); len(events) != 1 || events[0].Args != nil {
		t.Errorf("got %+v, want no arguments of another tool", events)
	}
}

// TestA169BatchesOfAnswers have no call to name, and are refused and told all the same.
func TestA169BatchesOfAnswers(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	s.refuses(t, http.StatusBadRequest, "", func() reply {
		return s.one(t, s.plain("POST", "/mcp", `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]`, s.bearer(), "MCP-Protocol-Version: 2025-03-26"))
	})
}

// TestA162WhatIsRefusedCountsToo sends what is never understood, until even that is too often.
func TestA162WhatIsRefusedCountsToo(t *testing.T) {
	for name, request := range map[string]func(s *siege, key string) string{
		"bodies that cannot be read": func(s *siege, key string) string { return s.plain("POST", "/mcp", `{"jsonrpc":`, key) },
		"sessions of nobody":         func(s *siege, key string) string { return s.plain("POST", "/mcp", ping, key, "Mcp-Session-Id: x") },
		"methods that are not ours":  func(s *siege, key string) string { return s.plain("PUT", "/mcp", "", key) },
	} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) {
				g.Guard.Limits = &access.Limits{Counters: access.NewCounters(), PerKey: unit.Rate{Count: 20, Per: time.Hour}}
			})
			last := reply{}
			_, other := s.mint()
			for range 25 {
				last = s.one(t, request(s, "Authorization: Bearer "+other))
			}
			if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s after 25 requests where 20 may come, want 429", last.status, last.body)
			}
		})
	}
}

// TestA171NothingPassesUnwritten breaks the trail: neither calls nor refusals happen in secret.
func TestA171NothingPassesUnwritten(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	for name, request := range map[string]string{
		"a call":                s.plain("POST", "/mcp", callEcho, s.bearer()),
		"a stream":              s.plain("GET", "/mcp", "", s.bearer(), "Accept: text/event-stream"),
		"a refused credential":  s.plain("POST", "/mcp", ping, "Authorization: Bearer nonsense"),
		"no credential":         s.plain("POST", "/mcp", ping),
		"a page for a browser":  s.plain("GET", "/mcp", "", "Accept: text/html"),
		"a method nobody knows": s.plain("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"x/y"}`, s.bearer()),
	} {
		t.Run(name, func(t *testing.T) {
			before := s.up.count()
			s.trail.fail(errors.New("no space left on device"))
			got := s.one(t, request)
			s.trail.fail(nil)
			if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1903") || strings.Contains(got.body, "no space") {
				t.Errorf("got %d %s, want 503 GH-1903", got.status, got.body)
			}
			if n := s.up.count() - before; n != 0 {
				t.Errorf("got %d requests at the server, want none", n)
			}
			s.lives(t)
		})
	}
}

// TestA172StrictWritesFirst wants the intent on record when the server hears of a call.
func TestA172StrictWritesFirst(t *testing.T) {
	var s *siege
	seen := make(chan []audit.Event, 1)
	s = besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case seen <- s.trail.of(r.Header.Get("X-Request-Id")):
		default:
		}
		echo(w, r)
	}), func(g *gateway.Gateway) {
		g.Guard.Audit = &access.Audit{Trail: g.Guard.Audit.Trail, Strict: true}
	})
	got := s.one(t, s.plain("POST", "/mcp", callEcho, s.bearer()))
	if at := <-seen; len(at) != 1 || at[0].Phase != audit.Intent || at[0].Name != "get_a" {
		t.Errorf("got %+v when the call was carried out, want its intent", at)
	}
	if events := s.trail.of(got.header.Get("X-Request-Id")); len(events) != 2 || events[1].Phase != audit.Result || events[1].Outcome != audit.OK {
		t.Errorf("got %+v, want intent and result", events)
	}
}

// TestA169StreamsEndWhenTheyEnd wants the end of a stream at its own time: one that is open for a week began long ago.
func TestA169StreamsEndWhenTheyEnd(t *testing.T) {
	const open = 50 * time.Millisecond
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			echo(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(open)
	}))
	got := s.one(t, s.plain("GET", "/mcp", "", s.bearer(), "Accept: text/event-stream", "MCP-Protocol-Version: 2025-06-18"))
	eventually(t, "the end is written down", func() bool { return len(s.trail.of(got.header.Get("X-Request-Id"))) == 2 })
	events := s.trail.of(got.header.Get("X-Request-Id"))
	if events[0].Action != "open" || events[1].Action != "close" || events[1].Time.Sub(events[0].Time) < open {
		t.Errorf("got %+v, want the end %s behind the beginning", events, open)
	}
}

// TestA169NobodysPath: what no server has is no server's refusal.
func TestA169NobodysPath(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	got := s.one(t, s.plain("POST", "/elsewhere?x=1", ping, s.bearer()))
	if events := s.trail.of(got.header.Get("X-Request-Id")); got.status != http.StatusNotFound || len(events) != 1 || events[0].Server != "" {
		t.Errorf("got %d %+v, want 404 and an event without a server", got.status, events)
	}
}
