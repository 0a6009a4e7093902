package token_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// mark is a revocation of everything that was issued before a moment.
func mark(kind token.Kind, issuer, value string, before time.Time) token.Spec {
	return token.Spec{Target: token.Target{Kind: kind, Issuer: issuer, Value: value}, Before: before}
}

func TestWhatARevocationMeans(t *testing.T) {
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC).Unix()
	all := crowd(now)
	past := time.Unix(now-99, 0)
	sum := token.Fingerprint(jwt(t, exp(all["nameless"], now)))
	for _, tt := range []struct {
		name string
		spec token.Spec
		want []string
	}{
		{"a jti of one issuer", mark(token.KindID, acmeIDP, "1", time.Time{}), []string{"ada"}},
		{"a jti that another was exchanged for", mark(token.KindID, acmeIDP, "6", time.Time{}), []string{"exchanged"}},
		{"the last jti before it", mark(token.KindID, acmeIDP, "8", time.Time{}), []string{"exchanged"}},
		{"a part of it", mark(token.KindID, acmeIDP, "6 8", time.Time{}), nil},
		{"another issuer's", mark(token.KindID, boltIDP, "6", time.Time{}), nil},
		{"a jti of whoever", mark(token.KindID, "", "1", time.Time{}), []string{"ada", "other ada"}},
		{"a jti by the other iss of its issuer", mark(token.KindID, acmeIDP, "5", time.Time{}), []string{"old iss"}},
		{"a jti by an iss that was the first of its issuer", mark(token.KindID, "https://acme-old.idp.example/", "1", time.Time{}), []string{"ada"}},
		{"a fingerprint", mark(token.KindToken, "", hex.EncodeToString(sum[:]), time.Time{}), []string{"nameless"}},
		{"a subject", mark(token.KindSubject, acmeIDP, "ada", time.Time{}), []string{"ada", "ada's next", "undated", "old iss"}},
		{"a subject, some time ago", mark(token.KindSubject, acmeIDP, "ada", past), []string{"ada", "undated", "old iss"}},
		{"a client of one issuer", mark(token.KindClient, acmeIDP, "cli", past), []string{"ada", "undated", "bob"}},
		{"a client", mark(token.KindClient, "", "cli", past), []string{"ada", "undated", "bob", "other ada"}},
		{"a tenant", mark(token.KindTenant, "", "default", past), []string{"ada", "undated", "bob", "other ada", "old iss", "nameless", "exchanged"}},
		{"a tenant's callers of one issuer", mark(token.KindTenant, boltIDP, "default", past), []string{"other ada"}},
		{"an issuer", mark(token.KindIssuer, acmeIDP, "", past), []string{"ada", "undated", "bob", "old iss", "nameless", "exchanged"}},
		{"a grant", mark(token.KindGrant, acmeIDP, "g1", time.Time{}), []string{"ada", "bob"}},
		{"a grant of whoever", mark(token.KindGrant, "", "g1", time.Time{}), []string{"ada", "bob", "other ada"}},
		{"a grant of another issuer", mark(token.KindGrant, "https://other.example", "g1", time.Time{}), nil},
		{"somebody else's jti", mark(token.KindID, acmeIDP, "9", time.Time{}), nil},
		{"a subject of another issuer", mark(token.KindSubject, "https://other.example", "ada", time.Time{}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			if tt.spec.Kind == token.KindTenant {
				tt.spec.Value = h.in(t, jwt(t, claims{Sub: "zoe", Iat: now, Exp: now + 9})).Tenant
			}
			means(t, h, all, tt.spec, tt.want)
		})
	}
}

// means wants a revocation to be about some of the tokens, until it is taken back.
func means(t *testing.T, h *house, all map[string]claims, spec token.Spec, want []string) {
	t.Helper()
	now := h.clock().Unix()
	for name, c := range all { // half of them are in memory when it comes, and half are new
		if len(name)%2 == 0 {
			h.in(t, jwt(t, exp(c, now)))
		}
	}
	r := h.revoke(t, spec)
	for name, c := range all {
		_, err := h.sees(t, jwt(t, exp(c, now)))
		if (err != nil) != slices.Contains(want, name) {
			t.Errorf("%s: got %v, want revoked: %v", name, err, err == nil)
		} else if err != nil {
			wantCode(t, err, "GH-1130")
		}
	}
	_, err := h.service.Remove(t.Context(), r.ID)
	must(t, err)
	for name, c := range all {
		if _, err := h.sees(t, jwt(t, exp(c, now))); err != nil {
			t.Errorf("%s: taken back, and still %v", name, err)
		}
	}
}

