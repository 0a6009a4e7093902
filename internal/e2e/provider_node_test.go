package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// privateKey makes a key that signs, as a JSON Web Key.
func privateKey(t testing.TB, id string) json.RawMessage {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// nodeResource is something that oidc-provider issues access tokens for.
type nodeResource struct {
	Scope  string `json:"scope"`            // all there are
	Format string `json:"format,omitempty"` // "jwt" or "opaque"; empty: jwt
	TTL    int    `json:"ttl,omitempty"`    // seconds; 0: ten minutes
}

// nodeProvider starts node oidc-provider. Accounts are users and their claims
// in access tokens. The first account is signed in when a client gives no hint.
// More is further members of the script's configuration and their values.
func nodeProvider(t testing.TB, accounts map[string]map[string]any, resources map[string]nodeResource, more ...any) *provider {
	t.Helper()
	p := newProvider(t, "oidc-provider")
	p.client, p.open = "client", true
	keys := []json.RawMessage{privateKey(t, "key-1")}
	client := map[string]any{
		"client_id": p.client, "token_endpoint_auth_method": "none", "application_type": "native", "redirect_uris": []string{redirectURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
	dpop, mtls, fleeting := maps.Clone(client), maps.Clone(client), maps.Clone(client)
	dpop["client_id"], dpop["dpop_bound_access_tokens"] = "dpop", true
	mtls["client_id"], mtls["tls_client_certificate_bound_access_tokens"] = "mtls", true
	fleeting["client_id"], fleeting["grant_types"] = "fleeting", []string{"authorization_code"} // it has no refresh tokens
	gatehouse := map[string]any{"client_id": "gatehouse", "client_secret": notASecret, "redirect_uris": []string{}, "grant_types": []string{}, "response_types": []string{}}
	configure := func() {
		_, port, _ := strings.Cut(p.address, ":")
		all := map[string]any{
			"issuer": p.issuer, "port": port, "cert": p.file("cert.pem"), "key": p.file("key.pem"), "keys": keys,
			"clients": []any{client, dpop, mtls, fleeting, gatehouse}, "accounts": accounts, "resources": resources,
		}
		for i := 0; i < len(more); i += 2 {
			all[fmt.Sprint(more[i])] = more[i+1]
		}
		write(t, p.file("provider.json"), string(mustMarshal(t, all)))
	}
	configure()
	script := npmScript(t, "oidc-provider.mjs")
	p.command = func() *exec.Cmd { return exec.Command(node(t), script, p.file("provider.json")) }
	p.rotate = func() {
		keys = append([]json.RawMessage{privateKey(t, fmt.Sprintf("key-%d", len(keys)+1))}, keys...)
		configure() // for when it is started anew
		res, err := p.browser().Post(p.issuer+"/test/keys", "application/json", bytes.NewReader(mustMarshal(t, keys)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	p.start()
	return p
}

// seen counts the requests that oidc-provider got, by path.
func (p *provider) seen() map[string]int {
	p.t.Helper()
	res, err := p.browser().Get(p.issuer + "/test/seen")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	all := map[string]int{}
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
