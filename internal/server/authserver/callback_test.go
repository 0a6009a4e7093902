package authserver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// diary keeps what it is told.
type diary struct {
	mu  sync.Mutex
	all []audit.Event
}

func (t *diary) Durable(_ context.Context, e *audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, *e)
	return nil
}

func (t *diary) Write(ctx context.Context, e *audit.Event) error { return t.Durable(ctx, e) }

// find returns the last event of an action.
func (t *diary) find(action string) audit.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.all {
		if e := t.all[len(t.all)-1-i]; e.Action == action {
			return e
		}
	}
	return audit.Event{}
}

// upstreamDouble is a provider that sends people to itself, and believes them.
type upstreamDouble struct {
	federation.Provider
	name      string
	refuse    *federation.Refusal
	tokens    *federation.Tokens
	prompt    bool
	began     int
	finish    []federation.Callback
	redirects []string
}

func (u *upstreamDouble) Name() string  { return u.name }
func (u *upstreamDouble) Title() string { return strings.ToUpper(u.name) }

func (u *upstreamDouble) Begin(_ context.Context, redirect, _ string, prompt bool) (*federation.Start, error) {
	u.began++
	u.prompt = prompt
	state := rand.Text()
	return &federation.Start{
		URL:     "https://" + u.name + ".test/authorize?" + url.Values{"state": {state}, "redirect_uri": {redirect}}.Encode(),
		Pending: federation.Pending{State: state, Provider: u.name, Redirect: redirect, Verifier: "v", Began: time.Now()},
	}, nil
}

func (u *upstreamDouble) Finish(_ context.Context, redirect string, p *federation.Pending, c *federation.Callback) (*federation.Profile, error) {
	u.finish, u.redirects = append(u.finish, *c), append(u.redirects, redirect)
	if u.refuse != nil {
		return nil, u.refuse
	}
	return &federation.Profile{Provider: u.name, Issuer: "https://" + u.name + ".test", Subject: "sub-" + c.Code, Email: c.Code + "@acme.com", Groups: []string{"eng"}, Tokens: u.tokens}, nil
}

// abroad is an authorization server with people, and two providers.
type abroad struct {
	home tenant.ID
	*Server
	t            *testing.T
	trail        *diary
	honest, evil *upstreamDouble
	handler      http.Handler
	db           *store.DB
}

func newAbroad(t *testing.T) *abroad {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "g", "g.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	home, err := db.Tenants().ByName(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	h := &abroad{Server: newServer(t), t: t, trail: &diary{}, honest: &upstreamDouble{name: "honest"}, evil: &upstreamDouble{name: "evil"}, db: db}
	s := h.Server
	s.Log, s.Address = slog.New(slog.DiscardHandler), func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false }
	s.Trail, s.Providers, h.home = h.trail, []federation.Provider{h.honest, h.evil}, home.ID
	s.Place = func(context.Context, *federation.Profile) (tenant.ID, error) { return home.ID, nil }
	s.Logins = &federation.Logins{Store: db.Federation(), Seal: s.Seal}
	s.Vault = &federation.Vault{Store: db.Federation(), Seal: s.Seal, Providers: map[string]federation.Provider{"honest": h.honest}}
	s.People = &login.Service{Store: db.Login(), Seal: s.Seal, Issuer: s.Issuer}
	h.handler = s.Handler()
	return h
}

// guest keeps cookies.
type guest struct {
	h       *abroad
	cookies map[string]string
}

func (h *abroad) browser() *guest { return &guest{h, map[string]string{}} }

// get visits a page. Of a redirect the place comes back.
func (b *guest) get(target string) (status int, location, page string) {
	b.h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.h.handler.ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return w.Code, w.Header().Get("Location"), w.Body.String()
}

// flow begins a sign-in without a client in this browser, and returns it sealed.
func (b *guest) flow() string {
	b.h.t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/account", nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b.h.beginAt(w, r, "/account")
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		b.h.t.Fatal(err)
	}
	return u.Query().Get("flow")
}

