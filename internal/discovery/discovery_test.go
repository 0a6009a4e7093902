package discovery

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

func TestURLs(t *testing.T) {
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	tests := []struct {
		issuer string
		want   []string
	}{
		{"https://a.example", []string{"https://a.example" + oauth, "https://a.example" + oidc}},
		{"https://acme.us.auth0.com/", []string{"https://acme.us.auth0.com" + oauth, "https://acme.us.auth0.com" + oidc}},
		{"https://a.example/tenant1", []string{
			"https://a.example" + oauth + "/tenant1", "https://a.example" + oidc + "/tenant1",
			"https://a.example/tenant1" + oidc, "https://a.example/tenant1" + oauth,
		}},
		{"https://a.example:8443/o/mcp/", []string{
			"https://a.example:8443" + oauth + "/o/mcp", "https://a.example:8443" + oidc + "/o/mcp",
			"https://a.example:8443/o/mcp" + oidc, "https://a.example:8443/o/mcp" + oauth,
		}},
		{"https://a.example/a%2Fb", []string{
			"https://a.example" + oauth + "/a%2Fb", "https://a.example" + oidc + "/a%2Fb",
			"https://a.example/a%2Fb" + oidc, "https://a.example/a%2Fb" + oauth,
		}},
	}
	for _, tt := range tests {
		if got, err := URLs(tt.issuer); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.issuer, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "a.example", "ftp://a.example", "https://", "https://a.example?x=1", "https://a.example/?", "https://a.example#x", "https://u@a.example", "https://a b"} {
		if got, err := URLs(bad); err == nil {
			t.Errorf("%q: got %q", bad, got)
		}
	}
}

// provider serves documents by path over TLS; "{}" in one stands for its own URL.
func provider(t *testing.T, docs map[string]string) (issuer string, f safehttp.Fetcher, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.EscapedPath())
		doc, ok := docs[r.URL.EscapedPath()]
		switch {
		case !ok:
			http.NotFound(w, r)
		case doc == "500":
			w.WriteHeader(500)
		case strings.HasPrefix(doc, "to "):
			http.Redirect(w, r, doc[3:], http.StatusFound)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(strings.ReplaceAll(doc, "{}", s.URL)))
		}
	}))
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c, err := safehttp.Policy{Allow: []string{"127.0.0.1"}, Roots: pool}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, safehttp.Fetcher{Client: c}, asked
}

const good = `{"issuer":"{}%s","jwks_uri":"{}/keys","authorization_endpoint":"https://login.example/a","code_challenge_methods_supported":["S256"],"client_id_metadata_document_supported":true}`

