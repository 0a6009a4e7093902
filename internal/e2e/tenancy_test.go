package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// estate is two providers and three tenants in front of servers: acme has a
// provider and a server of its own; beta and gamma share both.
type estate struct {
	*front
	own, shared                  *provider
	acmes, others                *double
	ada, bob, carol, zed, nobody string // tokens: of acme, beta, beta, gamma and of no tenant
}

// canaries are what nobody outside acme may read anywhere.
var canaries = regexp.MustCompile(`(?i)acme|\bada\b`)

const estatePolicy = `
    - {name: acme's own, tools: ["acme_*"], tenants: [acme], require: {scopes: [tools:read]}}
    - {name: all, tools: ["get_*"], require: {scopes: [tools:read]}}`

const estateTenants = `tenants:
  resolve: [api_key, issuer, {claim: org}]
  require: true
  isolation: {upstream_by_tenant: {acme: "OWN/mcp"}}`

// offered is what both servers offer, and a stream for who asks for one.
func offered(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == "subscriptions/listen" || r.Header.Get("Mcp-Name") == "get_slow":
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush() //nolint:forcetypeassert // a test
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"tick\"}}\n\n")
				w.(http.Flusher).Flush() //nolint:forcetypeassert // a test
			}
		}
	case r.Header.Get("Mcp-Method") == "tools/list":
		answerJSON(w, `{"tools":[{"name":"get_a","inputSchema":{"type":"object"}},{"name":"acme_b","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"public"}`)
	default:
		if session := r.Header.Get("Mcp-Session-Id"); session == "" {
			w.Header().Set("Mcp-Session-Id", "session-of-"+r.Header.Get("X-Gatehouse-Subject"))
		}
		answerJSON(w, `{"content":[],"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"double","version":"1"}}`)
	}
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{front: reserved(t), acmes: newDouble(t, offered), others: newDouble(t, offered)}
	resources := map[string]nodeResource{e.url: {Scope: "tools:read tools:write"}}
	e.own = nodeProvider(t, map[string]map[string]any{"ada": {}}, resources)
	e.shared = nodeProvider(t, map[string]map[string]any{
		"bob": {"org": "org_b"}, "carol": {"org": "org_b"}, "zed": {"org": "org_c"}, "nobody": {"org": "acme"}, "brief": {"org": "org_b"},
	}, resources, "ttls", map[string]int{"brief": 4})
	e.own.name, e.shared.name = "own", "shared"
	e.open(t, e.text(), e.own, e.shared)
	for _, name := range []string{"acme", "beta", "gamma"} {
		e.run("tenant", "create", name)
	}
	e.run("tenant", "link", "beta", "--external-id", "shared=org_b")
	e.run("tenant", "link", "gamma", "--external-id", "shared=org_c")
	for user, into := range map[string]*string{"bob": &e.bob, "carol": &e.carol, "zed": &e.zed, "nobody": &e.nobody} {
		*into = e.token(e.shared, user)
	}
	e.ada = e.token(e.own, "ada")
	return e
}

func (e *estate) text() string {
	tenants := strings.ReplaceAll(estateTenants, "OWN", e.acmes.URL)
	return e.textOf(e.others.URL+"/mcp", estatePolicy, tenants, e.own.yaml("bind_tenant: acme"), e.shared.yaml("claims: {tenant: [org]}, clock_skew: 1s"))
}

func (e *estate) token(p *provider, user string) string {
	return p.token(request{user: user, resource: e.url, scopes: "tools:read"}).Access
}

// session begins a session of the older era and returns its identifier.
func (e *estate) session(t *testing.T, token string) string {
	t.Helper()
	got := e.ask(e.caller(), http.MethodPost, e.url, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, "Authorization: Bearer "+token)
	id := got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || id == "" {
		t.Fatalf("got %d %s and session %q, want one", got.status, got.body, id)
	}
	return id
}

// same strips from an answer what differs in every one.
func (g got) same() string {
	body := regexp.MustCompile(`"request_id":"[^"]*"`).ReplaceAllString(g.body, "")
	return fmt.Sprint(g.status, " ", body, " ", g.header.Get("WWW-Authenticate"), " ", g.header.Get("Content-Type"))
}

