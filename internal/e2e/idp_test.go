package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestIDPTestDecidesByLiveMetadata asks providers that say more and less of
// themselves what they can be used for.
func TestIDPTestDecidesByLiveMetadata(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		preset  string
		edit    func(metadata map[string]any)
		verdict string
		exit    int
		says    string
	}{
		{"all that clients need", "oidc", func(map[string]any) {}, "direct", 0, "client metadata documents, and registration"},
		{"no registration", "oidc", func(m map[string]any) {
			delete(m, "registration_endpoint")
			delete(m, "client_id_metadata_document_supported")
		}, "registered", 0, "clients cannot register by themselves"},
		{"no S256", "oidc", func(m map[string]any) { delete(m, "code_challenge_methods_supported") }, "broker", 1, "no code_challenge_methods_supported"},
		{"plain alone", "oidc", func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} }, "broker", 1, "S256 is not among"},
		{"another issuer", "oidc", func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" }, "broker", 1, "no metadata that names the issuer"}, //nolint:forcetypeassert // it is one
		{"keys for other algorithms", "keycloak", func(m map[string]any) { m["jwks_uri"] = m["jwks_uri"].(string) + "?empty" }, "broker", 1, "keys"},      //nolint:forcetypeassert // it is one
		{"an audience of its own", "zitadel", func(map[string]any) {}, "weaker", 0, "aud is a project of Zitadel"},
		{"registration for administrators", "authentik", func(m map[string]any) { delete(m, "client_id_metadata_document_supported") }, "registered", 0, "for a bearer token only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := map[string]string{"keycloak": "/realms/acme", "authentik": "/application/o/mcp/"}[tt.preset]
			url, ca, _ := liveProvider(t, path, tt.edit)
			args := []string{"idp", "test", tt.preset, "--json", "--private", "127.0.0.1", "--ca", ca, "--resource", "https://mcp.acme.com/mcp"}
			switch tt.preset {
			case "keycloak":
				args = append(args, "--realm-url", url)
			case "zitadel":
				args = append(args, "--issuer", url, "--project-id", "123")
			case "authentik":
				args = append(args, "--issuer", url, "--client-id", "abc")
			default:
				args = append(args, "--issuer", url)
			}
			out, errs, code := run(t, patience, gatehouseBinary(t), args...)
			var got struct {
				Verdict string
				Checks  []struct{ Text, Fix string }
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			if got.Verdict != tt.verdict || code != tt.exit || !strings.Contains(out, tt.says) {
				t.Errorf("got %s and exit %d, want %s and %d, with %q:\n%s", got.Verdict, code, tt.verdict, tt.exit, tt.says, out)
			}
		})
	}
}

// liveProvider serves metadata and a key below a path.
func liveProvider(t *testing.T, path string, edit func(map[string]any)) (issuer, ca string, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
	metadata := map[string]any{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(q.URL.Path, "/.well-known/"):
			_ = json.NewEncoder(w).Encode(metadata)
		case q.URL.Path != "/keys":
			http.NotFound(w, q)
		case q.URL.RawQuery != "":
			_, _ = w.Write([]byte(`{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}]}`))
		default:
			_ = json.NewEncoder(w).Encode(keys)
		}
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	issuer = s.URL + path
	maps.Copy(metadata, map[string]any{
		"issuer": issuer, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/keys",
		"registration_endpoint": s.URL + "/register", "client_id_metadata_document_supported": true, "authorization_response_iss_parameter_supported": true,
		"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
	})
	edit(metadata)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return issuer, ca, key
}

// TestTokenExplainVerifiesWhenAsked: with the issuer's keys the signature is
// verified too, and only then.
func TestTokenExplainVerifiesWhenAsked(t *testing.T) {
	t.Parallel()
	url, ca, key := liveProvider(t, "", func(map[string]any) {})
	sign := func(by *ecdsa.PrivateKey) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: by}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "1"))
		if err != nil {
			t.Fatal(err)
		}
		claims, _ := json.Marshal(map[string]any{"iss": url, "aud": "https://mcp.acme.com/mcp", "sub": "ada", "client_id": "cli", "exp": time.Now().Add(time.Hour).Unix(), "scope": "read"})
		signed, err := s.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"token", "explain", "--issuer", url, "--private", "127.0.0.1", "--ca", ca, "--resource", "https://mcp.acme.com/mcp"}
	for _, tt := range []struct {
		name  string
		token string
		more  []string
		exit  int
		says  string
	}{
		{"fetched", sign(key), []string{"--fetch", "-"}, 0, "✓ would be accepted, by issuer oidc"},
		{"offline", sign(key), []string{"-"}, 0, "! would be accepted if its signature is right, which was not verified"},
		{"of another key", sign(other), []string{"--fetch", "-"}, 1, "✗ GH-1102 would be refused"},
		{"of another key, offline", sign(other), []string{"-"}, 0, "which was not verified"},
	} {
		cmd := exec.Command(gatehouseBinary(t), append(common[:len(common):len(common)], tt.more...)...)
		cmd.Stdin = strings.NewReader(tt.token)
		out, err := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != tt.exit || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s: exit %d (%v), want %d, with %q:\n%s", tt.name, code, err, tt.exit, tt.says, out)
		}
		if strings.Contains(string(out), tt.token[strings.LastIndex(tt.token, ".")+1:]) {
			t.Errorf("%s: the signature is shown", tt.name)
		}
	}
}