// leave goes to a provider and returns the state that it was given.
func (b *guest) leave(provider, sealed string) string {
	b.h.t.Helper()
	status, to, page := b.get("/auth/login/" + provider + "?" + url.Values{"flow": {sealed}}.Encode())
	u, err := url.Parse(to)
	if err != nil || status != http.StatusSeeOther || u.Host != provider+".test" || u.Query().Get("redirect_uri") != "https://mcp.acme.test/auth/callback/"+provider {
		b.h.t.Fatalf("got %d %q, %s", status, to, page)
	}
	return u.Query().Get("state")
}

func answerOf(provider, code, state string) string {
	return "/auth/callback/" + provider + "?" + url.Values{"code": {code}, "state": {state}}.Encode()
}

func (b *guest) signedIn() bool { return b.cookies["__Host-gatehouse-session"] != "" }

var refCode = regexp.MustCompile(`GH-\d{4}`)

// wantRefused visits a page that refuses with a code, and lets nobody in.
func (b *guest) wantRefused(what, target string, status int, code string) string {
	b.h.t.Helper()
	got, to, page := b.get(target)
	if got != status || refCode.FindString(page) != code || to != "" || b.signedIn() {
		b.h.t.Errorf("%s: got %d %q %s, signed in %v; want %d %s\n%s", what, got, to, refCode.FindString(page), b.signedIn(), status, code, page)
	}
	if e := b.h.trail.find("callback"); e.Code != "" && e.Code != code && strings.Contains(target, "callback") {
		b.h.t.Errorf("%s: the trail has %s %q", what, e.Code, e.Reason)
	}
	return page
}

func TestPeopleComeBackFromTheirProvider(t *testing.T) {
	h := newAbroad(t)
	h.honest.tokens = &federation.Tokens{Access: "upstream-canary"}
	b := h.browser()
	sealed := b.flow()
	state := b.leave("honest", sealed)
	if e := h.trail.find("login"); e.Outcome != audit.OK || e.Detail["provider"] != "honest" || e.Request == "" {
		t.Errorf("the trail has %+v", e)
	}
	status, to, page := b.get(answerOf("honest", "ada", state))
	if status != http.StatusSeeOther || to != "/account" || !b.signedIn() {
		t.Fatalf("got %d %q, signed in %v: %s", status, to, b.signedIn(), page)
	}
	who, err := h.People.Session(t.Context(), b.cookies["__Host-gatehouse-session"])
	if err != nil || who.Identity.Issuer != "https://honest.test" || who.Identity.Subject != "sub-ada" || who.Session.Provider != "honest" || who.Tenant != h.home {
		t.Fatalf("got %+v, %v", who, err)
	}
	if e := h.trail.find("callback"); e.Subject != who.ID || e.Detail["subject"] != "sub-ada" || e.Outcome != audit.OK || e.Request == "" {
		t.Errorf("the trail has %+v", e)
	}
	if got, err := h.Vault.Token(t.Context(), who.Tenant, who.ID, "honest"); got != "upstream-canary" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, e := range h.trail.all {
		for _, text := range e.Detail {
			if strings.Contains(text, "canary") {
				t.Errorf("the trail has %+v", e)
			}
		}
	}
	for name, value := range b.cookies {
		if strings.Contains(value, "canary") {
			t.Errorf("cookie %s has %q", name, value)
		}
	}
}

