package federation_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func isDead(err error) bool { return errors.Is(err, federation.ErrDead) }

func database(t *testing.T) *store.DB {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "g", "g.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	home, err := d.Tenants().ByName(t.Context(), tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"usr_1", "usr_2"} {
		if err := d.Login().CreateUser(t.Context(), home.ID, &login.User{ID: id, Username: id[4:], State: login.Active, Created: time.Now()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func sealKey(t *testing.T, text string) *seal.Key {
	t.Helper()
	k, err := seal.Derive(strings.Repeat(text, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func waiting(state, browser string) *federation.Waiting {
	return &federation.Waiting{
		Pending: federation.Pending{State: state, Provider: "acme", Redirect: callback, Nonce: "n-canary", Verifier: "v-canary", Began: time.Now().UTC()},
		Browser: browser, Flow: "the flow",
	}
}

func TestA022ASignInIsTakenOnce(t *testing.T) {
	l := &federation.Logins{Store: database(t).Federation(), Seal: sealKey(t, "k")}
	ctx := t.Context()
	for _, state := range []string{"tab-1", "tab-2"} { // in one browser
		if err := l.Keep(ctx, waiting(state, "ada's")); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []string{"tab-2", "tab-1"} {
		w, err := l.Take(ctx, state, "acme", "ada's")
		if err != nil {
			t.Fatal(err)
		}
		if w.State != state || w.Flow != "the flow" || w.Nonce != "n-canary" || w.Verifier != "v-canary" || w.Redirect != callback || w.Browser != "ada's" || w.Began.IsZero() {
			t.Errorf("got %+v", w)
		}
		_, err = l.Take(ctx, state, "acme", "ada's")
		wantRefusal(t, "a second time", nil, err, federation.CodeState)
	}
	for _, state := range []string{"", "made up", strings.Repeat("x", 300)} {
		_, err := l.Take(ctx, state, "acme", "ada's")
		wantRefusal(t, "a state of nobody", nil, err, federation.CodeState)
	}
}

func TestA030ASignInStaysInItsBrowser(t *testing.T) {
	l := &federation.Logins{Store: database(t).Federation(), Seal: sealKey(t, "k")}
	ctx := t.Context()
	if err := l.Keep(ctx, waiting("s", "eve's")); err != nil {
		t.Fatal(err)
	}
	_, err := l.Take(ctx, "s", "acme", "ada's")
	wantRefusal(t, "in the victim's", nil, err, federation.CodeBrowser)
	_, err = l.Take(ctx, "s", "acme", "")
	wantRefusal(t, "in one without a cookie", nil, err, federation.CodeBrowser)
	_, err = l.Take(ctx, "s", "other", "eve's")
	wantRefusal(t, "of another provider", nil, err, federation.CodeState)
	if _, err := l.Take(ctx, "s", "acme", "eve's"); err != nil {
		t.Errorf("it was used up by others: %v", err)
	}
	if err := l.Keep(ctx, waiting("s", "")); err == nil {
		t.Error("a sign-in of no browser was kept")
	}
}

func TestA022ASignInEndsAfterTenMinutes(t *testing.T) {
	later := time.Duration(0)
	l := &federation.Logins{Store: database(t).Federation(), Seal: sealKey(t, "k"), Now: func() time.Time { return time.Now().Add(later) }}
	if err := l.Keep(t.Context(), waiting("s", "ada's")); err != nil {
		t.Fatal(err)
	}
	later = 10*time.Minute + time.Second
	_, err := l.Take(t.Context(), "s", "acme", "ada's")
	wantRefusal(t, "after ten minutes", nil, err, federation.CodeState)
}

// issuing is a provider that gives tokens, and counts.
type issuing struct {
	federation.Provider
	calls atomic.Int64
	give  func(refresh string, n int64) (*federation.Tokens, error)
}

func (i *issuing) Name() string  { return "acme" }
func (i *issuing) Title() string { return "Acme ID" }
func (i *issuing) Refresh(_ context.Context, refresh string) (*federation.Tokens, error) {
	return i.give(refresh, i.calls.Add(1))
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newVault(t *testing.T, p federation.Provider) (*federation.Vault, *clock) {
	c := &clock{at: time.Now()}
	return &federation.Vault{Store: database(t).Federation(), Seal: sealKey(t, "k"), Providers: map[string]federation.Provider{"acme": p}, Now: c.now}, c
}

const acme, bolt = tenant.ID("acme-id"), tenant.ID("bolt-id")

func TestTokensAreRenewedOnce(t *testing.T) {
	p := &issuing{}
	v, c := newVault(t, p)
	p.give = func(refresh string, n int64) (*federation.Tokens, error) {
		if refresh != "r1" {
			return nil, federation.ErrDead
		}
		return &federation.Tokens{Access: "a2", Refresh: "r2", Expires: c.now().Add(time.Hour)}, nil
	}
	ctx := t.Context()
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a1", Refresh: "r1", Expires: c.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a1" || err != nil || p.calls.Load() != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	c.pass(time.Hour - 30*time.Second)
	replica := *v // another one, with the same rows
	var wg sync.WaitGroup
	for i := range 32 {
		use := v
		if i%2 == 0 {
			use = &replica
		}
		wg.Go(func() {
			if got, err := use.Token(ctx, acme, "usr_1", "acme"); got != "a2" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := p.calls.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestTokensThatAreGone(t *testing.T) {
	p := &issuing{give: func(string, int64) (*federation.Tokens, error) { return nil, federation.ErrDead }}
	v, c := newVault(t, p)
	ctx := t.Context()
	short := &federation.Tokens{Access: "a1", Refresh: "r1", Expires: c.now().Add(time.Second)}
	again := func(what string, tn tenant.ID, user, provider string) {
		t.Helper()
		got, err := v.Token(ctx, tn, user, provider)
		r := wantRefusal(t, what, nil, err, federation.CodeSignIn)
		if got != "" || !strings.Contains(r.Text, "Sign in again") {
			t.Errorf("%s: got %q, %q", what, got, r.Text)
		}
	}
	again("nobody signed in", acme, "usr_1", "acme")
	if err := v.Keep(ctx, acme, "usr_1", "acme", short); err != nil {
		t.Fatal(err)
	}
	again("another tenant's", bolt, "usr_1", "acme")
	again("another user's", acme, "usr_2", "acme")
	again("another provider's", acme, "usr_1", "other")
	again("the refresh token is dead", acme, "usr_1", "acme")
	again("and stays so", acme, "usr_1", "acme")
	if n := p.calls.Load(); n != 1 {
		t.Errorf("the provider was asked %d times about a dead token", n)
	}
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a2", Expires: c.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a2" || err != nil {
		t.Errorf("after a new sign-in: got %q, %v", got, err)
	}
	if err := v.Forget(ctx, acme, "usr_1", ""); err != nil {
		t.Fatal(err)
	}
	again("forgotten", acme, "usr_1", "acme")
}

func TestTokensWhileTheProviderIsDown(t *testing.T) {
	p := &issuing{give: func(string, int64) (*federation.Tokens, error) { return nil, federation.ErrUnavailable }}
	v, c := newVault(t, p)
	ctx := t.Context()
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a1", Refresh: "r1", Expires: c.now().Add(30 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a1" || err != nil {
		t.Errorf("while it is still good: got %q, %v", got, err)
	}
	c.pass(time.Minute)
	_, err := v.Token(ctx, acme, "usr_1", "acme")
	wantRefusal(t, "afterwards", nil, err, federation.CodeUnavailable)
	p.give = func(string, int64) (*federation.Tokens, error) {
		return &federation.Tokens{Access: "a2", Expires: c.now().Add(time.Hour)}, nil
	}
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a2" || err != nil {
		t.Errorf("later: got %q, %v", got, err)
	}
	c.pass(time.Hour)
	used := ""
	p.give = func(refresh string, _ int64) (*federation.Tokens, error) {
		used = refresh
		return &federation.Tokens{Access: "a3"}, nil
	}
	if _, err := v.Token(ctx, acme, "usr_1", "acme"); err != nil || used != "r1" {
		t.Errorf("a refresh token that was not replaced is lost: %q, %v", used, err)
	}
}

// A replica that died while it renewed keeps nobody waiting for ever.
func TestALeaseEnds(t *testing.T) {
	p := &issuing{}
	v, c := newVault(t, p)
	ctx := t.Context()
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a1", Refresh: "r1", Expires: c.now().Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	p.give = func(string, int64) (*federation.Tokens, error) { return &federation.Tokens{Access: "a2"}, nil }
	r, err := v.Store.Tokens(ctx, acme, "usr_1", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if mine, err := v.Store.LeaseTokens(ctx, acme, r, "the dead one", c.now(), c.now().Add(30*time.Second)); !mine || err != nil {
		t.Fatal(mine, err)
	}
	c.pass(31 * time.Second)
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a2" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Rows are sealed each for its own user: nobody gets another's by a change of the database.
func TestTokensCannotBeExchangedForOneAnother(t *testing.T) {
	v, _ := newVault(t, &issuing{})
	ctx := t.Context()
	for _, user := range []string{"usr_1", "usr_2"} {
		if err := v.Keep(ctx, acme, user, "acme", &federation.Tokens{Access: "canary-" + user}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := v.Store.Tokens(ctx, acme, "usr_1", "acme")
	if err != nil || strings.Contains(r.Sealed, "canary") {
		t.Fatalf("got %+v, %v", r, err)
	}
	r.User = "usr_2"
	if err := v.Store.PutTokens(ctx, acme, r); err != nil {
		t.Fatal(err)
	}
	got, err := v.Token(ctx, acme, "usr_2", "acme")
	wantRefusal(t, "a row of another", nil, err, federation.CodeSignIn)
	if got != "" {
		t.Errorf("got %q", got)
	}
	v.Seal = sealKey(t, "j")
	_, err = v.Token(ctx, acme, "usr_1", "acme")
	wantRefusal(t, "under another key", nil, err, federation.CodeSignIn)
}

func TestRefreshAtAnOpenIDProvider(t *testing.T) {
	d := newDouble(t)
	s := d.settings()
	s.KeepTokens = true
	p := open(t, s)
	_, sent := d.begin(p, false)
	if !strings.Contains(sent.Get("scope"), "offline_access") {
		t.Errorf("sent %v", sent)
	}
	who, err := d.signIn(p)
	if err != nil || who.Tokens == nil || who.Tokens.Access != "access-canary" || who.Tokens.Refresh != "refresh-canary" {
		t.Fatalf("got %+v, %v", who, err)
	}
	fresh, err := p.Refresh(t.Context(), "refresh-canary")
	if err != nil || fresh.Access != "access-canary" || fresh.Expires.IsZero() || d.form.Get("refresh_token") != "refresh-canary" || d.basic[1] != "our-secret" {
		t.Errorf("got %+v, %v, %v", fresh, err, d.form)
	}
	d.token = func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"revoked"}`))
		return true
	}
	if _, err := p.Refresh(t.Context(), "refresh-canary"); !isDead(err) {
		t.Errorf("got %v", err)
	}
	if _, err := p.Refresh(t.Context(), ""); !isDead(err) {
		t.Errorf("got %v", err)
	}
	d.token = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }
	if _, err := p.Refresh(t.Context(), "refresh-canary"); !errors.Is(err, federation.ErrUnavailable) || isDead(err) {
		t.Errorf("got %v", err)
	}
}

// Once everything is sealed anew, the old key is not needed any more.
func TestTokensAreSealedAnew(t *testing.T) {
	v, _ := newVault(t, &issuing{})
	ctx := t.Context()
	if err := v.Keep(ctx, acme, "usr_1", "acme", &federation.Tokens{Access: "a1"}); err != nil {
		t.Fatal(err)
	}
	old, next := v.Seal, sealKey(t, "n")
	v.Seal = next.After(old)
	if err := v.Reseal(ctx); err != nil {
		t.Fatal(err)
	}
	v.Seal = next
	if got, err := v.Token(ctx, acme, "usr_1", "acme"); got != "a1" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	v.Seal = sealKey(t, "o").After(sealKey(t, "p")) // neither opens it
	if err := v.Reseal(ctx); err != nil {
		t.Errorf("what cannot be opened ends everything: %v", err)
	}
}
