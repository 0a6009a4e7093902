package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// asks sends a form to the token endpoint as the client proves who it is.
func (r *replay) asks(form url.Values) (got, granted) {
	r.t.Helper()
	r.preflight("token")
	var headers []string
	form.Set("client_id", r.id)
	switch r.Auth {
	case "client_secret_basic":
		headers = append(headers, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(r.id)+":"+url.QueryEscape(r.secret))))
		form.Del("client_id")
	case "client_secret_post":
		form.Set("client_secret", r.secret)
	case "private_key_jwt": // RFC 7523 §2.2
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", r.host.asserts(r.t, r.id, r.in(r.Audience)))
	}
	if at := r.At["token"]; at != "" {
		form.Del("resource") // it has never heard of it
	}
	return r.f.grant(r.f.caller(), form, headers...)
}

// redeems exchanges the code; nil: it was to be refused.
func (r *replay) redeems(back url.Values) *granted {
	r.t.Helper()
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {r.in(r.Redirect)}, "code_verifier": {r.verifier}, "resource": {r.f.url},
	}
	answer, g := r.asks(r.with(form, r.Token))
	if r.refusedAt("token", answer.status, "", answer.body) {
		return nil
	}
	r.has(answer, &g, r.granted())
	return &g
}

func (r *replay) granted() string {
	if r.Granted != "" {
		return r.Granted
	}
	return "tools:read"
}

// has checks what the client was given. RFC 6749 §5.1
func (r *replay) has(answer got, g *granted, scope string) {
	r.t.Helper()
	if answer.status != http.StatusOK || g.Type != "Bearer" || g.Expires <= 0 || g.Scope != scope || answer.header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(answer.header.Get("Content-Type"), "application/json") {
		r.t.Fatalf("got %d %s, want a token for %s", answer.status, answer.body, scope)
	}
	if _, claims := peek(r.t, g.Access); claims["aud"] != r.f.url || claims["iss"] != "https://"+r.f.address || claims["client_id"] != r.id || claims["scope"] != scope {
		r.t.Errorf("got a token of %v", claims)
	}
}

// calls uses a tool, under both spellings of the URL: nobody is redirected.
func (r *replay) calls(g *granted, tool string) {
	r.t.Helper()
	for _, at := range []string{r.f.url, r.f.url + "/"} {
		if got := r.f.ask(r.f.caller(), http.MethodPost, at, toolCall(tool, `{}`), toolHeaders(g.Access, tool)...); got.status != http.StatusOK {
			r.t.Errorf("%s: got %d %s, want an answer", at, got.status, got.body)
		}
	}
}

// refreshes renews the token in the client's way, and loses nothing of it.
func (r *replay) refreshes(g *granted) {
	r.t.Helper()
	if kind, there := r.Refresh["grant_type"]; there && kind == "" {
		if g.Refresh != "" {
			r.t.Error("got a refresh token, and it has no use for it")
		}
		return
	}
	form := func() url.Values {
		return r.with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh}, "resource": {r.f.url}}, r.Refresh)
	}
	answer, next := r.asks(form())
	r.has(answer, &next, r.granted())
	if next.Refresh == "" || next.Refresh == g.Refresh {
		r.t.Errorf("got no new refresh token: %s", answer.body)
	}
	if r.Twice {
		if answer, again := r.asks(form()); again.Refresh != next.Refresh {
			r.t.Errorf("a second worker got %d %s, want the same refresh token", answer.status, answer.body)
		}
	}
	dead := form()
	dead.Set("refresh_token", next.Refresh[:len(next.Refresh)-1]+"_")
	if answer, no := r.asks(dead); answer.status != http.StatusBadRequest || no.Error != "invalid_grant" {
		r.t.Errorf("a dead refresh token: got %d %s, want 400 invalid_grant", answer.status, answer.body)
	}
	r.calls(&next, reading)
	*g = next
}

// stepsUp asks for more when a tool needs it. MCP 2026-07-28 authorization
func (r *replay) stepsUp(g *granted) {
	r.t.Helper()
	few := r.f.call(g.Access, writing)
	few.wantRefusal(r.t, "before", http.StatusForbidden, "GH-1201", "insufficient_scope")
	if challenge := few.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `scope="tools:read tools:write"`) {
		r.t.Errorf("got %s, want all scopes of the call", challenge)
	}
	back := r.authorizes(map[string]string{"scope": r.StepUp})
	r.Granted = "tools:read tools:write"
	if more := r.redeems(back); more != nil {
		r.calls(more, writing)
	}
}

// isStale comes with an id of another installation: a page tells its user what to
// do, and the token endpoint tells it to register anew.
func (r *replay) isStale() {
	r.t.Helper()
	kept := *r
	r.id, r.secret = "dcr_"+strings.Repeat("A", 120), ""
	r.Refused.At, r.Refused.Code = "authorize", "GH-1401"
	r.authorizes(nil)
	r.Auth = ""
	answer, g := r.asks(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rand.Text()}})
	if answer.status != http.StatusUnauthorized || g.Error != "invalid_client" {
		r.t.Errorf("a stale id: got %d %s, want 401 invalid_client", answer.status, answer.body)
	}
	*r = kept
}

// preflight is what a browser asks first, for a page of another origin.
func (r *replay) preflight(endpoint string) {
	r.t.Helper()
	if r.Origin == "" {
		return
	}
	for _, at := range []string{r.endpoint(endpoint), r.f.url} {
		got := r.f.ask(r.f.caller(), http.MethodOptions, at, "", "Origin: "+r.Origin, "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: authorization,content-type,mcp-protocol-version")
		if allow := got.header.Get("Access-Control-Allow-Origin"); got.status >= 300 || allow != "*" && allow != r.Origin {
			r.t.Errorf("%s: got %d for a page of %s, allowed %q", at, got.status, r.Origin, allow)
		}
	}
}

// documentHost has the documents of clients, and the key of those that sign.
type documentHost struct {
	address, file string
	key           *rsa.PrivateKey
	mu            sync.Mutex
	all           map[string]string // by path; empty: it answers 403, as a wall in front of it does
}

func newDocumentHost(t *testing.T) *documentHost {
	t.Helper()
	h, dir := &documentHost{all: map[string]string{}}, stateDir(t)
	certificate(t, dir, "127.0.0.1")
	h.file = filepath.Join(dir, "cert.pem")
	pair, err := tls.LoadX509KeyPair(h.file, filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if h.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		text := h.all[r.URL.Path]
		h.mu.Unlock()
		if text == "" {
			http.Error(w, "<title>Just a moment...</title>", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	h.address = s.Listener.Addr().String()
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.key.Public(), KeyID: "replayed", Algorithm: "RS256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	h.all["/jwks.json"] = string(keys)
	return h
}

// serve puts a document where its id says.
func (h *documentHost) serve(t *testing.T, document json.RawMessage) {
	t.Helper()
	text := strings.ReplaceAll(string(document), "HOST", h.address)
	var d struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(d.ID)
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[u.Path] = text
}

// asserts signs a client's assertion. RFC 7523 §3
func (h *documentHost) asserts(t *testing.T, id, audience string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: h.key, KeyID: "replayed"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: id, Subject: id, Audience: jwt.Audience{audience}, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
