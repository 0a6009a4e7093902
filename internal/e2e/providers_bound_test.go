package e2e

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestA054RealClientsProveTheirKey lets a real client ask for tokens that are
// bound to its key, and use them with proofs; by themselves they are worth nothing.
func TestA054RealClientsProveTheirKey(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read tools:write"}})
	text := f.text(goServer(t, true), readsAndWrites, p.yaml(""))
	f.open(t, text, p)
	j := nodeTraveller("2", "dpop", "dpop")(t, f, p, "ada", reading, writing)
	if j.Error != "" || len(j.Results) != 2 || j.Results[0].Error != "" || j.Results[1].Error != "" {
		t.Fatalf("got %+v, want answers", j)
	}
	if _, claims := peek(t, j.Token); claims["cnf"] == nil {
		t.Fatalf("got claims %v, want a key that it is bound to", claims)
	}
	f.stolen(t, j.Token)

	bare := p.token(request{user: "ada", resource: f.url, scopes: "tools:read"}).Access
	if got := f.call(bare, reading); got.status != http.StatusOK {
		t.Errorf("got %d %s for a token that is not bound, want 200", got.status, got.body)
	}
	f.configure(t, f.text(goServer(t, true), readsAndWrites, p.yaml("dpop: required")))
	f.reloaded(t)
	f.call(bare, reading).wantRefusal(t, "not bound", http.StatusUnauthorized, "GH-11", "invalid_token")
	if j := nodeTraveller("2", "dpop", "dpop")(t, f, p, "ada", reading); j.Error != "" || len(j.Results) != 1 || j.Results[0].Error != "" {
		t.Errorf("got %+v where proofs are required, want an answer", j)
	}
}

// stolen uses a token that is bound to a key without it.
func (f *front) stolen(t *testing.T, token string) {
	t.Helper()
	f.call(token, reading).wantRefusal(t, "stolen, as bearer", http.StatusUnauthorized, "GH-11", "invalid_token")
	headers := toolHeaders(token, reading)
	headers[0] = "Authorization: DPoP " + token
	f.ask(f.client(), http.MethodPost, f.url, toolCall(reading, `{}`), headers...).wantRefusal(t, "stolen, without a proof", http.StatusUnauthorized, "GH-11", "")
}

// TestA054RealTokensOfACertificate uses a token that the provider bound to a
// client certificate with it, without it and with another.
func TestA054RealTokensOfACertificate(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read"}})
	own, others := t.TempDir(), t.TempDir()
	certificate(t, own, "ada.test")
	certificate(t, others, "eve.test")
	write(t, filepath.Join(f.dir, "clients.pem"), read(t, rel(t, own, "cert.pem"))+read(t, rel(t, others, "cert.pem")))
	text := strings.Replace(f.text(newDouble(t, nil).URL, readsAndWrites, p.yaml("")), "key: DIR/key.pem}", "key: DIR/key.pem}, client_ca: DIR/clients.pem", 1)
	f.open(t, text, p)
	shows := func(dir string) func(*http.Transport) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return func(way *http.Transport) { way.TLSClientConfig.Certificates = []tls.Certificate{pair} }
	}
	at := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool}}
	shows(own)(at)
	t.Cleanup(at.CloseIdleConnections)
	token := p.token(request{user: "ada", client: "mtls", resource: f.url, scopes: "tools:read", transport: at}).Access
	if _, claims := peek(t, token); claims["cnf"] == nil {
		t.Fatalf("got claims %v, want a certificate that it is bound to", claims)
	}
	call := func(c *http.Client) got {
		return f.ask(c, http.MethodPost, f.url, toolCall(reading, `{}`), toolHeaders(token, reading)...)
	}
	if got := call(f.client(shows(own))); got.status != http.StatusOK {
		t.Errorf("got %d %s with the certificate, want 200", got.status, got.body)
	}
	call(f.client()).wantRefusal(t, "no certificate", http.StatusUnauthorized, "GH-11", "invalid_token")
	call(f.client(shows(others))).wantRefusal(t, "another certificate", http.StatusUnauthorized, "GH-11", "invalid_token")
}

// rel is the path of a file outside as read wants it.
func rel(t testing.TB, dir, name string) string {
	t.Helper()
	p, err := filepath.Rel(root(t), filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOpaqueTokensOfARealProvider asks the provider about tokens that only it
// can read, until it takes one back and until it is gone.
func TestOpaqueTokensOfARealProvider(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{
		f.url: {Scope: "tools:read tools:write", Format: "opaque"}, "https://other.example/mcp": {Scope: "tools:read", Format: "opaque"},
	})
	write(t, filepath.Join(f.dir, "introspection"), notASecret)
	up := newDouble(t, nil)
	f.open(t, f.text(up.URL, readsAndWrites, p.yaml(`introspection: {url: "`+p.metadata().Introspection+`", client_id: gatehouse, client_secret: "${file:DIR/introspection}", cache_for: 1s}`)), p)
	token := func(resource string) string {
		return p.token(request{user: "ada", resource: resource, scopes: "tools:read"}).Access
	}
	good := token(f.url)
	if strings.Count(good, ".") == 2 {
		t.Fatal("got a JSON Web Token, want one that says nothing")
	}
	if got := f.call(good, reading); got.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	before := up.count()
	f.call(good, writing).wantRefusal(t, "too few scopes", http.StatusForbidden, "GH-1201", "insufficient_scope")
	f.call(token("https://other.example/mcp"), reading).wantRefusal(t, "another resource's", http.StatusUnauthorized, "GH-1104", "invalid_token")
	f.call("0123456789012345678901234567890123456789", reading).wantRefusal(t, "made up", http.StatusUnauthorized, "GH-11", "invalid_token")
	taken := token(f.url)
	if got := f.call(taken, reading); got.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	p.takeBack(taken)
	eventually(t, "what the provider took back is refused", func() bool { return f.call(taken, reading).status == http.StatusUnauthorized })
	p.kill()
	eventually(t, "the answer is too old", func() bool { return f.call(good, reading).status != http.StatusOK })
	n := up.count()
	f.call(good, reading).wantRefusal(t, "nobody can be asked", http.StatusServiceUnavailable, "GH-11", "")
	if up.count() != n {
		t.Error("the server was asked all the same")
	}
	if n < before {
		t.Errorf("got %d calls at the server, want more than %d", n, before)
	}
	p.start()
	time.Sleep(10 * time.Millisecond)
}

// takeBack revokes a token at the provider. RFC 7009
func (p *provider) takeBack(token string) {
	p.t.Helper()
	res, err := p.browser().PostForm(p.issuer+"/token/revocation", url.Values{"token": {token}, "client_id": {p.client}})
	if err != nil {
		p.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("got %s for a revocation, want 200", res.Status)
	}
}
