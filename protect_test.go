package gatehouse_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// says is a verifier made of a function.
type says func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error)

func (j says) Verify(ctx context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	return j(ctx, c)
}

// tokens accepts the texts that it has, and knows no others.
func tokens(ids map[string]*gatehouse.Identity) gatehouse.Verifier {
	return says(func(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
		if id := ids[c.Text]; id != nil {
			return id, nil
		}
		return nil, gatehouse.ErrNotMine
	})
}

func resource() gatehouse.Resource {
	return gatehouse.Resource{
		URL: "https://mcp.example.com/mcp", AuthorizationServers: []string{"https://login.example.com"},
		Scopes: []string{"files:read"}, Name: "Files", Log: slog.New(slog.DiscardHandler),
	}
}

var ada = &gatehouse.Identity{Issuer: "https://login.example.com", Subject: "ada", Scopes: []string{"files:read"}}

// whoami answers with who is calling, and tells whether it was reached.
type whoami struct{ reached bool }

func (h *whoami) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.reached = true
	id, ok := gatehouse.FromContext(r.Context())
	if !ok {
		panic("nobody was let in")
	}
	_, _ = io.WriteString(w, id.Subject)
}

func protect(t testing.TB, next http.Handler, r gatehouse.Resource, v gatehouse.Verifier) http.Handler {
	t.Helper()
	h, err := gatehouse.Protect(next, r, v)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request makes one; headers are pairs of name and value.
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

const (
	whereto   = `resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`
	unasked   = `Bearer realm="gatehouse", scope="files:read", ` + whereto
	challenge = `Bearer realm="gatehouse", error="invalid_token", error_description="`
)

func TestProtectChallenges(t *testing.T) {
	refuse := func(e error) gatehouse.Verifier {
		return says(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return nil, e })
	}
	known := tokens(map[string]*gatehouse.Identity{"good": ada})
	tests := []struct {
		name    string
		v       gatehouse.Verifier
		request *http.Request
		status  int
		code    string
		header  string // prefix of WWW-Authenticate; empty: none
	}{
		{"no credential", known, request("POST", "/mcp"), 401, "GH-1001", unasked},
		{"an empty one", known, request("POST", "/mcp", "Authorization", "Bearer "), 401, "GH-1001", unasked},
		{"another scheme", known, request("POST", "/mcp", "Authorization", "Basic Z29vZA=="), 401, "GH-1001", unasked},
		{"a scheme alone", known, request("POST", "/mcp", "Authorization", "good"), 401, "GH-1001", unasked},
		{"a cookie", known, request("POST", "/mcp", "Cookie", "access_token=good"), 401, "GH-1001", unasked},
		{"what nobody knows", known, request("POST", "/mcp", "Authorization", "Bearer sk-x"), 401, "GH-1011", challenge + "Credential not accepted."},
		{"a variable", known, request("POST", "/mcp", "Authorization", "Bearer ${KEY}"), 401, "GH-1003", challenge},
		{"two credentials", known, request("POST", "/mcp", "Authorization", "Bearer good", "X-API-Key", "good"), 400, "GH-1004", `Bearer realm="gatehouse", error="invalid_request", `},
		{"two headers", known, request("POST", "/mcp", "Authorization", "Bearer good", "Authorization", "Bearer good"), 400, "GH-1004", `Bearer realm="gatehouse", error="invalid_request", `},
		{"one in the query", known, request("POST", "/mcp?access_token=good"), 401, "GH-1002", challenge},
		{"one in the query beside one", known, request("POST", "/mcp?access_token=x", "Authorization", "Bearer good"), 401, "GH-1002", challenge},
		{"an unclear query", known, request("POST", "/mcp?a=%zz", "Authorization", "Bearer good"), 400, "GH-1007", ""},
		{"GET", known, request("GET", "/mcp"), 401, "GH-1001", unasked},
		{"DELETE", known, request("DELETE", "/mcp", "Mcp-Session-Id", "s"), 401, "GH-1001", unasked},
		{"OPTIONS that is no preflight", known, request("OPTIONS", "/mcp"), 401, "GH-1001", unasked},
		{"a refusal of its own", refuse(gatehouse.Refuse("GH-1104", "For another.", nil)), request("POST", "/mcp", "Authorization", "Bearer x"), 401, "GH-1104",
			challenge + `For another.", scope="files:read", ` + whereto},
		{"a refusal without a challenge", refuse(&gatehouse.Error{Code: "GH-1013", Status: 401}), request("POST", "/mcp", "Authorization", "Bearer x"), 401, "GH-1013", unasked},
		{"a story nobody else could take", refuse(errors.Join(gatehouse.ErrNotMine, gatehouse.Refuse("GH-1103", "Another issuer.", nil))),
			request("POST", "/mcp", "Authorization", "Bearer x"), 401, "GH-1103", challenge + "Another issuer."},
		{"away", refuse(&gatehouse.Error{Code: "GH-1111", Status: 503}), request("POST", "/mcp", "Authorization", "Bearer x"), 503, "GH-1111", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := &whoami{}
			res := serve(protect(t, next, resource(), tt.v), tt.request)
			var body struct{ Error, Code string }
			if err := json.Unmarshal([]byte(text(t, res)), &body); err != nil || body.Error == "" {
				t.Errorf("got %+v, %v, want an object", body, err)
			}
			got := res.Header.Get("WWW-Authenticate")
			if res.StatusCode != tt.status || body.Code != tt.code || !strings.HasPrefix(got, tt.header) || tt.header == "" && got != "" {
				t.Errorf("got %d %s %q, want %d %s %q…", res.StatusCode, body.Code, got, tt.status, tt.code, tt.header)
			}
			if tt.header != "" && !strings.HasSuffix(got, whereto) {
				t.Errorf("got %q, want the metadata in it", got)
			}
			if next.reached {
				t.Error("it was let through")
			}
		})
	}
}

