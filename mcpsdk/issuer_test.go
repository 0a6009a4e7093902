package mcpsdk_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gatehouse-mcp/gatehouse"
)

// issuer is the least of an authorization server that the SDK's client signs in
// at, and the verifier of its own tokens.
type issuer struct {
	*httptest.Server
	mu    sync.Mutex
	codes map[string]*gatehouse.Identity
	known map[string]*gatehouse.Identity // by token
	asked []string                       // scopes, in the order of consent
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{codes: map[string]*gatehouse.Identity{}, known: map[string]*gatehouse.Identity{}}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
			"token_endpoint_auth_methods_supported": []string{"none", "client_secret_post"},
		})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		id := i.codes[r.PostFormValue("code")]
		i.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if id == nil || r.PostFormValue("code_verifier") == "" || !strings.HasSuffix(r.PostFormValue("resource"), "/mcp") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": i.token(id.Subject, id.Scopes...), "token_type": "Bearer", "expires_in": 3600})
	})
	return i
}

func (i *issuer) client() *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: "test", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: "not-a-secret"}}
}

// consent is what a browser would do with the user in front of it.
func (i *issuer) consent(_ context.Context, at, user string) (*auth.AuthorizationResult, error) {
	u, err := url.Parse(at)
	if err != nil || !strings.HasPrefix(at, i.URL+"/authorize?") {
		return nil, fmt.Errorf("asked to go to %s, %w", at, err)
	}
	scopes, code := strings.Fields(u.Query().Get("scope")), rand.Text()
	slices.Sort(scopes) // the client has them in any order
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, strings.Join(scopes, " "))
	i.codes[code] = &gatehouse.Identity{Subject: user, Scopes: scopes}
	return &auth.AuthorizationResult{Code: code, State: u.Query().Get("state")}, nil
}

func (i *issuer) token(user string, scopes ...string) string {
	text := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known[text] = &gatehouse.Identity{Issuer: i.URL, Subject: user, Scopes: scopes, Expires: time.Now().Add(time.Hour)}
	return text
}

// Verify implements gatehouse.Verifier.
func (i *issuer) Verify(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if id := i.known[c.Text]; id != nil {
		return id, nil
	}
	return nil, gatehouse.ErrNotMine
}