func exp(c claims, now int64) claims { c.Exp = now + 7200; return c }

// A076: of all the marks that are about a token the newest wins, in whatever
// order they came.
func TestA076TheNewestMarkWins(t *testing.T) {
	at := func(minutes int) time.Time {
		return time.Date(2026, 11, 27, 7, minutes, 0, 0, time.UTC)
	}
	marks := func(def string) []token.Spec {
		return []token.Spec{
			mark(token.KindTenant, "", def, at(10)), mark(token.KindClient, "", "cli", at(20)), mark(token.KindSubject, acmeIDP, "ada", at(30)),
		}
	}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		h := newHouse(t)
		text := func(minutes int) string {
			return jwt(t, claims{Client: "cli", Iat: at(minutes).Unix(), Exp: at(59).Unix() + 3600})
		}
		def := h.in(t, jwt(t, claims{Sub: "zoe", Exp: at(59).Unix() + 3600, Iat: at(59).Unix()})).Tenant
		for _, i := range order {
			h.revoke(t, marks(def)[i])
		}
		for minutes, in := range map[int]bool{5: false, 10: false, 15: false, 25: false, 29: false, 30: true, 35: true} {
			if _, err := h.sees(t, text(minutes)); (err == nil) != in {
				t.Errorf("order %v, issued at minute %d: got %v, want it accepted: %v", order, minutes, err, in)
			}
		}
		// An older mark of the same takes nothing back.
		r := h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", at(12)))
		if !r.Before.Equal(at(30)) {
			t.Errorf("got the mark %s, want the newer one to stay", r.Before)
		}
		h.out(t, text(25), "GH-1130")
		h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", at(40)))
		h.out(t, text(35), "GH-1130")
		h.in(t, text(45))
		// Taking the newest back leaves the next.
		list, n, err := h.service.List(t.Context(), token.Filter{Kind: token.KindSubject})
		if err != nil || len(list) != 1 || n != 3 {
			t.Fatalf("got %d of %d revocations, %v", len(list), n, err)
		}
		_, err = h.service.Remove(t.Context(), list[0].ID)
		must(t, err)
		h.in(t, text(25))
		h.out(t, text(15), "GH-1130")
	}
}

// A token of an issuer whose clock is ahead seems to be issued after the mark. If
// it came before, it was issued before.
func TestATokenThatCameBeforeTheMarkIsOld(t *testing.T) {
	h := newHouse(t)
	ahead := jwt(t, claims{Iat: h.clock().Unix() + 30, Exp: h.clock().Unix() + 3600})
	h.in(t, ahead)
	h.pass(time.Second)
	h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
	h.out(t, ahead, "GH-1130")
	h.out(t, ahead, "GH-1130") // and it is not taken for one that came after
	h.pass(time.Hour / 2)
	h.out(t, ahead, "GH-1130")
	h.in(t, jwt(t, claims{Iat: h.clock().Unix(), Exp: h.clock().Unix() + 3600}))
}

// When a token was first seen is not forgotten because it was refused meanwhile.
func TestWhenATokenWasSeenIsKept(t *testing.T) {
	h := newHouse(t)
	ahead := jwt(t, claims{Iat: h.clock().Unix() + 30, Exp: h.clock().Unix() + 3600})
	_, stop := h.v.Watch(t.Context(), h.in(t, ahead))
	defer stop(nil)
	h.pass(time.Second)
	marked := h.clock()
	first := h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindSubject, Issuer: acmeIDP, Value: "ada"}})
	h.out(t, ahead, "GH-1130")
	_, err := h.service.Remove(t.Context(), first.ID)
	must(t, err)
	h.pass(time.Minute)
	h.in(t, ahead)
	h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", marked))
	h.out(t, ahead, "GH-1130")
}

