package token_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// memory is a source of nothing but what a test puts there.
type memory struct {
	mu       sync.Mutex
	revision int64
	revoked  []token.Revocation
	tenants  []tenant.Tenant
	err      error
}

func newMemory() *memory {
	return &memory{revision: 1, tenants: []tenant.Tenant{{ID: "d", Name: "default", State: tenant.Active}, {ID: "a", Name: "acme", State: tenant.Active}}}
}

func (m *memory) Revision(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision, m.err
}

func (m *memory) Revoked(_ context.Context, _ int64, each func(*token.Revocation)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.revoked {
		each(&m.revoked[i])
	}
	return m.err
}

func (m *memory) Tenants(context.Context, int64) (*tenant.Changes, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &tenant.Changes{Revision: m.revision, All: true, Tenants: append([]tenant.Tenant(nil), m.tenants...)}, m.err
}

// change is made by another process: nobody is told.
func (m *memory) change(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revision++
	do()
}

// running is a verifier whose rights run in a bubble of synctest.
func running(t *testing.T, m *memory, do func(*token.Verifier)) (v *token.Verifier, acme *provider) {
	t.Helper()
	rights := &token.Rights{Revoked: &token.Revocations{Source: m}, Tenants: &tenant.Directory{Source: m}}
	acme = &provider{active: map[string]gatehouse.Identity{"opaque": {Issuer: acmeIDP, Subject: "ada", Claims: []byte(`{}`)}}}
	v = &token.Verifier{Rights: rights, Tenancy: token.Tenancy{Claim: true}, Issuers: []token.Issuer{
		{Name: "acme-idp", Values: []string{acmeIDP}, Verifier: acme, Introspects: true, Version: "1"},
	}}
	if do != nil {
		do(v)
	}
	must(t, v.Open())
	must(t, rights.Load(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { rights.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return v, acme
}

// watching verifies a token and watches it.
func watching(t *testing.T, v *token.Verifier, text string) context.Context {
	t.Helper()
	a, err := v.Verify(t.Context(), &gatehouse.Credential{Text: text})
	must(t, err)
	watched, stop := v.Watch(t.Context(), a)
	t.Cleanup(func() { stop(nil) })
	return watched
}

// A115: whatever takes a right away, by whomever it is done, what is open by
// virtue of it ends within a second.
func TestA115NothingOutlivesItsToken(t *testing.T) {
	for _, tt := range []struct {
		name, text, code string
		do               func(*memory, *provider, *token.Verifier)
		after            time.Duration // by when it is over
		lasts            time.Duration // until when it goes on
	}{
		{"it expires", "", "GH-1109", nil, time.Hour + time.Minute + time.Second, time.Hour + time.Minute - time.Second},
		{"it is revoked", "", "GH-1130", func(m *memory, _ *provider, _ *token.Verifier) {
			m.change(func() {
				m.revoked = append(m.revoked, token.Revocation{Target: token.Target{Kind: token.KindID, Issuer: acmeIDP, Value: "1"}})
			})
		}, time.Second, 0},
		{"its tenant is suspended", "", "GH-1013", func(m *memory, _ *provider, _ *token.Verifier) {
			m.change(func() { m.tenants[0].State = tenant.Suspended })
		}, time.Second, 0},
		{"its tenant is gone", "", "GH-1206", func(m *memory, _ *provider, _ *token.Verifier) {
			m.change(func() { m.tenants = nil })
		}, time.Second, 0},
		{"the store is away", "", "GH-1902", func(m *memory, _ *provider, _ *token.Verifier) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.err = errors.New("gone")
		}, 11 * time.Second, 9 * time.Second},
		{"an opaque token is not active any more", "opaque", "GH-1121", func(_ *memory, p *provider, _ *token.Verifier) {
			p.set(func() { delete(p.active, "opaque") })
		}, 16 * time.Second, 0},
		{"an opaque token has lost a scope", "opaque", "GH-1014", func(_ *memory, p *provider, _ *token.Verifier) {
			p.set(func() {
				p.active["opaque"] = gatehouse.Identity{Issuer: acmeIDP, Subject: "ada", Scopes: []string{}, Claims: []byte(`{"scope":""}`)}
			})
		}, 16 * time.Second, 0},
		{"an opaque token says something else, whatever it is", "opaque", "GH-1014", func(_ *memory, p *provider, _ *token.Verifier) {
			p.set(func() {
				p.active["opaque"] = gatehouse.Identity{Issuer: acmeIDP, Subject: "ada", Claims: []byte(`{"department":"sales"}`)}
			})
		}, 16 * time.Second, 0},
		{"nobody says whether an opaque token is active", "opaque", "GH-1120", func(_ *memory, p *provider, _ *token.Verifier) {
			p.set(func() { p.err = errors.New("no route to host") })
		}, 31 * time.Second, 29 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				v, acme := running(t, m, nil)
				do := func() {
					if tt.do != nil {
						tt.do(m, acme, v)
					}
				}
				beside := ends(t, v, tt.text, do, tt.lasts, tt.after, tt.code)
				if alone := tt.code == "GH-1109" || tt.code == "GH-1130" || tt.text != ""; alone && beside.Err() != nil {
					t.Errorf("another one's ended too: %v", context.Cause(beside))
				}
			})
		})
	}
}