// A client can only put the nonce of an answer into its next proof if the answer has it. RFC 9449 §9
func TestA054ProtectSendsNonces(t *testing.T) {
	e := gatehouse.Refuse("GH-1115", "The proof needs a nonce.", nil)
	e.Challenge = &gatehouse.Challenge{Scheme: "DPoP", Error: "use_dpop_nonce", Nonce: "n-1"}
	v := says(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return nil, e })
	res := serve(protect(t, &whoami{}, resource(), v), request("POST", "/mcp", "Authorization", "DPoP x"))
	if got := res.Header.Values("DPoP-Nonce"); len(got) != 1 || got[0] != "n-1" {
		t.Errorf("got DPoP-Nonce %q, want the challenge's", got)
	}
}

// A server that takes API keys only has nothing to discover.
func TestProtectWithoutAuthorizationServers(t *testing.T) {
	r := resource()
	r.AuthorizationServers, r.Scopes = nil, nil
	h := protect(t, &whoami{}, r, tokens(nil))
	if res := serve(h, request("POST", "/mcp")); res.Header.Get("WWW-Authenticate") != `Bearer realm="gatehouse"` {
		t.Errorf("got %q", res.Header.Get("WWW-Authenticate"))
	}
	if res := serve(h, request("GET", "/.well-known/oauth-protected-resource/mcp")); res.StatusCode != 401 {
		t.Errorf("got %d for metadata that is not there", res.StatusCode)
	}
}

func TestProtectLetsIn(t *testing.T) {
	var got gatehouse.Credential
	v := says(func(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
		got = *c
		return ada, nil
	})
	h := protect(t, &whoami{}, resource(), v)
	r := request("POST", "/mcp", "authorization", "dpop  abc", "DPoP", "one", "dpop", "two")
	r.RemoteAddr = "[::ffff:192.0.2.7]:1234"
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("shown")}}}
	if res := serve(h, r); text(t, res) != "ada" {
		t.Fatal(res.Status)
	}
	if got.Scheme != "DPoP" || got.Text != "abc" || !slices.Equal(got.Proofs, []string{"one", "two"}) || got.Method != "POST" ||
		got.URL != "https://mcp.example.com/mcp" || got.Certificate != nil || got.From != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("got %+v", got)
	}
	r.TLS.VerifiedChains = [][]*x509.Certificate{{{Raw: []byte("proved")}}}
	if serve(h, r); string(got.Certificate) != "proved" {
		t.Errorf("got certificate %q, want the verified one", got.Certificate)
	}
	if serve(h, request("POST", "/mcp", "X-API-Key", "k")); got.Scheme != "Bearer" || got.Text != "k" {
		t.Errorf("got %+v", got)
	}
	for target, want := range map[string]string{
		"/mcp": "/mcp", "/mcp?x=1": "/mcp", "/mcp/": "/mcp/", "/mcp/sse": "/mcp/sse",
		"/": "/mcp", "/mcpx": "/mcp", "/mcp/../x": "/mcp", "/other": "/mcp", // a proxy in front has changed them
		"http://evil.example/mcp": "/mcp",
	} {
		if serve(h, request("POST", target, "Authorization", "Bearer x", "X-Forwarded-Host", "evil.example")); got.URL != "https://mcp.example.com"+want {
			t.Errorf("%s: got %s, want %s", target, got.URL, want)
		}
	}
}

