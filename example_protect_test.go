package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
)

// A handler that is called by nobody who has not signed in.
func ExampleProtect() {
	mcpHandler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := gatehouse.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s", id.Subject)
	})

	const url, issuer = "https://mcp.example.com/mcp", "https://login.example.com"
	handler, err := gatehouse.Protect(mcpHandler,
		gatehouse.Resource{URL: url, AuthorizationServers: []string{issuer}, Scopes: []string{"files:read"}},
		&gatehouse.JWTVerifier{Issuer: issuer, Audience: url, Keys: &gatehouse.RemoteKeys{Issuer: issuer}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	// http.ListenAndServe(":3000", handler): it serves the metadata too.

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/mcp", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="gatehouse", scope="files:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
}

// What is left out is an error that names it.
func ExampleProtect_zeroValue() {
	_, err := gatehouse.Protect(http.NotFoundHandler(), gatehouse.Resource{URL: "https://mcp.example.com/mcp"}, &gatehouse.APIKeyVerifier{})
	fmt.Println(err)
	// Output: verifier: APIKeyVerifier.Keys: no key is there, and there is no Lookup
}

// A tool that needs more than another. A client whose token lacks it is told
// all that the call needs, and signs in for it.
func ExampleRequireScopes() {
	need := func(op *gatehouse.Operation) []string {
		if op.Method == "tools/call" && strings.HasPrefix(op.Name, "delete_") {
			return []string{"files:read", "files:delete"}
		}
		return []string{"files:read"}
	}
	reader := verifierFunc(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) {
		return &gatehouse.Identity{Subject: "ada", Scopes: []string{"files:read"}}, nil
	})
	handler, err := gatehouse.Protect(gatehouse.RequireScopes(http.NotFoundHandler(), need), gatehouse.Resource{URL: "https://mcp.example.com/mcp"}, reader)
	if err != nil {
		fmt.Println(err)
		return
	}

	call := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all"}}`))
	call.Header.Set("Authorization", "Bearer a-token")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, call)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 403 Bearer realm="gatehouse", error="insufficient_scope", error_description="This needs the scope files:read files:delete.", scope="files:read files:delete"
}

type verifierFunc func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error)

func (f verifierFunc) Verify(ctx context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	return f(ctx, c)
}

// Inside a handler, for what only its work tells.
func ExampleNeed() {
	ctx := gatehouse.NewContext(context.Background(), &gatehouse.Identity{Subject: "ada", Scopes: []string{"files:read"}})
	err := gatehouse.Need(ctx, "files:read", "files:secret")
	refused, _ := errors.AsType[*gatehouse.Error](err)
	fmt.Println(refused.Status, refused.Code, refused.Challenge.Scope)
	// Output: 403 GH-1201 files:read files:secret
}

// A caller in a context, as a test of a handler needs one.
func ExampleFromContext() {
	ctx := gatehouse.NewContext(context.Background(), &gatehouse.Identity{Issuer: "https://login.example.com", Subject: "ada"})
	if id, ok := gatehouse.FromContext(ctx); ok {
		fmt.Println(id.Subject, "of", id.Issuer)
	}
	_, ok := gatehouse.FromContext(context.Background())
	fmt.Println(ok)
	// Output:
	// ada of https://login.example.com
	// false
}

// Keys that you hand out yourself, beside the tokens of an issuer.
func ExampleAnyOf() {
	text, digest := gatehouse.NewAPIKey() // the text is for whom it is for, the digest is what you keep
	const url, issuer = "https://mcp.example.com/mcp", "https://login.example.com"
	v := gatehouse.AnyOf(
		&gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{{Digest: digest, Identity: gatehouse.Identity{Subject: "ci"}}}},
		&gatehouse.JWTVerifier{Issuer: issuer, Audience: url, Keys: &gatehouse.RemoteKeys{Issuer: issuer}},
	)
	id, err := v.Verify(context.Background(), &gatehouse.Credential{Text: text})
	fmt.Println(id.Subject, err)
	// Output: ci <nil>
}

// Keys in a database: it is asked for the digest, and never sees a key.
func ExampleAPIKeyVerifier() {
	text, digest := gatehouse.NewAPIKey()
	table := map[string]*gatehouse.APIKey{digest: {Digest: digest, Identity: gatehouse.Identity{Subject: "ada", Tenant: "acme", Scopes: []string{"files:read"}}}}
	v := &gatehouse.APIKeyVerifier{Lookup: func(_ context.Context, digest string) (*gatehouse.APIKey, error) {
		return table[digest], nil // SELECT … WHERE digest = $1; nil when there is none
	}}
	id, err := v.Verify(context.Background(), &gatehouse.Credential{Text: text})
	fmt.Println(id.Subject, id.Tenant, err)

	_, err = v.Verify(context.Background(), &gatehouse.Credential{Text: text[:40]})
	fmt.Println(err)
	// Output:
	// ada acme <nil>
	// GH-1010: This looks like a gatehouse key, but it is damaged. Probably cut while copying.
}

// The metadata, for whoever serves it by other means.
func ExampleResource_Metadata() {
	r := gatehouse.Resource{URL: "https://mcp.example.com/mcp", AuthorizationServers: []string{"https://login.example.com"}, Scopes: []string{"files:read"}}
	document, err := r.Metadata()
	fmt.Println(string(document), err)
	fmt.Println(r.MetadataURL())
	// Output:
	// {"resource":"https://mcp.example.com/mcp","authorization_servers":["https://login.example.com"],"scopes_supported":["files:read"],"bearer_methods_supported":["header"]} <nil>
	// https://mcp.example.com/.well-known/oauth-protected-resource/mcp
}

func ExampleRefuse() {
	err := gatehouse.Refuse("GH-1011", "Key not accepted.", errors.New("key id 7Qm2Vx9KtB4c was revoked")) // the cause is for the log
	fmt.Println(err.Status, err)
	fmt.Println(err.Challenge)
	// Output:
	// 401 GH-1011: Key not accepted.
	// Bearer realm="gatehouse", error="invalid_token", error_description="Key not accepted."
}
