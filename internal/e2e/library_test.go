package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
)

// inProcess is an MCP server of the Go SDK that protects itself with the
// library: its tools say who calls, and writing needs a scope of its own.
func (f *front) inProcess(t *testing.T, issuers []string, v gatehouse.Verifier) {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "library", Version: "1"}, nil)
	for _, tool := range []string{reading, writing} {
		mcp.AddTool(server, &mcp.Tool{Name: tool}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			text := "nobody"
			if who, ok := gatehouse.FromContext(ctx); ok {
				text = who.Issuer + " " + who.Subject
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
	}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	scoped := gatehouse.RequireScopes(handler, func(op *gatehouse.Operation) []string {
		if op.Name == writing {
			return []string{"tools:read", "tools:write"}
		}
		return nil
	})
	protected, err := gatehouse.Protect(scoped, gatehouse.Resource{URL: f.url, AuthorizationServers: issuers, Scopes: []string{"tools:read"}}, v)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(protected)
	_ = s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", f.address); err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
}

// verifier is what the library needs to know of the provider.
func (p *provider) verifier(resource string) *gatehouse.JWTVerifier {
	v := &gatehouse.JWTVerifier{
		Issuer: p.issuer, Audience: resource,
		Keys: &gatehouse.RemoteKeys{Issuer: p.issuer, HTTP: p.browser()},
	}
	if p.name == "zitadel" {
		v.Audience, v.Types = zitadelProject, []string{"JWT"}
	}
	return v
}

// TestLibraryWithRealProviders has a server protect itself with the library, for
// tokens of three providers at once, and real clients that find their way in.
func TestLibraryWithRealProviders(t *testing.T) {
	t.Parallel()
	for _, g := range guardedProviders() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := g.start(t, f)
			f.trust(t, p)
			other := &gatehouse.JWTVerifier{Issuer: "https://other.example", Audience: f.url, Keys: p.verifier(f.url).Keys}
			f.inProcess(t, []string{p.issuer}, gatehouse.AnyOf(other, p.verifier(f.url)))
			for _, c := range travellers() {
				if c.name != "Go SDK" && p.page != nil {
					continue // their browser fills in no forms
				}
				t.Run(c.name, func(t *testing.T) {
					j := c.goes(t, f, p, g.user, reading, writing)
					if j.Error != "" || len(j.Results) != 2 || !strings.HasPrefix(j.Results[0].Text, p.issuer+" ") {
						t.Fatalf("got %+v, want the server to know who calls", j)
					}
					stepped := j.Results[1].Error == "" && len(j.Sent) == 2
					if want := p.open; stepped != want { // only there the scope can be had
						t.Errorf("got %+v after %d authorizations, want more scopes to be had: %v", j.Results[1], len(j.Sent), want)
					}
				})
			}
		})
	}
}

// TestA054LibraryWithRealClients has a server that wants a proof with each
// token, and nonces of its own in them: a real client manages.
func TestA054LibraryWithRealClients(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}})
	f.trust(t, p)
	v := p.verifier(f.url)
	v.RequireDPoP, v.DPoP = true, &gatehouse.DPoP{RequireNonce: true}
	f.inProcess(t, []string{p.issuer}, v)
	j := nodeTraveller("2", "dpop", "dpop")(t, f, p, "ada", reading, writing)
	if j.Error != "" || len(j.Results) != 2 || j.Results[0].Text != p.issuer+" ada" || j.Results[1].Error != "" {
		t.Fatalf("got %+v, want answers", j)
	}
	if j := goTraveller(t, f, p, "ada", reading); j.Error == "" {
		t.Errorf("got %+v for a client without proofs, want a refusal", j)
	}
}

// TestLibraryWithOpaqueTokens has a server ask the provider about tokens that
// say nothing by themselves.
func TestLibraryWithOpaqueTokens(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write", Format: "opaque"}})
	f.trust(t, p)
	f.inProcess(t, []string{p.issuer}, &gatehouse.IntrospectionVerifier{
		Issuer: p.issuer, Endpoint: p.metadata().Introspection, ClientID: "gatehouse", ClientSecret: notASecret, Audience: f.url, HTTP: p.browser(),
	})
	if j := goTraveller(t, f, p, "ada", reading, writing); j.Error != "" || len(j.Results) != 2 || j.Results[0].Text != p.issuer+" ada" || j.Results[1].Error != "" {
		t.Errorf("got %+v, want answers", j)
	}
}