// Nor because it was presented in another way.
func TestWhenATokenWasSeenIsKeptWithAProof(t *testing.T) {
	h := newHouse(t)
	ahead := jwt(t, claims{Iat: h.clock().Unix() + 30, Exp: h.clock().Unix() + 3600})
	h.in(t, ahead)
	h.pass(time.Second)
	h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
	h.out(t, ahead, "GH-1130")
	h.pass(time.Second)
	for _, scheme := range []string{"Bearer", "DPoP"} {
		_, err := h.v.Verify(t.Context(), &gatehouse.Credential{Scheme: scheme, Text: ahead, Proofs: []string{"p"}})
		wantCode(t, err, "GH-1130")
	}
	h.out(t, ahead, "GH-1130")
}

// A database that was restored says less than what is in memory: all is read anew.
func TestARestoredDatabase(t *testing.T) {
	m := newMemory()
	m.revision = 9
	m.revoked = []token.Revocation{{Target: token.Target{Kind: token.KindID, Value: "1"}}, {Target: token.Target{Kind: token.KindID, Value: "2"}}}
	r := &token.Revocations{Source: m}
	must(t, r.Changed(t.Context()))
	m.mu.Lock()
	m.revision, m.revoked = 3, m.revoked[:1]
	m.mu.Unlock()
	must(t, r.Changed(t.Context()))
	if r.Len() != 1 {
		t.Errorf("got %d revocations, want the one that is in the database", r.Len())
	}
}

// One of the two that tokens are judged by is enough to miss.
func TestEitherStoreAway(t *testing.T) {
	for name, spoil := range map[string]func(revoked, tenants *memory){
		"revocations": func(revoked, _ *memory) { revoked.err = errors.New("gone") },
		"tenants":     func(_, tenants *memory) { tenants.err = errors.New("gone") },
	} {
		t.Run(name, func(t *testing.T) {
			revoked, tenants := newMemory(), newMemory()
			v := &token.Verifier{
				Rights:  &token.Rights{Revoked: &token.Revocations{Source: revoked}, Tenants: &tenant.Directory{Source: tenants}},
				Issuers: []token.Issuer{{Name: "acme-idp", Values: []string{acmeIDP}, Verifier: &provider{}}},
			}
			must(t, v.Open())
			c := &gatehouse.Credential{Text: jwt(t, claims{Exp: time.Now().Unix() + 3600})}
			_, err := v.Verify(t.Context(), c)
			must(t, err)
			spoil(revoked, tenants)
			v.Rights.Changed() // somebody changed something, and nobody can say what
			_, err = v.Verify(t.Context(), c)
			wantCode(t, err, "GH-1902")
			revoked.err, tenants.err = nil, nil
			_, err = v.Verify(t.Context(), c)
			must(t, err)
		})
	}
}

// A068: what was revoked stays so over a restart, and over a clock that is wrong
// for a while.
func TestA068RevocationsSurviveRestartsAndClocks(t *testing.T) {
	h := newHouse(t)
	exp := h.clock().Unix() + 3600
	one, two := jwt(t, claims{Jti: "1", Exp: exp}), jwt(t, claims{Sub: "bob", Exp: exp})
	h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindID, Issuer: acmeIDP, Value: "1"}, Expires: time.Unix(exp+60, 0)})
	h.revoke(t, mark(token.KindSubject, acmeIDP, "bob", time.Time{}))
	h.open(t)
	h.out(t, one, "GH-1130")
	h.out(t, two, "GH-1130")

	right := h.clock()
	h.at(right.Add(5 * time.Hour)) // a wrong clock, and what cleans up in it
	if _, err := h.db.Revocations().Sweep(t.Context(), h.clock().Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	h.open(t)
	h.out(t, one, "GH-1109")
	h.at(right)
	h.open(t)
	h.out(t, one, "GH-1130")
	h.out(t, two, "GH-1130")
	h.at(right.Add(-5 * time.Hour))
	h.open(t)
	h.out(t, one, "GH-1130")
	h.out(t, two, "GH-1130")
}

