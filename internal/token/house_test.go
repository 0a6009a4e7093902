package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const (
	acmeIDP = "https://acme.idp.example/"
	boltIDP = "https://bolt.idp.example/"
)

// provider stands for a verifier of one issuer's tokens: what ends with ".good"
// is signed, and an opaque text is active if it is in the list.
type provider struct {
	iss   string
	calls atomic.Int64

	mu     sync.Mutex
	active map[string]gatehouse.Identity // opaque tokens
	err    error                         // what every question is answered with
}

func (p *provider) Verify(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	p.calls.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	if token.FormOf(c.Text) != token.FormJWT {
		id, ok := p.active[c.Text]
		if !ok {
			return nil, gatehouse.Refuse("GH-1121", "inactive", nil)
		}
		return &id, nil
	}
	if !strings.HasSuffix(c.Text, ".good") {
		return nil, gatehouse.Refuse("GH-1102", "bad signature", nil)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(c.Text, ".")[1])
	if err != nil {
		return nil, err
	}
	var in claims
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	if in.Cnf != "" && len(c.Proofs) == 0 {
		return nil, gatehouse.Refuse("GH-1116", "bound", nil)
	}
	id := &gatehouse.Identity{
		Issuer: in.Iss, Subject: in.Sub, Client: in.Client, Tenant: in.Org, TokenID: in.Jti, Scopes: strings.Fields(in.Scope), Claims: raw,
	}
	if in.Exp != 0 {
		id.Expires = time.Unix(in.Exp, 0)
	}
	if in.Iat != 0 {
		id.Issued = time.Unix(in.Iat, 0)
	}
	return id, nil
}

func (p *provider) set(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

type claims struct {
	Iss    string `json:"iss,omitempty"`
	Sub    string `json:"sub,omitempty"`
	Jti    string `json:"jti,omitempty"`
	Client string `json:"client_id,omitempty"`
	Org    string `json:"org,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Cnf    string `json:"cnf,omitempty"`
	Grant  string `json:"grant,omitempty"`
	Via    string `json:"via,omitempty"`
	Pad    string `json:"pad,omitempty"`
	Exp    int64  `json:"exp,omitempty"`
	Iat    int64  `json:"iat,omitempty"`
}

// jwt writes a token that its provider takes as signed.
func jwt(t testing.TB, c claims) string {
	t.Helper()
	if c.Iss == "" {
		c.Iss = acmeIDP
	}
	if c.Sub == "" {
		c.Sub = "ada"
	}
	raw, err := json.Marshal(c)
	must(t, err)
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + b.EncodeToString(raw) + ".good"
}

// house is everything that judging tokens needs, over a database of its own.
type house struct {
	db         *store.DB
	path       string
	now        atomic.Pointer[time.Time]
	acme, bolt *provider
	rights     *token.Rights
	tenants    *tenant.Service
	service    *token.Service
	v          *token.Verifier
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{path: filepath.Join(t.TempDir(), "private", "gatehouse.db"), acme: &provider{iss: acmeIDP}, bolt: &provider{iss: boltIDP}}
	h.at(time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC))
	h.open(t)
	return h
}

// open opens the database and what is over it, as a process that starts does.
func (h *house) open(t testing.TB) {
	t.Helper()
	db, err := store.Open(context.Background(), store.Config{SQLite: h.path, Now: h.clock})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	h.db = db
	h.rights = &token.Rights{
		Revoked: &token.Revocations{Source: db.Revocations(), Now: h.clock}, Tenants: &tenant.Directory{Source: db.Directory(), Now: h.clock}, Now: h.clock,
	}
	h.tenants = &tenant.Service{Store: db.Tenants(), Changed: h.rights.Changed, Now: h.clock}
	h.service = &token.Service{Store: db.Revocations(), Changed: h.rights.Changed, Now: h.clock}
	h.v = h.verifier(t, nil)
}

// verifier makes the verifier of a server.
func (h *house) verifier(t testing.TB, do func(*token.Verifier)) *token.Verifier {
	t.Helper()
	v := &token.Verifier{
		Rights: h.rights, Now: h.clock, Tenancy: token.Tenancy{Claim: true},
		Issuers: []token.Issuer{
			{Name: "acme-idp", Values: []string{acmeIDP, "https://acme-old.idp.example/"}, Verifier: h.acme, Version: "1"},
			{Name: "bolt-idp", Values: []string{boltIDP}, Verifier: h.bolt, Version: "1"},
		},
	}
	if do != nil {
		do(v)
	}
	must(t, v.Open())
	return v
}

func (h *house) at(now time.Time)     { h.now.Store(&now) }
func (h *house) clock() time.Time     { return *h.now.Load() }
func (h *house) pass(d time.Duration) { h.at(h.clock().Add(d)) }

// sees returns what becomes of a token.
func (h *house) sees(t testing.TB, text string) (*token.Active, error) {
	t.Helper()
	return h.v.Verify(context.Background(), &gatehouse.Credential{Text: text})
}

// in wants a token to be accepted.
func (h *house) in(t testing.TB, text string) *token.Active {
	t.Helper()
	a, err := h.sees(t, text)
	if err != nil {
		t.Fatalf("got %v (%v), want it accepted", err, errors.Unwrap(err))
	}
	return a
}

// out wants a token to be refused.
func (h *house) out(t testing.TB, text, code string) {
	t.Helper()
	_, err := h.sees(t, text)
	wantCode(t, err, code)
}

// revoke has tokens refused.
func (h *house) revoke(t testing.TB, s token.Spec) *token.Revocation {
	t.Helper()
	r, err := h.service.Revoke(context.Background(), s)
	must(t, err)
	return r
}

func (h *house) tenant(t testing.TB, name string, links ...tenant.Link) *tenant.Tenant {
	t.Helper()
	one, err := h.tenants.Create(context.Background(), name, links...)
	must(t, err)
	return one
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code string) *gatehouse.Error {
	t.Helper()
	e, ok := errors.AsType[*gatehouse.Error](err)
	if !ok || e.Code != code {
		t.Fatalf("got %v (%v), want %s", err, errors.Unwrap(err), code)
	}
	return e
}

// wantWhose wants a refusal to tell operators that it was ada's token, and nobody else.
func wantWhose(t testing.TB, err error, iss string) {
	t.Helper()
	r, ok := errors.AsType[*token.Refused](err)
	if !ok || r.Issuer != iss || r.Subject != "ada" {
		t.Fatalf("got %+v, want whose it was", err)
	}
	if told := err.Error() + r.Refusal.Description; strings.Contains(told, "ada") || strings.Contains(told, iss) {
		t.Errorf("the caller is told %q", told)
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// crowd is some tokens, by what is special about them.
func crowd(now int64) map[string]claims {
	return map[string]claims{
		"ada":        {Jti: "1", Client: "cli", Iat: now - 100, Grant: "g1"},
		"ada's next": {Jti: "2", Client: "web", Iat: now - 99, Grant: "g2"},
		"undated":    {Jti: "3", Client: "cli"},
		"bob":        {Sub: "bob", Jti: "4", Client: "cli", Iat: now - 100, Grant: "g1"},
		"other ada":  {Iss: boltIDP, Jti: "1", Client: "cli", Iat: now - 100, Grant: "g1"},
		"old iss":    {Iss: "https://acme-old.idp.example/", Jti: "5", Client: "web", Iat: now - 100},
		"nameless":   {Sub: "eve", Iat: now - 100},
		"exchanged":  {Sub: "eve", Jti: "7", Iat: now - 100, Via: "6 8"},
	}
}
