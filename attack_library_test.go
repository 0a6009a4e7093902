package gatehouse_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// However a verifier fails, nobody is let in.
func TestA050AVerifierThatFailsLetsNobodyIn(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name   string
		v      says
		status int
	}{
		{"it panics", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { panic("boom") }, 500},
		{"it panics with an error", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { panic(boom) }, 500},
		{"it panics with nil claims", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			var id *gatehouse.Identity
			return &gatehouse.Identity{Subject: id.Subject}, nil
		}, 500},
		{"neither identity nor error", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return nil, nil }, 500},
		{"an identity of nobody", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			return &gatehouse.Identity{}, nil
		}, 500},
		{"an identity beside an error", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return ada, boom }, 500},
		{"an identity beside not mine", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			return ada, gatehouse.ErrNotMine
		}, 401},
		{"a nil *Error", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			var e *gatehouse.Error
			return nil, e
		}, 500},
		{"a nil *Error beside an identity", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			var e *gatehouse.Error
			return ada, e
		}, 500},
		{"a refusal of status 0", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			return nil, &gatehouse.Error{Code: "GH-1011"}
		}, 500},
		{"a refusal of status 200", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
			return nil, &gatehouse.Error{Code: "GH-1011", Status: 200}
		}, 500},
		{"a cancelled context", func(ctx context.Context, _ *gatehouse.Credential) (*gatehouse.Identity, error) { return nil, ctx.Err() }, 500},
		{"a cancelled context that it does not look at", func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return ada, nil }, 500},
	}
	for _, tt := range tests {
		for how, v := range map[string]gatehouse.Verifier{"": tt.v, " in AnyOf": gatehouse.AnyOf(tokens(nil), tt.v)} {
			t.Run(tt.name+how, func(t *testing.T) {
				next := &whoami{}
				h := protect(t, next, resource(), v)
				r := request("POST", "/mcp", "Authorization", "Bearer garbage")
				if strings.HasPrefix(tt.name, "a cancelled") {
					ctx, cancel := context.WithCancel(r.Context())
					cancel()
					r = r.WithContext(ctx)
				}
				res := serve(h, r)
				if body := text(t, res); res.StatusCode != tt.status || next.reached || strings.Contains(body, "boom") {
					t.Errorf("got %d %s, want %d and nobody let in", res.StatusCode, body, tt.status)
				}
			})
		}
	}
}

func TestA050NobodyIsInAContextThatNobodyWasPutInto(t *testing.T) {
	for name, ctx := range map[string]context.Context{"empty": t.Context(), "nil identity": gatehouse.NewContext(t.Context(), nil)} {
		if id, ok := gatehouse.FromContext(ctx); ok || id != nil {
			t.Errorf("%s: got %v %v", name, id, ok)
		}
		var e *gatehouse.Error
		if err := gatehouse.Need(ctx); !errors.As(err, &e) || e.Status != 401 {
			t.Errorf("%s: got %v, want 401 of what needs nothing but a caller", name, err)
		}
	}
}

// A mounting mistake refuses instead of letting everybody pass.
func TestA050ScopesOutsideProtect(t *testing.T) {
	next := &whoami{}
	need := func(*gatehouse.Operation) []string { return nil }
	alone := gatehouse.RequireScopes(next, need)
	for name, h := range map[string]http.Handler{
		"outside": alone, "incomplete": gatehouse.RequireScopes(next, nil),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("POST", "/mcp"))
		if w.Code != 500 || next.reached {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
}

// vain is a way to protect nothing.
type vain struct {
	name string
	next http.Handler
	r    gatehouse.Resource
	v    gatehouse.Verifier
	want string // in the error
}

// What is left out or empty is an error that names it, never "accept all".
func TestA051ZeroValuesAreRefused(t *testing.T) {
	for _, tt := range append(nothingThere(), resourcesThatWillNotDo()...) {
		t.Run(tt.name, func(t *testing.T) {
			h, err := gatehouse.Protect(tt.next, tt.r, tt.v)
			if err == nil || h != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error that names %s", h, err, tt.want)
			}
		})
	}
}

func nothingThere() []vain {
	var nilFunc says
	var nilKeys *gatehouse.APIKeyVerifier
	var nilHandler http.HandlerFunc
	next, v := http.Handler(&whoami{}), tokens(nil)
	need := func(*gatehouse.Operation) []string { return nil }
	return []vain{
		{"nothing at all", next, gatehouse.Resource{}, nil, "Resource.URL"},
		{"no verifier", next, resource(), nil, "verifier"},
		{"a verifier that is a nil function", next, resource(), nilFunc, "verifier"},
		{"a verifier that is a nil pointer", next, resource(), nilKeys, "verifier"},
		{"no handler", nil, resource(), v, "next"},
		{"a nil handler", nilHandler, resource(), v, "next"},
		{"scopes without a function", gatehouse.RequireScopes(next, nil), resource(), v, "need"},
		{"scopes without a handler", gatehouse.RequireScopes(nil, need), resource(), v, "next"},
		{"any of none", next, resource(), gatehouse.AnyOf(), "AnyOf"},
		{"any of nil", next, resource(), gatehouse.AnyOf(v, nil), "AnyOf[1]"},
		{"any of a zero one", next, resource(), gatehouse.AnyOf(v, &gatehouse.APIKeyVerifier{}), "AnyOf[1]: APIKeyVerifier.Keys"},
		{"no keys", next, resource(), &gatehouse.APIKeyVerifier{}, "APIKeyVerifier.Keys"},
		{"no keys at all", next, resource(), &gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{}}, "APIKeyVerifier.Keys"},
		{"a key of nothing", next, resource(), &gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{{}}}, "Keys[0].Digest"},
	}
}