// TestTenantsOfTwoIssuers follows callers of two issuers to their tenants, and
// refuses who belongs to none.
func TestTenantsOfTwoIssuers(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	for _, c := range []struct {
		token, tenant string
		at            *double
	}{{e.ada, "acme", e.acmes}, {e.bob, "beta", e.others}, {e.carol, "beta", e.others}, {e.zed, "gamma", e.others}} {
		if got := e.call(c.token, "get_a"); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", c.tenant, got.status, got.body)
			continue
		}
		all := c.at.requests()
		if last := all[len(all)-1].header.Get("X-Gatehouse-Tenant-Name"); last != c.tenant {
			t.Errorf("got tenant %q at the server, want %q", last, c.tenant)
		}
	}
	// What an issuer calls an organisation is no name of a tenant.
	refused := e.call(e.nobody, "get_a")
	refused.wantRefusal(t, "an organisation called like a tenant", http.StatusForbidden, "GH-1206", "")
	if canaries.MatchString(refused.body) {
		t.Errorf("got %s, want nothing of other tenants in it", refused.body)
	}
	// Whose token it was is the operator's to know.
	trail := e.trail()
	last := trail[len(trail)-1]
	if last["kind"] != "auth_failed" || last["code"] != "GH-1206" || last["issuer"] != e.shared.issuer || last["subject"] != "nobody" || last["client_id"] != "client" {
		t.Errorf("got %v in the trail, want whose token was refused", last)
	}
}

// TestA113SessionsOfAnotherTenant tries the session of one tenant with the
// tokens of the other, at every door.
func TestA113SessionsOfAnotherTenant(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	acmes, bobs := e.session(t, e.ada), e.session(t, e.bob)
	stream := e.listens(t, e.ada, acmes)
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	unknown := strings.Repeat("A", len(acmes)-23) + "." + strings.Repeat("A", 22)
	before := e.acmes.count()
	for _, stranger := range []struct{ name, token, theirs string }{
		{"another tenant", e.bob, acmes}, {"a tenant of the same issuer", e.zed, bobs}, {"a colleague", e.carol, bobs},
	} {
		for _, m := range []struct{ method, body string }{{"POST", ping}, {"GET", ""}, {"DELETE", ""}} {
			for _, extra := range []string{"X-Ignored: 1", "Last-Event-ID: 1"} {
				auth := "Authorization: Bearer " + stranger.token
				got := e.ask(e.caller(), m.method, e.url, m.body, auth, "Accept: application/json, text/event-stream", "Mcp-Session-Id: "+stranger.theirs, extra)
				want := e.ask(e.caller(), m.method, e.url, m.body, auth, "Accept: application/json, text/event-stream", "Mcp-Session-Id: "+unknown, extra)
				if got.status != http.StatusNotFound || got.same() != want.same() || canaries.MatchString(got.body) {
					t.Errorf("%s, %s: got %s, want what an unknown session gets: %s", stranger.name, m.method, got.same(), want.same())
				}
			}
		}
	}
	if n := e.acmes.count() - before; n != 0 {
		t.Errorf("%d requests of strangers reached the tenant's server", n)
	}
	if got := e.ask(e.caller(), "POST", e.url, ping, "Authorization: Bearer "+e.ada, "Mcp-Session-Id: "+acmes); got.status != http.StatusOK {
		t.Errorf("got %d %s for the session's owner, want 200", got.status, got.body)
	}
	select {
	case <-stream.ended:
		t.Error("the owner's stream has ended")
	default:
	}
}

// TestA117TokensDoNotMix has four callers of two issuers and three tenants call
// at once over shared connections: each call arrives as its caller's, at its
// tenant's server.
func TestA117TokensDoNotMix(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	who := map[string]string{"ada": e.ada, "bob": e.bob, "carol": e.carol, "zed": e.zed}
	var all sync.WaitGroup
	for user, token := range who {
		c := e.client()
		for range 2 {
			all.Go(func() {
				for range times(60, 5000) {
					args := fmt.Sprintf(`{"who":%q}`, user)
					if got := e.ask(c, "POST", e.url, toolCall("get_a", args), toolHeaders(token, "get_a")...); got.status != http.StatusOK {
						t.Errorf("%s: got %d %s, want 200", user, got.status, got.body)
						return
					}
					e.ask(c, "POST", e.url, toolsList, modern(token)...)
				}
			})
		}
	}
	all.Wait()
	tenants := map[string]string{"ada": "acme", "bob": "beta", "carol": "beta", "zed": "gamma"}
	for name, at := range map[string]*double{"acme": e.acmes, "others": e.others} {
		for _, r := range at.requests() {
			user := r.header.Get("X-Gatehouse-Subject")
			if tenants[user] != r.header.Get("X-Gatehouse-Tenant-Name") || (name == "acme") != (user == "ada") {
				t.Fatalf("got %s of tenant %s at %s's server", user, r.header.Get("X-Gatehouse-Tenant-Name"), name)
			}
			if strings.Contains(r.body, `"who"`) && !strings.Contains(r.body, fmt.Sprintf("%q", user)) {
				t.Fatalf("got %s's identity with the call %s", user, r.body)
			}
			if r.header.Get("Authorization") != "" {
				t.Fatal("the caller's token reached the server")
			}
		}
	}
}