func TestA022StateIsGoodOnceAndTabsAreApart(t *testing.T) {
	h := newAbroad(t)
	b := h.browser()
	first, second := b.leave("honest", b.flow()), b.leave("honest", b.flow())
	if _, to, _ := b.get(answerOf("honest", "ada", second)); to != "/account" {
		t.Errorf("the second tab: got %q", to)
	}
	if _, to, _ := b.get(answerOf("honest", "ada", first)); to != "/account" {
		t.Errorf("the first tab: got %q", to)
	}
	delete(b.cookies, "__Host-gatehouse-session")
	b.wantRefused("a second time", answerOf("honest", "ada", first), http.StatusBadRequest, "GH-1440")
	b.wantRefused("no state", "/auth/callback/honest?code=x", http.StatusBadRequest, "GH-1440")
	b.wantRefused("a state of nobody", answerOf("honest", "x", "made-up"), http.StatusBadRequest, "GH-1440")
	state := b.leave("honest", b.flow())
	b.wantRefused("two states", answerOf("honest", "x", state)+"&state=other", http.StatusBadRequest, "GH-1400")
	b.wantRefused("two codes", answerOf("honest", "x", state)+"&code=other", http.StatusBadRequest, "GH-1400")
	if len(h.honest.finish) != 2 {
		t.Errorf("the provider was asked about %v", h.honest.finish)
	}
	now := time.Now()
	h.Now = func() time.Time { return now.Add(11 * time.Minute) }
	h.Logins.Now = h.Now
	b.wantRefused("after eleven minutes", answerOf("honest", "x", state), http.StatusBadRequest, "GH-1440")
}

func TestA030AnAnswerCountsInItsOwnBrowser(t *testing.T) {
	h := newAbroad(t)
	eve, ada := h.browser(), h.browser()
	state := eve.leave("honest", eve.flow())
	ada.wantRefused("in a browser that knows nothing", answerOf("honest", "ada", state), http.StatusForbidden, "GH-1441")
	ada.leave("honest", ada.flow())
	ada.wantRefused("in a browser with a sign-in of its own", answerOf("honest", "ada", state), http.StatusForbidden, "GH-1441")
	if len(h.honest.finish) != 0 {
		t.Errorf("the provider was asked about %v", h.honest.finish)
	}
	ada.wantRefused("another's flow", "/auth/login/honest?"+url.Values{"flow": {eve.flow()}}.Encode(), http.StatusForbidden, "GH-1421")
}

func TestA031TheAnswerOfOneProviderIsNeverAnothers(t *testing.T) {
	h := newAbroad(t)
	b := h.browser()
	state := b.leave("evil", b.flow())
	b.wantRefused("at the honest one's callback", answerOf("honest", "honest-code", state), http.StatusBadRequest, "GH-1440")
	if len(h.honest.finish)+len(h.evil.finish) != 0 {
		t.Error("a code was taken on")
	}
	b.wantRefused("at nobody's callback", answerOf("nobody", "x", state), http.StatusNotFound, "GH-1449")
	b.wantRefused("nobody's sign-in", "/auth/login/nobody?"+url.Values{"flow": {b.flow()}}.Encode(), http.StatusNotFound, "GH-1449")
}

func TestA020NobodyIsSentOnBeforeTheyAllowedAClient(t *testing.T) {
	h := newAbroad(t)
	b := h.browser()
	b.flow() // sets the cookie
	f := &flow{ID: "f", Began: time.Now(), Client: "c", Browser: browserHash(b.cookies["__Host-gatehouse-browser"])}
	sealed, err := h.sealFlow(f)
	if err != nil {
		t.Fatal(err)
	}
	b.wantRefused("nothing was allowed", "/auth/login/honest?"+url.Values{"flow": {sealed}}.Encode(), http.StatusBadRequest, "GH-1420")
	f.Consent, f.Browser = []string{"a"}, ""
	if sealed, err = h.sealFlow(f); err != nil {
		t.Fatal(err)
	}
	b.wantRefused("of no browser", "/auth/login/honest?"+url.Values{"flow": {sealed}}.Encode(), http.StatusForbidden, "GH-1421")
	b.wantRefused("no flow", "/auth/login/honest", http.StatusBadRequest, "GH-1420")
	if h.honest.began != 0 {
		t.Error("the provider was gone to")
	}
}

