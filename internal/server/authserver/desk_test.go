package authserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const (
	otherResource = "https://mcp.acme.test/other"
	backTo        = "http://127.0.0.1:8765/callback"
	enterprise    = "https://idp.enterprise.test"
)

// desk is a server whose endpoints for clients are whole: a store, signing keys,
// and clients that prove who they are.
type desk struct {
	*Server
	t        testing.TB
	db       *store.DB
	def      tenant.ID
	registry *client.Registry
	trail    notebook
	log      bytes.Buffer
	marks    *token.Revocations
	secrets  map[string]string // by client
	handler  http.Handler
	idp      *ecdsa.PrivateKey // of the enterprise

	mu     sync.Mutex
	moment time.Time
	users  map[string]*login.User
	fails  []string
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, moment: time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC), secrets: map[string]string{}, users: map[string]*login.User{}}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "g.db"), Now: d.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	one, err := db.Tenants().ByName(t.Context(), tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	d.db, d.def = db, one.ID
	d.users["usr_ada"] = &login.User{ID: "usr_ada", Tenant: d.def, Name: "Ada", State: login.Active, Groups: []string{"staff"}, Roles: []string{"editor"}}
	d.open()
	d.handler = d.Handler()
	return d
}

// open fills in the server.
func (d *desk) open() {
	d.t.Helper()
	key, err := seal.Derive(strings.Repeat("k", seal.MinKey))
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	keys := &signing.Keys{Store: d.db.Signing(), Seal: key, MaxLife: 10 * time.Minute, Now: d.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if err := keys.Open(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.marks = &token.Revocations{Source: d.db.Revocations(), Now: d.clock}
	changed := func() { _ = d.marks.Changed(context.Background()) }
	grants := &grant.Service{
		Store: d.db.Grants(), Secret: bytes.Repeat([]byte{7}, 32), Issuer: issuer, Marks: d.marks, RefreshGrace: 30 * time.Second,
		RefreshMax: 30 * 24 * time.Hour, Now: d.clock, Log: log, Changed: changed,
	}
	once := &grant.Once{Store: d.db.Once(), Now: d.clock}
	d.registry = &client.Registry{Store: d.db.Clients(), Secret: make([]byte, 32), Issuer: issuer, Once: once, Now: d.clock}
	scopes := []Scope{{Name: "notes:read", Default: true}, {Name: "notes:write"}, {Name: "notes:purge"}}
	d.Server = &Server{
		Issuer: issuer, Seal: key, Trail: &d.trail, Log: log, Now: d.clock, Clients: d.registry,
		Resources: []Resource{{URL: resource, Scopes: scopes}, {URL: otherResource, Scopes: scopes}},
		Settings:  Settings{AccessTTL: 10 * time.Minute},
		Address:   func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false },
		Failed: func(_ *http.Request, code string) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.fails = append(d.fails, code)
		},
		Door: Door{
			Authenticate: func(r *http.Request, form *oauth.Params, audiences ...string) (*client.Client, error) {
				return d.registry.Authenticate(r.Context(), client.AttemptOf(r, form, audiences...))
			},
			Current: d.current, Assert: d.asserted, Tenant: d.db.Tenants().Get, TenantNamed: d.db.Tenants().ByName, Grants: grants,
			Devices:  &grant.Devices{Store: d.db.Devices(), Service: grants, Now: d.clock},
			Requests: &grant.Requests{Store: d.db.Requests(), Now: d.clock}, Once: once, Keys: keys, Marks: d.marks,
			Tokens:     &token.Service{Store: d.db.Revocations(), Now: d.clock, Changed: changed},
			DPoP:       &gatehouse.DPoP{Now: d.clock, Replays: grant.Replays{Marks: once}},
			Assertions: d.assertions(), Limiter: &ratelimit.Limiter{},
		},
	}
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moment
}

func (d *desk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moment = d.moment.Add(by)
}

func (d *desk) failures() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.fails)
}

func (d *desk) current(_ context.Context, t tenant.ID, user, _, _ string) (*login.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.users[user]
	switch {
	case u == nil || u.Tenant != t:
		return nil, login.ErrNotFound
	case u.State == login.Disabled:
		return nil, login.ErrDisabled
	}
	one := *u
	return &one, nil
}

func (d *desk) disable(user string, state login.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[user].State = state
}

func (d *desk) asserted(_ context.Context, by *AssertionIssuer, who Asserted) (*login.User, error) {
	if who.Subject == "emp-1" {
		return d.current(context.Background(), by.Tenant, "usr_ada", "", "")
	}
	return nil, &login.TenantError{User: "usr_bob"}
}

// client makes one; Redirects say that it has people, its name is its id.
func (d *desk) client(s client.Spec) *client.Client {
	d.t.Helper()
	s.Name, s.By = s.ID, "test"
	c, secret, err := d.registry.Create(d.t.Context(), &s)
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets[s.ID] = secret
	return c
}

// people makes a public client and returns a code for it.
func (d *desk) public(id string) {
	d.client(client.Spec{ID: id, Redirects: []string{"http://127.0.0.1/callback"}, Method: oauth.AuthNone, Grants: []string{oauth.AuthorizationCode, oauth.RefreshToken, oauth.DeviceCode}})
}

