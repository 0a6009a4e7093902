package authserver

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// jag is an identity assertion that is right in everything but what is changed.
func (d *desk) jag(change map[string]any, typ string, key any, alg jose.SignatureAlgorithm) string {
	now := d.clock().Unix()
	c := map[string]any{
		"iss": enterprise, "sub": "emp-1", "aud": issuer, "client_id": "web", "jti": rand.Text(), "iat": now, "exp": now + 300,
		"resource": resource, "scope": "notes:read notes:write notes:purge", "email": "ada@acme.test", "email_verified": true,
	}
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return signJWT(d.t, key, alg, c, map[jose.HeaderKey]any{"typ": typ, "kid": "e1"}, false)
}

func TestAnEnterpriseDecidesForItsPeople(t *testing.T) {
	d := newDesk(t)
	both := []string{oauth.AuthorizationCode, oauth.JWTBearer}
	d.client(client.Spec{ID: "web", Redirects: []string{"https://app.test/cb"}, Grants: both})
	d.client(client.Spec{ID: "other", Redirects: []string{"https://app.test/cb"}, Grants: both})
	bring := func(id, text string, more ...string) *said {
		return d.post("/token", d.as(id, append([]string{"grant_type", oauth.JWTBearer, "assertion", text}, more...)...)...)
	}
	good := func(change map[string]any) string { return d.jag(change, assertionType, d.idp, jose.ES256) }
	first := good(nil)
	got := bring("web", first).ok()
	c := payload(t, got.Access)
	if got.Refresh != "" || got.Scope != "notes:read notes:write" || c["sub"] != "usr_ada" || c["aud"] != resource || c["idp"].(map[string]any)["sub"] != "emp-1" || c["kind"] != nil {
		t.Errorf("got %+v %v", got.tokenAnswer, c)
	}
	bring("web", first).no("the same again", 400, oauth.InvalidGrant)
	now := d.clock().Unix()
	thief := newKey(t)
	for name, text := range map[string]string{
		"another issuer":      good(map[string]any{"iss": "https://evil.test"}),
		"another tenant's":    good(map[string]any{"sub": "emp-of-another-tenant"}),
		"another audience":    good(map[string]any{"aud": issuer + "/"}),
		"two audiences":       good(map[string]any{"aud": []string{issuer, "https://other.test"}}),
		"another client":      good(map[string]any{"client_id": "other"}),
		"no jti":              good(map[string]any{"jti": nil}),
		"no subject":          good(map[string]any{"sub": nil}),
		"no end":              good(map[string]any{"exp": nil}),
		"no beginning":        good(map[string]any{"iat": nil}),
		"expired":             good(map[string]any{"iat": now - 600, "exp": now - 61}),
		"not yet valid":       good(map[string]any{"iat": now + 120, "exp": now + 300}),
		"a long life":         good(map[string]any{"exp": now + 7200}),
		"an end that is text": good(map[string]any{"exp": "never"}),
		"another resource":    good(map[string]any{"resource": "https://evil.test/mcp"}),
		"two resources":       good(map[string]any{"resource": []string{resource, otherResource}}),
		"no resource, of two": good(map[string]any{"resource": nil}),
		"another kind":        d.jag(nil, "jwt", d.idp, jose.ES256),
		"an access token":     d.jag(nil, accessType, d.idp, jose.ES256),
		"another key":         d.jag(nil, assertionType, thief, jose.ES256),
		"a shared secret":     d.jag(nil, assertionType, []byte(strings.Repeat("k", 32)), jose.HS256),
		"no JWT":              "x",
		"too long":            strings.Repeat("a", 20<<10),
	} {
		bring("web", text).no(name, 400, oauth.InvalidGrant)
	}
	bring("other", good(map[string]any{"jti": "j2"})).no("brought by another client", 400, oauth.InvalidGrant)
	bring("web", good(map[string]any{"jti": "j2"}), "resource", otherResource).no("for another resource", 400, oauth.InvalidTarget)
	if got := bring("web", good(map[string]any{"jti": "j2"}), "scope", "notes:read").ok(); got.Scope != "notes:read" { // nothing of that has used it up
		t.Errorf("got %q", got.Scope)
	}
	if got := bring("web", good(map[string]any{"jti": "j3", "scope": ""})).ok(); got.Scope != "" {
		t.Errorf("got %q, want none where the enterprise says none", got.Scope)
	}
	d.disable("usr_ada", login.Disabled)
	bring("web", good(map[string]any{"jti": "j4"})).no("a disabled person", 400, oauth.InvalidGrant)
	d.Assertions = nil
	bring("web", good(map[string]any{"jti": "j5"})).no("where none are taken", 400, oauth.UnsupportedGrantType)
}

func TestAPublicClientBringsNoAssertionUnlessItIsNamed(t *testing.T) {
	d := newDesk(t)
	d.Authenticate = func(*http.Request, *oauth.Params, ...string) (*client.Client, error) { // as a document can have it
		return &client.Client{ID: "web", Kind: client.Document, AuthMethods: []string{oauth.AuthNone}, Grants: []string{oauth.JWTBearer}}, nil
	}
	form := []string{"grant_type", oauth.JWTBearer, "client_id", "web", "assertion", d.jag(nil, assertionType, d.idp, jose.ES256)}
	d.post("/token", form...).no("anybody who says so", 400, oauth.InvalidGrant)
	d.Assertions[0].Clients = []string{"web"}
	d.post("/token", form...).ok()
}

func FuzzAssertion(f *testing.F) {
	d := newDesk(f)
	now := d.clock().Unix()
	f.Add(`{"iss":"https://idp.enterprise.test","sub":"a","aud":"https://mcp.acme.test","client_id":"c","jti":"1","iat":1795766400,"exp":1795766700}`)
	f.Add(`{"aud":["https://mcp.acme.test"],"exp":1e400,"Iss":1}`)
	f.Fuzz(func(t *testing.T, claims string) {
		if !json.Valid([]byte(claims)) {
			return
		}
		a, err := d.readAssertion(t.Context(), signJWT(t, d.idp, jose.ES256, json.RawMessage(claims), map[jose.HeaderKey]any{"typ": assertionType, "kid": "e1"}, false))
		if err != nil {
			return
		}
		if a.who.Subject == "" || a.id == "" || a.client == "" || a.expires.Unix() < now-60 || a.expires.Unix() > now+3700 {
			t.Errorf("%s: got %+v", claims, a)
		}
	})
}
