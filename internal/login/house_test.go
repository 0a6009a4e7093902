package login_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const (
	issuer = "https://mcp.acme.example"
	good   = "four olives walk home" // a password that may be one
)

var (
	here  = netip.MustParseAddr("2001:db8:1::7")
	there = netip.MustParseAddr("203.0.113.9")
)

// house is a service over a database of the test's own.
type house struct {
	*login.Service
	db    *store.DB
	def   tenant.ID
	now   atomic.Pointer[time.Time]
	ended []string // what was ended of whom
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{}
	h.at(time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC))
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "private", "gatehouse.db"), Now: h.clock})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	def, err := db.Tenants().ByName(t.Context(), tenant.Default)
	must(t, err)
	key, err := seal.Derive(strings.Repeat("k", 40))
	must(t, err)
	h.db, h.def = db, def.ID
	h.Service = &login.Service{
		Store: db.Login(), Seal: key, Issuer: issuer, Name: "Acme Notes", Now: h.clock,
		EndGrants: func(_ context.Context, _ tenant.ID, user, _, _ string) (int, error) {
			h.ended = append(h.ended, "grants "+user)
			return 2, nil
		},
		EndTokens: func(_ context.Context, user, _, _ string) error {
			h.ended = append(h.ended, "tokens "+user)
			return nil
		},
	}
	h.Derive(quick)
	return h
}

// quick takes the place of argon2id where a test is about something else.
func quick(password, salt []byte) []byte {
	sum := sha256.Sum256(append(bytes.Clone(salt), password...))
	return sum[:]
}

func (h *house) at(now time.Time)     { h.now.Store(&now) }
func (h *house) clock() time.Time     { return *h.now.Load() }
func (h *house) pass(d time.Duration) { h.at(h.clock().Add(d)) }

// user makes one with a password.
func (h *house) user(t testing.TB, name string) *login.User {
	t.Helper()
	u, err := h.Create(t.Context(), &login.NewUser{Tenant: h.def, Username: name, Name: strings.ToUpper(name), Email: name + "@acme.example", Password: good})
	must(t, err)
	return u
}

// authenticator is one that a person has.
type authenticator []byte

// codes sets up an authenticator for somebody who has a password, and returns it
// with their recovery codes.
func (h *house) codes(t testing.TB, name string) (authenticator, []string) {
	t.Helper()
	p, err := h.Password(t.Context(), &login.Try{Username: name, Password: good, Row: "flow", From: here})
	must(t, err)
	if p.Next != login.SetUp {
		t.Fatalf("got %v, want an authenticator to be set up", p.Next)
	}
	o, err := h.OfferCodes(p.User)
	must(t, err)
	a := take(t, o)
	_, codes, err := h.SetPassword(t.Context(), login.Right{Ticket: p.Ticket, Row: "flow"}, "", o.Sealed, a.shows(h.clock()))
	must(t, err)
	h.pass(time.Minute) // the code is spent
	return a, codes
}

// take reads an offer as an authenticator does.
func take(t testing.TB, o *login.Offer) authenticator {
	t.Helper()
	u, err := url.Parse(o.URL)
	must(t, err)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	must(t, err)
	return secret
}

func (a authenticator) shows(at time.Time) string { return login.CodeAt(a, at) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// mustWait wants an attempt to come too early, and returns by how much.
func mustWait(t testing.TB, what string, err error) time.Duration {
	t.Helper()
	w, ok := errors.AsType[*login.Wait](err)
	if !ok {
		t.Fatalf("%s: got %v, want to be told to wait", what, err)
	}
	return w.For
}