// code is what /authorize ends with.
func (d *desk) code(id string, change ...func(*grant.Authorization)) string {
	d.t.Helper()
	a := &grant.Authorization{
		Grant: grant.Grant{
			Tenant: d.def, Client: id, Subject: "usr_ada", Resource: resource, Scopes: []string{"notes:read", "notes:write"}, Offline: true, Redirect: backTo,
			Flow: "flow-1", AuthTime: d.clock(), Identity: grant.Identity{Issuer: "https://idp.test", Subject: "a1"},
		},
		Challenge: proof,
	}
	for _, c := range change {
		c(a)
	}
	code, err := d.Grants.Authorize(d.t.Context(), a)
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

// said is an answer to a client.
type said struct {
	*httptest.ResponseRecorder
	t testing.TB
	tokenAnswer
	refused
	Active bool `json:"active"`
}

// post sends a form, of pairs of a name and a value, to an endpoint.
func (d *desk) post(path string, pairs ...string) *said { return d.send(path, nil, pairs...) }

func (d *desk) send(path string, header http.Header, pairs ...string) *said {
	d.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	for name, values := range header {
		r.Header[name] = values
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	out := &said{ResponseRecorder: httptest.NewRecorder(), t: d.t}
	d.handler.ServeHTTP(out.ResponseRecorder, r)
	if strings.HasPrefix(out.Header().Get("Content-Type"), "application/json") {
		for _, into := range []any{&out.tokenAnswer, &out.refused, &struct{ Active *bool }{&out.Active}} {
			_ = json.Unmarshal(out.Body.Bytes(), into)
		}
	}
	return out
}

// as is a confidential client's own name and secret, for a form.
func (d *desk) as(id string, pairs ...string) []string {
	return append([]string{"client_id", id, "client_secret", d.secrets[id]}, pairs...)
}

// redeem is the request that a code was made for, with changes.
func redeemForm(id, code string, change ...string) []string {
	form := []string{
		"grant_type", oauth.AuthorizationCode, "client_id", id, "code", code, "redirect_uri", backTo, "code_verifier", verifier, "resource", resource,
	}
	for i := 0; i < len(change); i += 2 {
		at := slices.Index(form, change[i])
		if at < 0 {
			form = append(form, change[i], change[i+1])
			continue
		}
		form[at+1] = change[i+1]
	}
	return form
}

// login is a whole login of a client: its first tokens.
func (d *desk) login(id string) *said {
	d.t.Helper()
	return d.post("/token", redeemForm(id, d.code(id))...).ok()
}

// ok wants tokens.
func (a *said) ok() *said {
	a.t.Helper()
	if a.ResponseRecorder.Code != http.StatusOK || a.Header().Get("Cache-Control") != "no-store" || a.Access == "" {
		a.t.Fatalf("got %d %s", a.ResponseRecorder.Code, a.Body)
	}
	return a
}

// no wants a refusal in the form that clients read, and no token.
func (a *said) no(what string, status int, code string) {
	a.t.Helper()
	if a.ResponseRecorder.Code != status || a.Error != code || a.Access != "" || a.Header().Get("Cache-Control") != "no-store" || a.refused.Code == "" || a.Request == "" {
		a.t.Errorf("%s: got %d %s, want %d %s", what, a.ResponseRecorder.Code, a.Body, status, code)
	}
}

// claimsOf reads an access token as the gateway does: verified, and with what was revoked.
func (d *desk) holds(text string) (*gatehouse.Identity, error) {
	d.t.Helper()
	body, _, err := d.Keys.JWKS(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	set, err := gatehouse.ParseKeys(body)
	if err != nil {
		d.t.Fatal(err)
	}
	v := &gatehouse.JWTVerifier{Issuer: issuer, Audience: resource, Audiences: []string{otherResource}, Keys: set, MaxLife: 10 * time.Minute, Now: d.clock}
	id, err := v.Verify(d.t.Context(), &gatehouse.Credential{Text: text})
	if err != nil {
		return nil, err
	}
	_, _, err = d.readAccess(d.t.Context(), text)
	return id, err
}

func payload(t testing.TB, text string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signJWT signs claims with headers beside alg.
func signJWT(t testing.TB, key any, alg jose.SignatureAlgorithm, claims any, header map[jose.HeaderKey]any, embed bool) string {
	t.Helper()
	o := &jose.SignerOptions{EmbedJWK: embed, ExtraHeaders: header}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := j.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// proves is a DPoP proof for a request to an endpoint. RFC 9449 §4.2
func (d *desk) proves(key *ecdsa.PrivateKey, path string) http.Header {
	d.t.Helper()
	return http.Header{"Dpop": {signJWT(d.t, key, jose.ES256, map[string]any{
		"jti": rand.Text(), "htm": "POST", "htu": issuer + path, "iat": d.clock().Unix(),
	}, map[jose.HeaderKey]any{"typ": "dpop+jwt"}, true)}}
}

func thumbprint(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	k := jose.JSONWebKey{Key: key.Public()}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// assertions trusts one enterprise.
func (d *desk) assertions() []AssertionIssuer {
	d.idp = newKey(d.t)
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: d.idp.Public(), KeyID: "e1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		d.t.Fatal(err)
	}
	set, err := gatehouse.ParseKeys(raw)
	if err != nil {
		d.t.Fatal(err)
	}
	return []AssertionIssuer{{Issuer: enterprise, Keys: set, Tenant: d.def, Scopes: []string{"notes:read", "notes:write"}}}
}

// read reads an answer in another form, if it is one.
func read(t testing.TB, a *said, into any) {
	t.Helper()
	if a.ResponseRecorder.Code < 300 {
		if err := json.Unmarshal(a.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
}
