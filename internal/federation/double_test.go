package federation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

const callback = "https://mcp.acme.com/auth/callback/acme"

// double is an OpenID provider that says whatever a test wants.
type double struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey
	kid string

	mu       sync.Mutex
	claims   map[string]any // of the ID token, beside those that every one has
	userinfo map[string]any // nil: there is no such endpoint
	metadata map[string]any // beside what it says in any case
	form     url.Values     // of the last token request
	basic    [2]string      // its client, if it came in the header
	asked    map[string]int // requests by path
	token    func(w http.ResponseWriter) bool
	sign     func(claims map[string]any) string // nil: as it should be
	nonce    string                             // of the last authorization request
	down     bool
}

func newDouble(t *testing.T) *double {
	d := &double{t: t, kid: "k1", asked: map[string]int{}, claims: map[string]any{}, metadata: map[string]any{}}
	d.rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", d.serveMetadata)
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		d.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: d.key.Public(), KeyID: d.kid, Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", d.serveToken)
	mux.HandleFunc("/revoke", d.serveToken)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access-canary" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d.answer(w, d.userinfo)
	})
	d.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.asked[r.URL.Path]++
		if d.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *double) rotate() {
	var err error
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		d.t.Fatal(err)
	}
}

func (d *double) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		d.t.Error(err)
	}
}

func (d *double) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{
		"issuer": d.URL, "authorization_endpoint": d.URL + "/authorize", "token_endpoint": d.URL + "/token", "jwks_uri": d.URL + "/keys",
	}
	if d.userinfo != nil {
		m["userinfo_endpoint"] = d.URL + "/userinfo"
	}
	maps.Copy(m, d.metadata)
	d.answer(w, m)
}

func (d *double) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		d.t.Error(err)
	}
	d.form = r.PostForm
	d.basic[0], d.basic[1], _ = r.BasicAuth()
	if d.token != nil && d.token(w) {
		return
	}
	now := time.Now()
	claims := map[string]any{
		"iss": d.URL, "sub": "sub-ada", "aud": "our-client", "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "nonce": d.nonce,
	}
	maps.Copy(claims, d.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	sign := d.sign
	if sign == nil {
		sign = func(c map[string]any) string { return d.jwt(jose.ES256, d.key, c) }
	}
	d.answer(w, map[string]any{
		"access_token": "access-canary", "token_type": "Bearer", "expires_in": 300, "refresh_token": "refresh-canary", "id_token": sign(claims), "scope": "openid email",
	})
}

func (d *double) jwt(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", d.kid))
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		d.t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// roots is the authority of a test server.
func roots(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// settings are those of a client of the double.
func (d *double) settings() *federation.Settings {
	return &federation.Settings{
		Name: "acme", Title: "Acme ID", House: "Acme", Preset: "oidc", Issuer: d.URL, ClientID: "our-client", ClientSecret: "our-secret",
		Private: []string{"127.0.0.1"}, Roots: roots(d.Server),
	}
}

func open(t *testing.T, s *federation.Settings) federation.Provider {
	t.Helper()
	p, err := federation.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin starts a sign-in, and returns what the browser was sent with.
func (d *double) begin(p federation.Provider, prompt bool) (*federation.Start, url.Values) {
	d.t.Helper()
	start, err := p.Begin(d.t.Context(), callback, "ada@acme.com", prompt)
	if err != nil {
		d.t.Fatal(err)
	}
	u, err := url.Parse(start.URL)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.nonce = u.Query().Get("nonce")
	d.mu.Unlock()
	return start, u.Query()
}

// signIn goes all the way.
func (d *double) signIn(p federation.Provider) (*federation.Profile, error) {
	d.t.Helper()
	start, _ := d.begin(p, false)
	return p.Finish(d.t.Context(), callback, &start.Pending, &federation.Callback{Code: "a-code", State: start.Pending.State})
}

// calls is how often a path was asked for.
func (d *double) calls(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[path]
}

// wantRefusal checks that somebody was refused, and that nothing of what the
// provider wrote is in the text.
func wantRefusal(t *testing.T, what string, who *federation.Profile, err error, code string) *federation.Refusal {
	t.Helper()
	var r *federation.Refusal
	if who != nil || !errors.As(err, &r) {
		t.Fatalf("%s: got %+v, %v, want a refusal", what, who, err)
	}
	if r.Code != code {
		t.Errorf("%s: got %s %q (%v), want %s", what, r.Code, r.Text, r.Cause, code)
	}
	if strings.ContainsAny(r.Text, "<>") || strings.Contains(r.Text, "canary") || strings.Contains(r.Text, "%") {
		t.Errorf("%s: the text is %q", what, r.Text)
	}
	if strings.Contains(r.Error(), "access-canary") || strings.Contains(r.Error(), "refresh-canary") || strings.Contains(r.Error(), "our-secret") {
		t.Errorf("%s: the story has a secret in it: %v", what, r)
	}
	return r
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
