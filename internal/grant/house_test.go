package grant_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/postgres"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const (
	issuer    = "https://mcp.acme.test"
	resource  = "https://mcp.acme.test/mcp"
	redirect  = "http://127.0.0.1:8765/callback"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// house is a database with a clock, for any number of processes.
type house struct {
	t   testing.TB
	db  *store.DB
	def tenant.ID
	dir string // of the database
	dsn string // of the database, when it is PostgreSQL

	mu sync.Mutex
	at time.Time
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "state"), at: time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)}
	h.move(h.open(store.Config{SQLite: filepath.Join(h.dir, "gatehouse.db")}))
	return h
}

// newHouseOn is newHouse with a PostgreSQL database.
func newHouseOn(t testing.TB, s *postgres.Server) *house {
	t.Helper()
	h := &house{t: t, dsn: s.Database(t), at: time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)}
	h.move(h.open(store.Config{Postgres: h.dsn}))
	return h
}

func (h *house) open(c store.Config) *store.DB {
	h.t.Helper()
	db, err := store.Open(h.t.Context(), c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = db.Close() })
	return db
}

// move has the house live on a database.
func (h *house) move(db *store.DB) {
	h.t.Helper()
	one, err := db.Tenants().ByName(h.t.Context(), tenant.Default)
	if err != nil {
		h.t.Fatal(err)
	}
	h.db, h.def = db, one.ID
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// service is a process of its own.
func (h *house) service() *grant.Service { return h.serviceOn(h.db) }

// replica is a process with connections of its own, where the database takes
// them from several.
func (h *house) replica() *store.DB {
	h.t.Helper()
	if h.dsn == "" {
		return h.db
	}
	return h.open(store.Config{Postgres: h.dsn})
}

func (h *house) serviceOn(db *store.DB) *grant.Service {
	h.t.Helper()
	key, err := seal.Derive("key material of the tests, long enough")
	if err != nil {
		h.t.Fatal(err)
	}
	secret, err := grant.Secret(h.t.Context(), db.Secrets(), key)
	if err != nil {
		h.t.Fatal(err)
	}
	marks := &token.Revocations{Source: db.Revocations(), Now: h.now}
	s := &grant.Service{
		Store: db.Grants(), Secret: secret, Issuer: issuer, Marks: marks, RefreshGrace: 30 * time.Second, RefreshIdle: 24 * time.Hour,
		RefreshMax: 30 * 24 * time.Hour, Now: h.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Changed: func() { _ = marks.Changed(context.Background()) },
	}
	if err := s.Check(); err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) authorization() *grant.Authorization {
	return &grant.Authorization{
		Grant: grant.Grant{
			Tenant: h.def, Client: "cli", Subject: "usr_ada", Resource: resource, Scopes: []string{"notes:read", "notes:write"}, Offline: true,
			Redirect: redirect, Flow: "flow1", AuthTime: h.now(), Identity: grant.Identity{Issuer: "https://idp.test", Subject: "a1"},
		},
		Challenge: challenge,
	}
}

func (h *house) code(s *grant.Service) string {
	h.t.Helper()
	code, err := s.Authorize(h.t.Context(), h.authorization())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func redemption(code string) grant.Redemption {
	return grant.Redemption{Code: code, Client: "cli", Redirect: redirect, Verifier: verifier, Resource: resource, Public: true}
}

// granted is a grant whose code was redeemed, and its first refresh token.
func (h *house) granted(s *grant.Service) (*grant.Grant, string) {
	h.t.Helper()
	g, err := s.Redeem(h.t.Context(), redemption(h.code(s)))
	if err != nil {
		h.t.Fatal(err)
	}
	return g, s.RefreshTokenOf(g)
}

func refresh(text string) grant.RefreshRequest {
	return grant.RefreshRequest{Token: text, Client: "cli"}
}

// refreshed wants a refresh token to be good, and returns its successor.
func (h *house) refreshed(s *grant.Service, text string) string {
	h.t.Helper()
	_, next, err := s.Refresh(h.t.Context(), refresh(text))
	if err != nil {
		h.t.Fatal(err)
	}
	return next
}

// accessEnded says whether access tokens of a grant are revoked.
func (h *house) accessEnded(id string) bool {
	h.t.Helper()
	marks := &token.Revocations{Source: h.db.Revocations(), Now: h.now}
	err := marks.Judge(h.t.Context(), &token.Named{Issuer: issuer, Subject: "usr_ada", Client: "cli", Grant: id, Issued: h.now()}, h.now())
	if err != nil && !errors.Is(err, token.ErrRevoked) {
		h.t.Fatal(err)
	}
	return err != nil
}

// together runs fn n times at once and returns the errors.
func together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func idOf(t testing.TB, k keytext.Kind, text string) string {
	t.Helper()
	id, _, err := keytext.Read(k, text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
