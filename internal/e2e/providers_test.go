package e2e

import (
	"fmt"
	"testing"
)

// resource is what the tokens of these tests are for.
const mcpResource = "https://mcp.test/mcp"

// TestProvidersIssueTokens holds the providers to what the other tests rely on:
// a user who signs in gets a token, signed with the key that was announced last.
func TestProvidersIssueTokens(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		start  func(t *testing.T) *provider
		ask    request
		header map[string]any
		claims map[string]any // "": any
	}{
		{
			"node oidc-provider",
			func(t *testing.T) *provider {
				return nodeProvider(t, map[string]map[string]any{"ada": {"org": "acme"}, "bob": {"org": "beta"}}, map[string]nodeResource{mcpResource: {Scope: "tools:read tools:write"}})
			},
			request{user: "bob", resource: mcpResource, scopes: "tools:read"},
			map[string]any{"typ": "at+jwt", "alg": "ES256", "kid": "key-1"},
			map[string]any{"sub": "bob", "aud": mcpResource, "scope": "tools:read", "client_id": "client", "org": "beta", "jti": ""},
		},
		{
			"zitadel",
			func(t *testing.T) *provider { return zitadelProvider(t) },
			request{user: "id1", scopes: "openid"},
			map[string]any{"typ": "JWT", "alg": "RS256", "kid": "key-1"},
			map[string]any{"sub": "id1", "aud": []any{"native", zitadelProject}, "client_id": "native", "jti": "", "urn:zitadel:iam:org:project:" + zitadelProject + ":roles": map[string]any{"editor": map[string]any{"org-1": "acme.example"}}},
		},
		{
			"glewlwyd",
			func(t *testing.T) *provider {
				return glewlwydProvider(t, []string{"ada"}, map[string][]string{"tools:read": {mcpResource}})
			},
			request{user: "ada", resource: mcpResource, scopes: "tools:read"},
			map[string]any{"typ": "at+jwt", "alg": "ES256", "kid": "key-1"},
			map[string]any{"sub": "", "aud": mcpResource, "scope": "tools:read", "client_id": "client", "type": "access_token", "jti": ""},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := test.start(t)
			check := func(what string, got, want map[string]any) {
				for name, v := range want {
					if g, ok := got[name]; !ok || v != "" && fmt.Sprint(g) != fmt.Sprint(v) {
						t.Errorf("%s: got %s %v, want %v", what, name, g, v)
					}
				}
			}
			header, claims := peek(t, p.token(test.ask).Access)
			check("header", header, test.header)
			check("claims", claims, test.claims)
			check("claims", claims, map[string]any{"iss": p.issuer, "exp": "", "iat": ""})
			p.rotate()
			header, _ = peek(t, p.token(test.ask).Access)
			check("header after a rotation", header, map[string]any{"kid": "key-2"})
		})
	}
}