// ends wants what is open for a token to go on for a while after something was
// done, and to be over soon after. It returns what is open for another token.
func ends(t *testing.T, v *token.Verifier, text string, do func(), lasts, after time.Duration, code string) (beside context.Context) {
	t.Helper()
	if text == "" {
		text = jwt(t, claims{Jti: "1", Iat: time.Now().Unix(), Exp: time.Now().Add(time.Hour).Unix()})
	}
	watched := watching(t, v, text)
	beside = watching(t, v, jwt(t, claims{Jti: "2", Exp: time.Now().Add(30 * time.Hour).Unix()}))
	do()
	time.Sleep(lasts)
	if lasts > 0 && watched.Err() != nil {
		t.Fatalf("over after %s already: %v", lasts, context.Cause(watched))
	}
	time.Sleep(after - lasts)
	wantCode(t, context.Cause(watched), code)
	return beside
}

// An opaque token that stays active goes on, and costs one question in a while.
func TestOpaqueTokensAreAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, acme := running(t, newMemory(), nil)
		watched := watching(t, v, "opaque")
		for range 600 {
			time.Sleep(time.Second)
			_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: "opaque"})
			must(t, err)
		}
		must(t, watched.Err())
		if n := acme.calls.Load(); n < 20 || n > 45 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		// Nobody watches: after half a minute an answer is too old for anybody.
		acme.set(func() { delete(acme.active, "opaque") })
		time.Sleep(31 * time.Second)
		_, err := v.Verify(t.Context(), &gatehouse.Credential{Text: "opaque"})
		wantCode(t, err, "GH-1121")
	})
}

