package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// TestA156NothingReachesAServerThatWasTakenAway sends a request that was on its
// way to a gateway when that was retired.
func TestA156NothingReachesAServerThatWasTakenAway(t *testing.T) {
	var old *gateway.Gateway
	f := protect(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { old = g })
	_, key := f.key()
	f.alive(key)
	before := len(f.up.requests())
	old.Retire(t.Context(), &gatehouse.Error{Code: "GH-1605", Status: http.StatusServiceUnavailable, Description: "gone"})
	if got := f.post(key, ping); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1605") {
		t.Errorf("got %d %s, want 503 GH-1605", got.status, got.body)
	}
	if n := len(f.up.requests()) - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
}

// signingIn tells an upstream one credential.
func signingIn(t *testing.T, text string) *upstream.Forward {
	t.Helper()
	f := &upstream.Forward{Forward: config.Forward{Authorization: config.Secret("Bearer " + text)}, Server: "files"}
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestA109StreamsSignInByTheCredentialThatHolds replaces the upstream's
// credential while a stream of HTTP+SSE is open.
func TestA109StreamsSignInByTheCredentialThatHolds(t *testing.T) {
	var first *gateway.Gateway
	f := protect(t, &stateful{}, oldDoor, func(g *gateway.Gateway) { first, g.Forward = g, signingIn(t, "before") })
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	next := &gateway.Gateway{
		Name: first.Name, Path: first.Path, SSEPath: first.SSEPath, PublicURL: first.PublicURL, SessionKey: first.SessionKey,
		Guard: first.Guard, Log: first.Log, Earlier: first, Forward: signingIn(t, "after"),
	}
	if err := next.Open(); err != nil {
		t.Fatal(err)
	}
	next.Activate()
	c.ask(t, `{"jsonrpc":"2.0","id":7,"method":"ping"}`)
	all := f.up.requests()
	if got := all[len(all)-1].request.Header.Get("Authorization"); got != "Bearer after" {
		t.Errorf("got %q at the server, want the credential that holds now", got)
	}
}

// TestA109AMovedServersCredentialStaysItsOwn has an old place keep what is
// signed in to it, not the credential of the new one.
func TestA109AMovedServersCredentialStaysItsOwn(t *testing.T) {
	var first *gateway.Gateway
	f := protect(t, &stateful{}, oldDoor, func(g *gateway.Gateway) { first, g.Forward = g, signingIn(t, "old-place") })
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	base, err := url.Parse(other.URL + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	next := &gateway.Gateway{
		Name: first.Name, Path: first.Path, SSEPath: first.SSEPath, PublicURL: first.PublicURL, SessionKey: first.SessionKey,
		Guard: first.Guard, Log: first.Log, Upstream: &upstream.Client{URL: base}, Forward: signingIn(t, "new-place"),
	}
	if err := next.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.Close)
	next.Govern(first)
	c.ask(t, `{"jsonrpc":"2.0","id":7,"method":"ping"}`)
	for _, q := range f.up.requests() {
		if got := q.request.Header.Get("Authorization"); got != "Bearer old-place" {
			t.Errorf("got %q at the old place, want its own credential", got)
		}
	}
}

// TestA167ARefusalOnAStreamIsToldOnce counts the events of a message of HTTP+SSE that is refused.
func TestA167ARefusalOnAStreamIsToldOnce(t *testing.T) {
	f := protect(t, &stateful{}, oldDoor)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	got := c.say(initialize) // a second time
	events := f.trail.of(got.header.Get("X-Request-Id"))
	if len(events) != 1 || events[0].Kind != config.AuditDenied || events[0].Outcome != audit.Refused {
		t.Errorf("got %+v, want one refusal", events)
	}
}

// TestA169ABatchIsNoStream hides a call of a tool behind a message that would open one.
func TestA169ABatchIsNoStream(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	batch := `[{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{}}},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_a"}}]`
	got := s.one(t, s.plain("POST", "/mcp", batch, s.bearer()))
	var kinds []string
	for _, e := range s.trail.of(got.header.Get("X-Request-Id")) {
		kinds = append(kinds, e.Kind+" "+e.Name)
	}
	if all := strings.Join(kinds, ","); !strings.Contains(all, config.AuditToolCall+" get_a") || strings.Contains(all, config.AuditStream) {
		t.Errorf("got %q, want the call of a tool as one", all)
	}
}

// TestA169WhatWasCarriedOutWasNotRefused revokes a key while its call is answered.
func TestA169WhatWasCarriedOutWasNotRefused(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	k, key := f.key()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res := f.open(ctx, http.MethodPost, key, callEcho)
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := f.keys.Revoke(t.Context(), k.Tenant, k.ID, "test", "x"); err != nil {
		t.Fatal(err)
	}
	for err := error(nil); err == nil; {
		_, err = in.ReadString('\n')
	}
	var events []audit.Event
	for end := time.Now().Add(5 * time.Second); len(events) == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		events = f.trail.of(res.Header.Get("X-Request-Id"))
	}
	if len(events) != 1 || events[0].Kind != config.AuditToolCall || events[0].Outcome != audit.Cut || events[0].Name != "get_a" {
		t.Errorf("got %+v, want one call that was cut", events)
	}
}

// TestA162RefusedRequestsCount floods with what is refused before it is a call.
func TestA162RefusedRequestsCount(t *testing.T) {
	rate := unit.Rate{Count: 3, Per: time.Hour}
	limits := func(l access.Limits) func(*gateway.Gateway) {
		return func(g *gateway.Gateway) {
			l.Counters = access.NewCounters()
			g.Guard.Limits = &l
		}
	}
	for name, tt := range map[string]struct {
		limits access.Limits
		send   func(f *fixture, key string) reply
	}{
		"bodies that are no messages": {access.Limits{PerKey: rate}, func(f *fixture, key string) reply { return f.post(key, "{") }},
		"sessions that do not exist":  {access.Limits{PerKey: rate}, func(f *fixture, key string) reply { return f.post(key, ping, sessionHeader, "x") }},
		"another method":              {access.Limits{PerTenant: rate}, func(f *fixture, key string) reply { return f.do(http.MethodPut, key, "") }},
		"no credential":               {access.Limits{PerAddress: rate}, func(f *fixture, _ string) reply { return f.post("", ping) }},
		"two credentials":             {access.Limits{PerAddress: rate}, func(f *fixture, key string) reply { return f.post(key, ping, "X-Api-Key", key) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := protect(t, http.HandlerFunc(echo), limits(tt.limits))
			_, key := f.key()
			for i := range 5 {
				got := tt.send(f, key)
				if limited := got.status == http.StatusTooManyRequests; limited != (i >= 3) {
					t.Errorf("%d: got %d %s", i, got.status, got.body)
				}
			}
		})
	}
}