// What no token is left for goes away.
func TestOldRevocationsAreSwept(t *testing.T) {
	h := newHouse(t)
	for i, lives := range []time.Duration{time.Hour, 48 * time.Hour, 0} {
		h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindSubject, Issuer: acmeIDP, Value: string(rune('a' + i))}, Lives: lives})
	}
	taken := h.revoke(t, mark(token.KindClient, "", "x", time.Time{}))
	_, err := h.service.Remove(t.Context(), taken.ID)
	must(t, err)
	h.pass(26 * time.Hour)
	n, err := h.db.Revocations().Sweep(t.Context(), h.clock().Add(-24*time.Hour))
	if err != nil || n != 2 {
		t.Errorf("swept %d, %v; want the one that lived an hour and the one that was taken back", n, err)
	}
	if list, total, err := h.service.List(t.Context(), token.Filter{}); err != nil || len(list) != 2 || total != 2 {
		t.Errorf("got %d of %d left, %v; want 2", len(list), total, err)
	}
}

func TestARevocationEndsWhenItSaysSo(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Iat: h.clock().Unix() - 9, Exp: h.clock().Unix() + 36000})
	h.in(t, text)
	h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindClient, Value: "other"}})
	h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindSubject, Issuer: acmeIDP, Value: "ada"}, Expires: h.clock().Add(time.Hour)})
	h.pass(time.Hour - time.Second)
	h.out(t, text, "GH-1130")
	h.pass(time.Second)
	h.in(t, text)
}

func TestSpecs(t *testing.T) {
	h := newHouse(t)
	now := h.clock()
	for name, s := range map[string]token.Spec{
		"no kind":                   {},
		"an unknown kind":           mark("colour", "", "red", now),
		"no value":                  mark(token.KindClient, "", "", now),
		"a subject without issuer":  mark(token.KindSubject, "", "ada", now),
		"a grant before a moment":   mark(token.KindGrant, acmeIDP, "g1", now),
		"an issuer without iss":     mark(token.KindIssuer, "", "", now),
		"an issuer with a value":    mark(token.KindIssuer, acmeIDP, "x", now),
		"a single token with mark":  mark(token.KindID, acmeIDP, "1", now),
		"a fingerprint's issuer":    mark(token.KindToken, acmeIDP, "00", time.Time{}),
		"a mark far ahead":          mark(token.KindClient, "", "x", now.Add(time.Hour)),
		"a line end":                mark(token.KindClient, "", "x\ny", now),
		"a NUL":                     mark(token.KindClient, "", "x\x00y", now),
		"too long":                  mark(token.KindClient, "", strings.Repeat("x", 2000), now),
		"over before it began":      {Target: token.Target{Kind: token.KindClient, Value: "x"}, Expires: now.Add(-time.Second)},
		"a reason that turns lines": {Target: token.Target{Kind: token.KindClient, Value: "x"}, Reason: "a\u202eb"},
	} {
		if _, err := h.service.Revoke(t.Context(), s); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	r := h.revoke(t, token.Spec{Target: token.Target{Kind: token.KindClient, Value: "x"}, Lives: time.Hour, By: "ada", Reason: "lost"})
	got, err := h.service.Get(t.Context(), r.ID)
	if err != nil || *got != *r || !r.Before.Equal(now) || !r.Expires.Equal(now.Add(time.Hour)) || r.By != "ada" {
		t.Errorf("got %+v, %v, want %+v", got, err, r)
	}
	if _, err := h.service.Remove(t.Context(), "nobody"); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// What cannot be read anew after a change is judged by nobody.
func TestStoreAway(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Exp: h.clock().Unix() + 36000})
	watched, stop := h.v.Watch(t.Context(), h.in(t, text))
	defer stop(nil)
	must(t, h.db.Close())
	h.pass(9 * time.Second) // nobody runs, so each asks and is not answered
	h.in(t, text)
	h.rights.Changed()
	wantCode(t, context.Cause(watched), "GH-1902")
	h.out(t, text, "GH-1902")
	if h.rights.Healthy() == nil {
		t.Error("nobody can be judged, and all is said to be well")
	}
	if _, err := h.tenants.Create(t.Context(), "x"); err == nil {
		t.Error("a tenant is made in a closed database")
	}
	_, err := h.service.Revoke(t.Context(), mark(token.KindClient, "", "x", time.Time{}))
	wantCode(t, err, "GH-1902")
}