// Of several who may know an opaque token each is asked, unless its beginning
// tells whose it is; and one that cannot be asked is not one that says no.
func TestOpaqueTokensOfSeveralIssuers(t *testing.T) {
	h := newHouse(t)
	ada := gatehouse.Identity{Issuer: acmeIDP, Subject: "ada", Claims: []byte(`{}`)}
	bob := gatehouse.Identity{Issuer: boltIDP, Subject: "bob", Claims: []byte(`{}`)}
	h.acme.active = map[string]gatehouse.Identity{"one": ada, "acme_1": ada}
	h.bolt.active = map[string]gatehouse.Identity{"two": bob, "bolt_1": bob}
	how := func(v *token.Verifier) { v.Issuers[0].Introspects, v.Issuers[1].Introspects = true, true }
	h.v = h.verifier(t, how)
	if a := h.in(t, "one"); a.Subject != "ada" || h.bolt.calls.Load() != 0 {
		t.Errorf("got %s", a.Subject)
	}
	if a := h.in(t, "two"); a.Subject != "bob" {
		t.Errorf("got %s", a.Subject)
	}
	h.out(t, "three", "GH-1121")
	h.acme.set(func() { h.acme.err = &gatehouse.Error{Code: "GH-1111", Status: 503} })
	h.in(t, "bolt_1")
	h.out(t, "four", "GH-1111")
	h.acme.set(func() { h.acme.err = nil })

	h.v = h.verifier(t, func(v *token.Verifier) {
		how(v)
		v.Issuers[0].Prefixes = []string{"acme_"}
	})
	before := h.bolt.calls.Load()
	h.in(t, "acme_1")
	h.out(t, "acme_2", "GH-1121")
	if h.bolt.calls.Load() != before {
		t.Error("bolt's issuer was shown a token of acme's")
	}
	before = h.acme.calls.Load()
	h.in(t, "two")
	h.out(t, "five", "GH-1121")
	if h.acme.calls.Load() != before {
		t.Error("acme's issuer was shown what does not begin like its own")
	}
}

// notMine is how the verifiers of the library say no: for themselves, and with
// what to answer if nobody else says yes.
type notMine struct{ told *gatehouse.Error }

func (n notMine) Error() string      { return n.told.Error() }
func (notMine) Is(target error) bool { return target == gatehouse.ErrNotMine }
func (n notMine) Unwrap() error      { return n.told }

func TestWhatAnIssuerSaysOfATokenItDoesNotKnow(t *testing.T) {
	h := newHouse(t)
	h.v = h.verifier(t, func(v *token.Verifier) {
		v.Issuers[0].Introspects = true
		v.Unclaimed = &provider{err: gatehouse.Refuse("GH-1108", "google", nil)}
	})
	says := func(err error) { h.acme.set(func() { h.acme.err = err }) }
	says(notMine{gatehouse.Refuse("GH-1121", "not active", nil)})
	h.out(t, "ya29.abc", "GH-1121")
	says(notMine{gatehouse.Refuse("GH-1106", "not a text that could be one", nil)})
	h.out(t, "ya29.abc", "GH-1108")
	says(gatehouse.ErrNotMine)
	h.out(t, "ya29.abc", "GH-1108")
	says(notMine{gatehouse.Refuse("GH-1103", "of another issuer", nil)})
	h.out(t, jwt(t, claims{}), "GH-1108")
}

// A reload keeps what it does not change, and ends what it does.
func TestReload(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*house, *token.Verifier)
		code string // empty: it goes on
	}{
		{"nothing that matters", func(_ *house, v *token.Verifier) { v.Issuers = v.Issuers[:1] }, ""},
		{"the issuer's settings", func(_ *house, v *token.Verifier) { v.Issuers[0].Version = "2" }, "GH-1014"},
		{"settings that nobody compares", func(_ *house, v *token.Verifier) { v.Issuers[0].Version = "" }, "GH-1014"},
		{"the issuer's name", func(_ *house, v *token.Verifier) { v.Issuers[0].Name = "other" }, "GH-1014"},
		{"the issuer is gone", func(_ *house, v *token.Verifier) { v.Issuers = v.Issuers[1:] }, "GH-1103"},
		{"the issuer is another tenant's", func(_ *house, v *token.Verifier) { v.Issuers[0].BindTenant = "acme" }, "GH-1014"},
		{"the server is another tenant's", func(_ *house, v *token.Verifier) { v.Tenancy.Name = "acme" }, "GH-1014"},
		{"a tenant is required", func(_ *house, v *token.Verifier) { v.Tenancy.Require = true }, "GH-1206"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.tenant(t, "acme")
			text := jwt(t, claims{Exp: h.clock().Unix() + 3600})
			a := h.in(t, text)
			watched, stop := h.v.Watch(t.Context(), a)
			defer stop(nil)
			before := h.v
			h.v = h.verifier(t, func(v *token.Verifier) { tt.do(h, v) })
			h.v.Succeed(before)
			late, stop := h.v.Watch(t.Context(), a) // a session that was opened before asks for another stream
			defer stop(nil)
			older, stop := before.Watch(t.Context(), a) // a request that began before the reload
			defer stop(nil)
			for _, w := range []context.Context{watched, late, older} {
				if tt.code == "" {
					must(t, w.Err())
				} else {
					wantCode(t, context.Cause(w), tt.code)
				}
			}
			calls := h.acme.calls.Load()
			b, err := h.sees(t, text)
			switch {
			case tt.code == "" && (b != a || h.acme.calls.Load() != calls):
				t.Error("what was in memory is not taken over")
			case tt.code != "" && err == nil && b == a:
				t.Error("what has changed is taken over")
			}
			if n := h.acme.calls.Load(); tt.code == "" {
				// And it goes on to obey what comes later.
				h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
				wantCode(t, context.Cause(watched), "GH-1130")
				if h.acme.calls.Load() != n {
					t.Error("asked for nothing")
				}
			}
		})
	}
}

