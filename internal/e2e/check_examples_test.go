package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// checked has the checker look at an example with all that a caller may have.
func (e *sample) checked(t *testing.T) checked {
	t.Helper()
	mine := e.p.token(request{user: "ada", resource: e.url, scopes: "openid notes:read"})
	theirs := e.p.token(request{user: "ada", resource: "https://other.example.com/x", scopes: "notes:read"})
	other := e.p.token(request{user: "bob", resource: e.url, scopes: "notes:read"})
	return check(t, e.url, "--ca", e.all, "--token-from", e.secret(t, "mine", mine.Access), "--other-from", e.secret(t, "other", other.Access),
		"--bad-token", "other-resource="+e.secret(t, "theirs", theirs.Access), "--bad-token", "id-token="+e.secret(t, "id", mine.ID), "--in-url", "--register")
}

// goGuardedBy is a server of the Go SDK behind the SDK's own middleware, which asks
// the provider about tokens, as its documentation has it.
func goGuardedBy(t *testing.T, f *front, p *provider) {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "guarded", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "read", InputSchema: map[string]any{"type": "object"}}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{}, nil
	})
	judge := p.verifier(f.url) // whoever uses the SDK has to bring one
	verify := func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		id, err := judge.Verify(ctx, &gatehouse.Credential{Text: token})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", auth.ErrInvalidToken, err)
		}
		return &auth.TokenInfo{UserID: id.Subject, Scopes: id.Scopes, Expiration: id.Expires}, nil
	}
	const meta = "/.well-known/oauth-protected-resource"
	mux := http.NewServeMux()
	mux.Handle("/mcp", auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{ResourceMetadataURL: "https://" + f.address + meta + "/mcp", Scopes: []string{"notes:read"}})(
		mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)))
	described := auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{Resource: f.url, AuthorizationServers: []string{p.issuer}, ScopesSupported: []string{"notes:read"}})
	mux.Handle(meta+"/mcp", described)
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	f.ends(t, h.Listener.Addr().String())
}

// TestCheckGoSDKWithProvider looks at the SDK's middleware with tokens of a real provider.
func TestCheckGoSDKWithProvider(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	const elsewhere = "https://other.example.com/x"
	p := nodeProvider(t, map[string]map[string]any{"ada": {}, "bob": {}}, map[string]nodeResource{f.url: {Scope: "notes:read"}, elsewhere: {Scope: "notes:read"}})
	f.trust(t, p)
	goGuardedBy(t, f, p)
	c := (&sample{front: f, p: p}).checked(t)
	c.wants(t, probe.Fail, "GH-2141 origin")
	c.wants(t, probe.Warn, "GH-2104 trailing-slash", "GH-2111 hsts", "GH-2121 resource-metadata", "GH-2126 registration", "GH-2128 server-metadata", "GH-2130 made-up-credential")
	if got := c.client("Cursor"); got != "pass: registers itself" {
		t.Errorf("Cursor: got %s", got)
	}
}