func TestWhoIsRefusedCanTryAnotherAccount(t *testing.T) {
	h := newAbroad(t)
	h.honest.refuse = &federation.Refusal{Code: federation.CodeAllow, Text: "You signed in to HONEST as eve@gmail.com. Acme allows acme.com addresses.", Account: "eve@gmail.com"}
	b := h.browser()
	page := b.wantRefused("not allowed", answerOf("honest", "eve", b.leave("honest", b.flow())), http.StatusForbidden, "GH-1444")
	again := regexp.MustCompile(`href="(/auth/login\?[^"]+)"`).FindStringSubmatch(page)
	if !strings.Contains(page, "Acme allows acme.com addresses.") || again == nil || !strings.Contains(again[1], "switch=1") {
		t.Fatalf("got %s", page)
	}
	if e := h.trail.find("callback"); e.Outcome != audit.Refused || e.Code != "GH-1444" || e.Request == "" || e.Detail["provider"] != "honest" {
		t.Errorf("the trail has %+v", e)
	}
	_, _, page = b.get(strings.ReplaceAll(again[1], "&amp;", "&"))
	next := regexp.MustCompile(`href="(/auth/login/honest\?[^"]+)"`).FindStringSubmatch(page)
	if next == nil {
		t.Fatalf("got %s", page)
	}
	h.honest.refuse = nil
	_, to, _ := b.get(strings.ReplaceAll(next[1], "&amp;", "&"))
	if u, err := url.Parse(to); err != nil || u.Host != "honest.test" || !h.honest.prompt {
		t.Errorf("got %q, prompt %v", to, h.honest.prompt)
	}
	h.honest.refuse = &federation.Refusal{Code: federation.CodeUnavailable, Text: "HONEST does not answer at present."}
	b.wantRefused("away", answerOf("honest", "x", b.leave("honest", b.flow())), http.StatusServiceUnavailable, "GH-1446")
}

// arrived has somebody sign in by a provider, and returns who they are here.
func (h *abroad) arrived(b *guest) (*login.Service, *login.Person) {
	h.t.Helper()
	if _, to, _ := b.get(answerOf("honest", "ada", b.leave("honest", b.flow()))); to != "/account" {
		h.t.Fatalf("got %q", to)
	}
	people, ok := h.People.(*login.Service)
	if !ok {
		h.t.Fatal("no service")
	}
	who, err := people.Session(h.t.Context(), b.cookies["__Host-gatehouse-session"])
	if err != nil {
		h.t.Fatal(err)
	}
	return people, who
}

func TestDisabledPeopleStayOut(t *testing.T) {
	h := newAbroad(t)
	b := h.browser()
	people, who := h.arrived(b)
	people.EndTokens = func(context.Context, string, string, string) error { return nil }
	if _, err := people.Disable(t.Context(), who.Tenant, who.ID, "admin", "left"); err != nil {
		t.Fatal(err)
	}
	delete(b.cookies, "__Host-gatehouse-session")
	page := b.wantRefused("disabled", answerOf("honest", "ada", b.leave("honest", b.flow())), http.StatusForbidden, "GH-1444")
	if !strings.Contains(page, "disabled") {
		t.Errorf("got %s", page)
	}
}

func TestWhoHasMovedToAnotherTenantIsToldSo(t *testing.T) {
	h := newAbroad(t)
	b := h.browser()
	people, known := h.arrived(b)
	next := tenant.Tenant{ID: "bolt", Name: "bolt", State: tenant.Active, Created: time.Now(), Changed: time.Now()}
	if err := h.db.Tenants().Create(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	h.Place = func(context.Context, *federation.Profile) (tenant.ID, error) { return next.ID, nil }
	b = h.browser()
	page := b.wantRefused("moved", answerOf("honest", "ada", b.leave("honest", b.flow())), http.StatusForbidden, "GH-1439")
	for _, want := range []string{"You are known here in another organization", "gatehouse user delete " + known.ID, "Use another account"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	people.EndTokens = func(context.Context, string, string, string) error { return nil }
	if _, err := people.Delete(t.Context(), known.Tenant, known.ID, "root", "moved"); err != nil {
		t.Fatal(err)
	}
	if _, to, _ := b.get(answerOf("honest", "ada", b.leave("honest", b.flow()))); to != "/account" {
		t.Errorf("after the deletion: got %q", to)
	}
	who, err := people.Session(t.Context(), b.cookies["__Host-gatehouse-session"])
	if err != nil || who.ID == known.ID || who.Tenant != next.ID {
		t.Errorf("got %+v, %v", who, err)
	}
}
