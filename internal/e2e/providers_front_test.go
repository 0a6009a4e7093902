package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	reading = "test_simple_text"            // a tool of the Go SDK's server
	writing = "test_multiple_content_types" // another
)

// guarded is a provider, what makes it an issuer of a front, and one of its users.
type guarded struct {
	name   string
	start  func(t *testing.T, f *front) *provider
	yaml   string // what its issuer needs
	policy string // what lets its users read
	user   string
	scopes string
}

func guardedProviders() []guarded {
	const scoped = "\n    - {name: read, tools: [" + reading + "], require: {scopes: [tools:read]}}"
	return []guarded{
		{
			"node oidc-provider",
			func(t *testing.T, f *front) *provider {
				return nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{
					f.url: {Scope: "tools:read tools:write"}, "https://other.example/mcp": {Scope: "tools:read"},
				})
			},
			"", scoped, "ada", "tools:read",
		},
		{
			"zitadel",
			func(t *testing.T, _ *front) *provider { return zitadelProvider(t) },
			"preset: zitadel, project_id: " + `"` + zitadelProject + `"`,
			"\n    - {name: read, tools: [" + reading + "], require: {roles: [editor]}}", "id1", "openid",
		},
		{
			"glewlwyd",
			func(t *testing.T, f *front) *provider {
				return glewlwydProvider(t, []string{"ada"}, map[string][]string{"tools:read": {f.url, "https://other.example/mcp"}})
			},
			"", scoped, "ada", "tools:read",
		},
	}
}

// TestRealProvidersServeRealClients lets clients that are told nothing but the
// URL find the provider, sign their user in and call a tool; what the user may
// not do stays hidden.
func TestRealProvidersServeRealClients(t *testing.T) {
	t.Parallel()
	for _, g := range guardedProviders() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := g.start(t, f)
			f.open(t, f.text(goServer(t, true), g.policy, p.yaml(g.yaml)), p)
			for _, c := range travellers() {
				if c.name != "Go SDK" && p.page != nil {
					continue // their browser fills in no forms
				}
				t.Run(c.name, func(t *testing.T) {
					j := c.goes(t, f, p, g.user, reading, writing)
					if j.Error != "" || len(j.Results) != 2 || !strings.Contains(j.Results[0].Text, "simple text response") {
						t.Fatalf("got %+v, want an answer", j)
					}
					if j.Results[1].Error == "" || strings.Contains(j.Results[1].Text, "content") {
						t.Errorf("got %+v for a tool that nobody may call, want a refusal", j.Results[1])
					}
					if !slices.Equal(j.Tools, []string{reading}) {
						t.Errorf("got tools %q, want %q alone", j.Tools, reading)
					}
					if len(j.Sent) == 0 || j.Sent[0]["resource"] != f.url {
						t.Errorf("got authorization requests %v, want one for %s", j.Sent, f.url)
					}
				})
			}
			_, claims := peek(t, p.token(request{user: g.user, resource: f.url, scopes: g.scopes}).Access)
			told := false
			for _, e := range f.trail() {
				told = told || e["kind"] == "tool_call" && e["name"] == reading && e["subject"] == claims["sub"] && e["issuer"] == p.issuer
			}
			if !told {
				t.Errorf("no event names the tool, %v and %s", claims["sub"], p.issuer)
			}
		})
	}
}

// TestForeignTokensAreRefused shows a front tokens that are real and good, but
// not for it: for another resource, of another issuer, of yesterday, or no
// access token at all.
func TestForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	for _, g := range guardedProviders() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p, other := g.start(t, f), g.start(t, f) // the same product, elsewhere
			other.name += "-2"
			up := newDouble(t, nil)
			f.open(t, f.text(up.URL, g.policy, p.yaml(g.yaml)), p)
			good := p.token(request{user: g.user, resource: f.url, scopes: g.scopes}).Access
			if got := f.call(good, reading); got.status != http.StatusOK {
				t.Fatalf("got %d %s, want 200", got.status, got.body)
			}
			before := up.count()
			foreign := other.token(request{user: g.user, resource: f.url, scopes: g.scopes}).Access
			f.call(foreign, reading).wantRefusal(t, "another issuer's", http.StatusUnauthorized, "GH-1103", "invalid_token")
			grafted := good[:strings.LastIndex(good, ".")] + foreign[strings.LastIndex(foreign, "."):]
			f.call(grafted, reading).wantRefusal(t, "another's signature", http.StatusUnauthorized, "GH-1102", "invalid_token")
			if p.name != "zitadel" { // its tokens are for the project, whatever the resource
				elsewhere := p.token(request{user: g.user, resource: "https://other.example/mcp", scopes: g.scopes}).Access
				f.call(elsewhere, reading).wantRefusal(t, "another resource's", http.StatusUnauthorized, "GH-1104", "invalid_token")
			}
			if id := p.token(request{user: g.user, resource: f.url, scopes: "openid " + g.scopes}).ID; id != "" {
				f.call(id, reading).wantRefusal(t, "an ID token", http.StatusUnauthorized, "GH-1107", "invalid_token")
			}
			if n := up.count() - before; n != 0 {
				t.Errorf("%d refused calls reached the server", n)
			}
		})
	}
}

// TestTokensEndAtTheirEnd calls with a token until it is over.
func TestTokensEndAtTheirEnd(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read", TTL: 4}})
	up := newDouble(t, nil)
	f.open(t, f.text(up.URL, readsAndWrites, p.yaml("clock_skew: 1s")), p)
	token := p.token(request{user: "ada", resource: f.url, scopes: "tools:read"}).Access
	_, claims := peek(t, token)
	exp, ok := claims["exp"].(float64)
	if !ok {
		t.Fatalf("got exp %v, want a number", claims["exp"])
	}
	if got := f.call(token, reading); got.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	time.Sleep(time.Until(time.Unix(int64(exp)+1, 0)) + 100*time.Millisecond)
	before := up.count()
	f.call(token, reading).wantRefusal(t, "expired", http.StatusUnauthorized, "GH-1109", "invalid_token")
	if up.count() != before {
		t.Error("the server was asked with an expired token")
	}
}