func resourcesThatWillNotDo() []vain {
	next, v := http.Handler(&whoami{}), tokens(nil)
	change := func(edit func(*gatehouse.Resource)) gatehouse.Resource {
		r := resource()
		edit(&r)
		return r
	}
	return []vain{
		{"a relative URL", next, change(func(r *gatehouse.Resource) { r.URL = "/mcp" }), v, "Resource.URL"},
		{"plain HTTP", next, change(func(r *gatehouse.Resource) { r.URL = "http://mcp.example.com/mcp" }), v, "Resource.URL"},
		{"a fragment", next, change(func(r *gatehouse.Resource) { r.URL += "#a" }), v, "Resource.URL"},
		{"an empty fragment", next, change(func(r *gatehouse.Resource) { r.URL += "#" }), v, "Resource.URL"},
		{"a query", next, change(func(r *gatehouse.Resource) { r.URL += "?a=b" }), v, "Resource.URL"},
		{"an empty query", next, change(func(r *gatehouse.Resource) { r.URL += "?" }), v, "Resource.URL"},
		{"a user", next, change(func(r *gatehouse.Resource) { r.URL = "https://a@mcp.example.com/mcp" }), v, "Resource.URL"},
		{"a slash at the end", next, change(func(r *gatehouse.Resource) { r.URL += "/" }), v, "Resource.URL"},
		{"a host in upper case", next, change(func(r *gatehouse.Resource) { r.URL = "https://MCP.example.com/mcp" }), v, "Resource.URL"},
		{"a scheme in upper case", next, change(func(r *gatehouse.Resource) { r.URL = "HTTPS://mcp.example.com/mcp" }), v, "Resource.URL"},
		{"the default port", next, change(func(r *gatehouse.Resource) { r.URL = "https://mcp.example.com:443/mcp" }), v, "Resource.URL"},
		{"an encoded path", next, change(func(r *gatehouse.Resource) { r.URL = "https://mcp.example.com/%6dcp" }), v, "Resource.URL"},
		{"dots in the path", next, change(func(r *gatehouse.Resource) { r.URL = "https://mcp.example.com/a/../mcp" }), v, "Resource.URL"},
		{"where its metadata is", next, change(func(r *gatehouse.Resource) { r.URL = "https://mcp.example.com/.well-known/oauth-protected-resource" }), v, "Resource.URL"},
		{"an empty issuer", next, change(func(r *gatehouse.Resource) { r.AuthorizationServers = []string{""} }), v, "Resource.AuthorizationServers"},
		{"an issuer twice", next, change(func(r *gatehouse.Resource) {
			r.AuthorizationServers = []string{"https://a.example", "https://a.example"}
		}), v, "Resource.AuthorizationServers"},
		{"an issuer over plain HTTP", next, change(func(r *gatehouse.Resource) { r.AuthorizationServers = []string{"http://a.example"} }), v, "Resource.AuthorizationServers"},
		{"offline_access", next, change(func(r *gatehouse.Resource) { r.Scopes = []string{"offline_access"} }), v, "Resource.Scopes"},
		{"two scopes in one", next, change(func(r *gatehouse.Resource) { r.Scopes = []string{"a b"} }), v, "Resource.Scopes"},
		{"a scope that ends a header", next, change(func(r *gatehouse.Resource) { r.Scopes = []string{"a\"b"} }), v, "Resource.Scopes"},
		{"an included scope of nothing", next, change(func(r *gatehouse.Resource) { r.Includes = map[string][]string{"a": {""}} }), v, "Resource.Includes"},
		{"an origin with a path", next, change(func(r *gatehouse.Resource) { r.Origins = []string{"https://a.example/"} }), v, "Resource.Origins"},
		{"an origin of nothing", next, change(func(r *gatehouse.Resource) { r.Origins = []string{""} }), v, "Resource.Origins"},
		{"a page of nothing", next, change(func(r *gatehouse.Resource) { r.Documentation = "javascript:alert(1)" }), v, "Resource.Documentation"},
		{"a proof by a shared secret", next, change(func(r *gatehouse.Resource) { r.DPoPAlgorithms = []string{"HS256"} }), v, "Resource.DPoPAlgorithms"},
	}
}