func TestFetchLooksInEachPlace(t *testing.T) {
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	of := func(path string) string { return fmt.Sprintf(good, path) }
	tests := []struct {
		name, path, want string
		docs             map[string]string
	}{
		{"RFC 8414", "", oauth, map[string]string{oauth: of(""), oidc: of("")}},
		{"OpenID Connect", "", oidc, map[string]string{oidc: of("")}},
		{"a slash at the end", "/", oidc, map[string]string{oidc: of("/")}},
		{"RFC 8414, inserted", "/t", oauth + "/t", map[string]string{oauth + "/t": of("/t"), "/t" + oidc: of("/t")}},
		{"OpenID Connect, inserted", "/t", oidc + "/t", map[string]string{oidc + "/t": of("/t"), "/t" + oidc: of("/t")}},
		{"OpenID Connect, appended", "/t", "/t" + oidc, map[string]string{"/t" + oidc: of("/t"), "/t" + oauth: of("/t")}},
		{"RFC 8414, appended", "/t", "/t" + oauth, map[string]string{"/t" + oauth: of("/t")}},
		{"a path with a slash at the end", "/t/", "/t" + oidc, map[string]string{"/t" + oidc: of("/t/")}},
		{"another issuer's document in the first place", "/t", "/t" + oidc, map[string]string{oauth + "/t": of("/u"), "/t" + oidc: of("/t")}},
		{"a server error in the first place", "", oidc, map[string]string{oauth: "500", oidc: of("")}},
		{"a redirect in the first place", "", oidc, map[string]string{oauth: "to " + oidc, oidc: of("")}},
		{"a web page in the first place", "", oidc, map[string]string{oauth: "<html>", oidc: of("")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, f, _ := provider(t, tt.docs)
			m, err := Fetch(t.Context(), f, base+tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if m.URL != base+tt.want || m.Issuer != base+tt.path || m.JWKSURI != base+"/keys" || !m.ClientIDMetadataDocuments || !slices.Equal(m.CodeChallengeMethods, []string{"S256"}) {
				t.Errorf("got %+v", m)
			}
			if len(m.Raw) == 0 || m.GrantTypes != nil {
				t.Errorf("got raw %q, grant types %q", m.Raw, m.GrantTypes)
			}
		})
	}
}

func TestA060DocumentsThatAreRejected(t *testing.T) {
	const oauth = "/.well-known/oauth-authorization-server"
	tests := []struct{ name, path, at, doc string }{
		{"another issuer", "", oauth, `{"issuer":"https://evil.example","jwks_uri":"{}/keys"}`},
		{"no issuer", "", oauth, `{"jwks_uri":"{}/keys"}`},
		{"an empty issuer", "", oauth, `{"issuer":"","jwks_uri":"{}/keys"}`},
		{"a list of issuers", "", oauth, `{"issuer":["{}"],"jwks_uri":"{}/keys"}`},
		{"the issuer with a slash", "", oauth, `{"issuer":"{}/","jwks_uri":"{}/keys"}`},
		{"the issuer in another case", "", oauth, `{"issuer":"HTTPS://127.0.0.1","jwks_uri":"{}/keys"}`},
		{"the root's document for an issuer with a path", "/t", oauth, `{"issuer":"{}/t","jwks_uri":"{}/keys"}`},
		{"a document of the root in the place of the path", "/t", oauth + "/t", `{"issuer":"{}","jwks_uri":"{}/keys"}`},
		{"two issuers", "", oauth, `{"issuer":"https://evil.example","issuer":"{}","jwks_uri":"{}/keys"}`},
		{"an issuer in two cases", "", oauth, `{"issuer":"{}","Issuer":"https://evil.example"}`},
		{"an endpoint in another case", "", oauth, `{"issuer":"{}","JWKS_uri":"{}/keys"}`},
		{"an endpoint with a letter that folds", "", oauth, `{"issuer":"{}","jwkſ_uri":"{}/keys"}`},
		{"keys over plain HTTP", "", oauth, `{"issuer":"{}","jwks_uri":"http://127.0.0.1/keys"}`},
		{"a token endpoint over plain HTTP", "", oauth, `{"issuer":"{}","jwks_uri":"{}/keys","token_endpoint":"http://login.example/t"}`},
		{"keys in a file", "", oauth, `{"issuer":"{}","jwks_uri":"file:///etc/passwd"}`},
		{"keys at a private address", "", oauth, `{"issuer":"{}","jwks_uri":"https://10.0.0.1/keys"}`},
		{"a token endpoint at the cloud's metadata", "", oauth, `{"issuer":"{}","token_endpoint":"https://169.254.169.254/latest"}`},
		{"an endpoint at an address in another form", "", oauth, `{"issuer":"{}","authorization_endpoint":"https://2130706433/"}`},
		{"an endpoint with a user", "", oauth, `{"issuer":"{}","authorization_endpoint":"https://{}@evil.example/"}`},
		{"an endpoint that is no URL", "", oauth, `{"issuer":"{}","token_endpoint":"/token"}`},
		{"an endpoint that is a script", "", oauth, `{"issuer":"{}","authorization_endpoint":"javascript:alert(1)"}`},
		{"an endpoint that is a number", "", oauth, `{"issuer":"{}","token_endpoint":7}`},
		{"a list that is a text", "", oauth, `{"issuer":"{}","code_challenge_methods_supported":"S256"}`},
		{"an array", "", oauth, `[{"issuer":"{}"}]`},
		{"null", "", oauth, `null`},
		{"an empty object", "", oauth, `{}`},
		{"two documents", "", oauth, `{"issuer":"{}"}{"issuer":"{}"}`},
		{"text that is no UTF-8", "", oauth, "{\"issuer\":\"{}\",\"x\":\"\xff\"}"},
		{"more than a MiB", "", oauth, `{"issuer":"{}","x":"` + strings.Repeat("x", 1<<20) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base, f, asked := provider(t, map[string]string{tt.at: tt.doc})
			m, err := Fetch(t.Context(), f, base+tt.path)
			var e *Error
			if m != nil || !errors.As(err, &e) {
				t.Fatalf("got %+v, %v", m, err)
			}
			for _, path := range *asked {
				if !strings.Contains(path, "/.well-known/") {
					t.Errorf("%s was called", path)
				}
			}
		})
	}
}

func TestTheFinalSlashIsToldOf(t *testing.T) {
	_, err := Parse([]byte(`{"issuer":"https://acme.us.auth0.com/"}`), "https://acme.us.auth0.com")
	if err == nil || !strings.Contains(err.Error(), `only the final "/" differs`) {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatDoesNotAnswerIsAskedOnce(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	s.Close()
	c, err := safehttp.Policy{Allow: []string{"127.0.0.1"}}.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Fetch(t.Context(), safehttp.Fetcher{Client: c}, s.URL+"/t")
	var e *Error
	if !errors.As(err, &e) || len(e.Tried) != 1 || safehttp.Reason(err) != "no connection" {
		t.Errorf("got %v", err)
	}
}

func TestPlainIssuersMayHavePlainEndpoints(t *testing.T) {
	const doc = `{"issuer":"http://localhost:9000","jwks_uri":"http://localhost:9000/keys"}`
	if _, err := Parse([]byte(doc), "http://localhost:9000"); err != nil {
		t.Error(err)
	}
}

// FuzzParse looks for a document that is taken though its issuer or an endpoint is not what it should be.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://a.example","jwks_uri":"https://a.example/keys","scopes_supported":["x"]}`))
	f.Add([]byte(`{"issuer":"https://a.example","Issuer":"https://b.example"}`))
	f.Add([]byte(`{"issuer":"https://a.example","token_endpoint":"http://a.example"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw, "https://a.example")
		if err != nil {
			return
		}
		if m.Issuer != "https://a.example" {
			t.Fatalf("issuer %q", m.Issuer)
		}
		for _, e := range m.endpoints() {
			if e.value != "" && !strings.HasPrefix(strings.ToLower(e.value), "https://") {
				t.Fatalf("%s %q", e.name, e.value)
			}
		}
	})
}