// What a request that began before a reload brought in is judged by the settings after it.
func TestAVerificationThatTheReloadOvertakes(t *testing.T) {
	h := newHouse(t)
	before := h.v
	h.v = h.verifier(t, func(v *token.Verifier) { v.Issuers = v.Issuers[1:] })
	h.v.Succeed(before)
	a, err := before.Verify(t.Context(), &gatehouse.Credential{Text: jwt(t, claims{Exp: h.clock().Unix() + 3600})})
	if err == nil {
		watched, stop := before.Watch(t.Context(), a)
		defer stop(nil)
		wantCode(t, context.Cause(watched), "GH-1103")
	} else {
		wantCode(t, err, "GH-1103")
	}
}

// What ends between being verified and being watched is not watched.
func TestWatchComesTooLate(t *testing.T) {
	h := newHouse(t)
	a := h.in(t, jwt(t, claims{Jti: "1", Exp: h.clock().Unix() + 3600}))
	h.revoke(t, mark(token.KindID, acmeIDP, "1", time.Time{}))
	watched, stop := h.v.Watch(t.Context(), a)
	defer stop(nil)
	wantCode(t, context.Cause(watched), "GH-1130")
}

// A server that was taken away and comes back has a verifier that succeeds nobody.
func TestWatchOfAnotherVerifiersToken(t *testing.T) {
	h := newHouse(t)
	a := h.in(t, jwt(t, claims{Exp: h.clock().Unix() + 3600}))
	other := h.verifier(t, func(v *token.Verifier) { v.Issuers = v.Issuers[1:] })
	watched, stop := other.Watch(t.Context(), a)
	defer stop(nil)
	wantCode(t, context.Cause(watched), "GH-1103")
}

func TestWatchOfNobody(t *testing.T) {
	h := newHouse(t)
	watched, stop := h.v.Watch(t.Context(), &token.Active{})
	defer stop(nil)
	wantCode(t, context.Cause(watched), "GH-1101")
}

// A token whose revocation was taken back can be watched again.
func TestARevocationThatIsTakenBack(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Iat: h.clock().Unix() - 5, Exp: h.clock().Unix() + 3600})
	watched, stop := h.v.Watch(t.Context(), h.in(t, text))
	defer stop(nil)
	h.revoke(t, mark(token.KindClient, "", "nobody", time.Time{}))
	must(t, watched.Err())
	r := h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
	wantCode(t, context.Cause(watched), "GH-1130")
	h.out(t, text, "GH-1130")
	_, err := h.service.Remove(t.Context(), r.ID)
	must(t, err)
	again, stop := h.v.Watch(t.Context(), h.in(t, text))
	defer stop(nil)
	must(t, again.Err())
	h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
	wantCode(t, context.Cause(again), "GH-1130")
}