func TestMetadata(t *testing.T) {
	next := &whoami{}
	h := protect(t, next, resource(), tokens(nil))
	const want = `{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://login.example.com"],` +
		`"scopes_supported":["files:read"],"bearer_methods_supported":["header"],"resource_name":"Files"}`
	for _, target := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp", "http://evil.example/.well-known/oauth-protected-resource/mcp"} {
		r := request("GET", target, "Origin", "https://page.example", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example")
		r.Host = "evil.example"
		res := serve(h, r)
		if got := text(t, res); res.StatusCode != 200 || got != want || res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s %v", target, res.StatusCode, got, res.Header)
		}
	}
	res := serve(h, request("OPTIONS", "/.well-known/oauth-protected-resource/mcp", "Origin", "https://page.example", "Access-Control-Request-Method", "GET"))
	if res.StatusCode != 204 || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version") {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if res := serve(h, request("POST", "/.well-known/oauth-protected-resource")); res.StatusCode != 405 {
		t.Errorf("got %d", res.StatusCode)
	}
	for _, target := range []string{"/.well-known/oauth-protected-resource/other", "/.well-known/oauth-protected-resource/mcp/", "/.well-known/openid-configuration"} {
		if res := serve(h, request("GET", target)); res.StatusCode != 401 {
			t.Errorf("%s: got %d", target, res.StatusCode)
		}
	}
	if next.reached {
		t.Error("next was reached")
	}
	bare := gatehouse.Resource{URL: "https://mcp.example.com", AuthorizationServers: []string{"https://a.example", "https://b.example/"}, RequireDPoP: true, DPoPAlgorithms: []string{"ES256"}, RequireMTLS: true}
	document, err := bare.Metadata()
	if err != nil || bare.MetadataURL() != "https://mcp.example.com/.well-known/oauth-protected-resource" || string(document) !=
		`{"resource":"https://mcp.example.com","authorization_servers":["https://a.example","https://b.example/"],"bearer_methods_supported":["header"],`+
			`"dpop_signing_alg_values_supported":["ES256"],"dpop_bound_access_tokens_required":true,"tls_client_certificate_bound_access_tokens":true}` {
		t.Errorf("got %s, %v, %s", document, err, bare.MetadataURL())
	}
	if _, err := (gatehouse.Resource{URL: "https://mcp.example.com"}).Metadata(); err == nil || !strings.Contains(err.Error(), "AuthorizationServers") {
		t.Errorf("got %v", err)
	}
}

func TestPages(t *testing.T) {
	r := resource()
	r.Origins = []string{"https://inspector.example"}
	h := protect(t, &whoami{}, r, tokens(map[string]*gatehouse.Identity{"good": ada}))
	for origin, want := range map[string]int{
		"https://inspector.example": 200, "https://INSPECTOR.example": 200, "https://mcp.example.com": 200,
		"https://evil.example": 403, "null": 403, "http://mcp.example.com": 403, "https://mcp.example.com.evil.example": 403, "": 403,
	} {
		res := serve(h, request("POST", "/mcp", "Origin", origin, "Authorization", "Bearer good"))
		if res.StatusCode != want || want == 200 && res.Header.Get("Access-Control-Allow-Origin") != origin || want != 200 && res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d %v, want %d", origin, res.StatusCode, res.Header, want)
		}
	}
	res := serve(h, request("OPTIONS", "/mcp", "Origin", "https://inspector.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, mcp-param-x, evil\r\n"))
	if res.StatusCode != 204 || !strings.HasSuffix(res.Header.Get("Access-Control-Allow-Headers"), "Last-Event-ID, mcp-param-x") || res.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if res := serve(h, request("OPTIONS", "/mcp", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")); res.StatusCode != 403 {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := serve(h, request("POST", "/mcp", "Origin", "https://inspector.example")); res.StatusCode != 401 || !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
		t.Errorf("got %d %v, want a challenge that the page can read", res.StatusCode, res.Header)
	}
	r.Origins = []string{"*"}
	if res := serve(protect(t, &whoami{}, r, tokens(nil)), request("POST", "/mcp", "Origin", "https://any.example")); res.StatusCode != 401 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// A stream ends with the credential that opened it.
func TestStreamsEndWithTheirCredential(t *testing.T) {
	end := time.Now().Add(time.Hour)
	v := tokens(map[string]*gatehouse.Identity{"good": {Subject: "a", Expires: end}, "ever": {Subject: "a"}})
	var deadline time.Time
	var ok bool
	h := protect(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { deadline, ok = r.Context().Deadline() }), resource(), v)
	for _, r := range []*http.Request{request("GET", "/mcp"), request("POST", "/mcp", "Mcp-Method", "subscriptions/listen")} {
		r.Header.Set("Authorization", "Bearer good")
		if serve(h, r); !ok || !deadline.Equal(end.Add(time.Minute)) {
			t.Errorf("%s: got %v %v", r.Method, deadline, ok)
		}
	}
	if serve(h, request("GET", "/mcp", "Authorization", "Bearer ever")); ok {
		t.Error("a stream of a credential without an end has one")
	}
	if serve(h, request("POST", "/mcp", "Authorization", "Bearer good")); ok {
		t.Error("a call is cut off")
	}
}