// TestA120TokensNameTheirTenant names another tenant wherever one can be named:
// the token's counts.
func TestA120TokensNameTheirTenant(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	meta := strings.Replace(toolCall("get_a", `{"tenant":"acme"}`), `"_meta":{`, `"_meta":{"tenant":"acme","org":"acme","X-Gatehouse-Tenant":"acme",`, 1)
	before := e.acmes.count()
	for _, a := range []struct {
		url, body string
		headers   []string
	}{
		{e.url, meta, nil},
		{e.url + "?tenant=acme&org=acme", meta, nil},
		{e.url, meta, []string{"X-Tenant: acme", "X-Tenant-Id: acme", "X-Gatehouse-Tenant: acme", "X-Gatehouse-Tenant-Name: acme", "X_Gatehouse_Tenant_Name: acme"}},
		{"https://" + e.address + "/acme/mcp", meta, nil},
		{"https://" + e.address + "/mcp/acme", meta, nil},
		{"https://" + e.address + "/beta%2f..%2facme/mcp", meta, nil},
		{e.url, meta, []string{"Host: acme"}},
		{e.url, meta, []string{"Forwarded: host=acme", "X-Forwarded-Host: acme", "X-Original-URL: /acme/mcp"}},
	} {
		n := e.others.count()
		got := e.ask(e.caller(), "POST", a.url, a.body, append(toolHeaders(e.bob, "get_a"), a.headers...)...)
		if canaries.MatchString(strings.ReplaceAll(got.body, `"tenant":"acme"`, "")) {
			t.Errorf("%s %v: got %s, want nothing of the other tenant in it", a.url, a.headers, got.body)
		}
		if got.status/100 == 2 {
			if all := e.others.requests(); len(all) != n+1 || all[n].header.Get("X-Gatehouse-Tenant-Name") != "beta" {
				t.Errorf("%s %v: passed, but not as beta's", a.url, a.headers)
			}
		} else if got.status/100 != 4 {
			t.Errorf("%s %v: got %d %s, want it to pass as the caller's or to be refused", a.url, a.headers, got.status, got.body)
		}
	}
	// A tool of another tenant and one that is nowhere look alike, and lists have neither.
	theirs, nowhere := e.call(e.bob, "acme_b"), e.call(e.bob, "acme_c")
	if theirs.same() != strings.ReplaceAll(nowhere.same(), "acme_c", "acme_b") || theirs.status == http.StatusOK {
		t.Errorf("got %s for a tool of another tenant and %s for one that is nowhere, want the same", theirs.same(), nowhere.same())
	}
	list := e.ask(e.caller(), "POST", e.url, toolsList, modern(e.bob)...)
	if !strings.Contains(list.body, "get_a") || canaries.MatchString(list.body) || !strings.Contains(list.body, `"private"`) {
		t.Errorf("got the list %s, want what is the caller's alone, and kept by nobody else", list.body)
	}
	if own := e.ask(e.caller(), "POST", e.url, toolsList, modern(e.ada)...); !strings.Contains(own.body, "acme_b") {
		t.Errorf("got the list %s, want the tenant's own tool in it", own.body)
	}
	if n := e.acmes.count() - before - 1; n != 0 {
		t.Errorf("%d calls of another tenant reached the tenant's server", n)
	}
	e.trailIsApart(t)
}

// trailIsApart wants each event under the tenant of its subject.
func (e *estate) trailIsApart(t *testing.T) {
	t.Helper()
	tenants := map[any]any{"ada": "acme", "bob": "beta", "carol": "beta", "zed": "gamma"}
	n := 0
	for _, event := range e.trail() {
		if tenant := tenants[event["subject"]]; tenant != nil {
			n++
			if event["tenant"] != tenant {
				t.Errorf("got tenant %v in %v, want %v", event["tenant"], event, tenant)
			}
		}
	}
	out := e.run("audit", "search", "--tenant", "beta", "--json")
	if n == 0 || !strings.Contains(out, "bob") || strings.Contains(out, `"subject":"ada"`) {
		t.Errorf("got %d events, and %s for one tenant, want only its own", n, out)
	}
}

// listens opens the stream of a session.
func (e *estate) listens(t *testing.T, token, session string) *eventStream {
	t.Helper()
	return e.opens(t, http.MethodGet, "", "Authorization: Bearer "+token, "Mcp-Session-Id: "+session)
}

// opens sends a request whose answer is a stream, and reads that until it ends.
func (e *estate) opens(t *testing.T, method, body string, headers ...string) *eventStream {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, e.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append(headers, "Accept: application/json, text/event-stream", "Content-Type: application/json") {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	c := e.client()
	c.Timeout = 0
	res, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("got %d %s for a stream, want 200", res.StatusCode, text)
	}
	s := &eventStream{output: newOutput(), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			_, _ = s.Write(append(lines.Bytes(), '\n'))
		}
	}()
	eventually(t, "the first event", func() bool { return strings.Contains(s.String(), "tick") })
	return s
}
