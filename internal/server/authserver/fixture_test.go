package authserver

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
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
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const (
	issuer   = "https://mcp.acme.test"
	resource = "https://mcp.acme.test/mcp"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
	proof    = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// Clients of every sort: vouched for, unknown, on the person's machine, behind a
// scheme of its own.
const (
	trusted  = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	stranger = "dcr-stranger"
	native   = "https://zed.dev/oauth/client-metadata.json"
	private  = "dcr-cursor"
	onlyLoop = "dcr-loopback"
)

// house is an authorization server over a real store, with a clock of its own.
type house struct {
	*Server
	t       *testing.T
	handler http.Handler
	clients book
	trail   trail
	log     bytes.Buffer
	tenant  tenant.ID
	logins  *login.Service
	ada     *login.User

	mu     sync.Mutex
	moment time.Time
}

type book map[string]*client.Client

func (b book) Find(_ context.Context, id string) (*client.Client, error) {
	switch c := b[id]; {
	case id == "https://away.test/client.json":
		return nil, client.ErrFetch
	case c == nil:
		return nil, client.ErrUnknown
	case c.State == client.Blocked:
		return nil, client.ErrBlocked
	case c.State == client.Pending:
		return nil, client.ErrPending
	default:
		one := *c
		return &one, nil
	}
}

type trail struct {
	mu     sync.Mutex
	events []audit.Event
	broken string // the action that cannot be written down; "*": none can
}

func (l *trail) Write(_ context.Context, e *audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == "*" || l.broken == e.Action {
		return audit.ErrUnwritable
	}
	l.events = append(l.events, *e)
	return nil
}
func (l *trail) Durable(ctx context.Context, e *audit.Event) error { return l.Write(ctx, e) }

func (l *trail) last() audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return audit.Event{}
	}
	return l.events[len(l.events)-1]
}

// upstream is a provider's name and title; nobody goes there.
type upstream struct {
	federation.Provider
	name, title string
}

func (u upstream) Name() string  { return u.name }
func (u upstream) Title() string { return u.title }

// newServer is one without a store.
func newServer(t testing.TB) *Server {
	t.Helper()
	key, err := seal.Derive(strings.Repeat("k", seal.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	return &Server{
		Issuer: issuer, Name: "Acme Notes", Seal: key, Log: slog.New(slog.DiscardHandler),
		Address: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false },
	}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, moment: time.Now().UTC()}
	db, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "g.db"), Now: h.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	key, err := seal.Derive(strings.Repeat("k", seal.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	acme, err := db.Tenants().ByName(t.Context(), tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	h.tenant = acme.ID
	marks := &token.Revocations{Source: db.Revocations(), Now: h.clock}
	grants := &grant.Service{
		Store: db.Grants(), Secret: bytes.Repeat([]byte{7}, 32), Issuer: issuer, Marks: marks, Now: h.clock, Changed: func() { _ = marks.Changed(context.Background()) },
	}
	h.clients = clientsOf()
	h.Server = &Server{
		Issuer: issuer, Name: "Acme Notes", Seal: key, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Now: h.clock, Trail: &h.trail,
		Clients: h.clients, Door: Door{Tenant: db.Tenants().Get, Grants: grants,
			Consents: &grant.Consents{Store: db.Consents(), For: 90 * 24 * time.Hour, Now: h.clock},
			Devices:  &grant.Devices{Store: db.Devices(), Service: grants, Now: h.clock},
			Requests: &grant.Requests{Store: db.Requests(), Now: h.clock}, Once: &grant.Once{Store: db.Once(), Now: h.clock}},
		Address:   func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false },
		Providers: []federation.Provider{upstream{nil, "google", "Google"}, upstream{nil, "github", "GitHub"}},
		Resources: []Resource{{URL: resource, Name: "Acme Notes", Scopes: []Scope{
			{Name: "notes:read", Title: "Read your notes", Default: true},
			{Name: "notes:write", Title: "Create and change notes"},
			{Name: "notes:purge"},
		}}},
		Settings: Settings{RefreshMax: 30 * 24 * time.Hour, RefreshIdle: 14 * 24 * time.Hour, SessionTTL: 12 * time.Hour, ShowTools: true},
	}
	h.people(db)
	h.handler = h.Handler()
	return h
}

func clientsOf() book {
	grants := []string{"authorization_code", "refresh_token"}
	return book{
		trusted: {
			ID: trusted, Kind: client.Document, State: client.Approved, Name: "Claude", Domain: "claude.ai", Version: "1", Grants: grants,
			RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"},
		},
		stranger: {
			ID: stranger, Kind: client.Dynamic, State: client.Known, Name: "Notes Helper", Version: "1", Grants: grants,
			RedirectURIs: []string{"https://app.test/cb"},
		},
		native: {
			ID: native, Kind: client.Document, State: client.Known, Name: "Zed", Domain: "zed.dev", Version: "1", Grants: grants, Native: true,
			RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]/callback"},
		},
		private: {
			ID: private, Kind: client.Dynamic, State: client.Known, Name: "Cursor", Version: "1", Grants: grants,
			RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"},
		},
		onlyLoop: {
			ID: onlyLoop, Kind: client.Dynamic, State: client.Known, Name: "Claude\u202e", Version: "1", Grants: grants,
			RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]/cb"},
		},
	}
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.moment
}

func (h *house) wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moment = h.moment.Add(d)
}

// ask is the query of a request that is right in everything but what is changed:
// pairs of a name and a value, which is left out if it is empty.
func ask(id, redirect string, change ...string) string {
	v := url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {redirect}, "state": {"s t&te"}, "code_challenge": {proof},
		"code_challenge_method": {"S256"}, "resource": {resource}, "scope": {"notes:read notes:write"},
	}
	for i := 0; i < len(change); i += 2 {
		v.Del(change[i])
		if change[i+1] != "" {
			v.Set(change[i], change[i+1])
		}
	}
	return "/authorize?" + v.Encode()
}

func askTrusted(change ...string) string {
	return ask(trusted, "https://claude.ai/api/mcp/auth_callback", change...)
}

// tab is a browser: it has cookies, and says where a form comes from.
type tab struct {
	h   *house
	jar http.CookieJar
}

func (h *house) browser() *tab {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &tab{h, jar}
}

// reply is what came back, read to its end.
type reply struct {
	*http.Response
	text string
}

func (b *tab) do(r *http.Request) *reply {
	b.h.t.Helper()
	u, err := url.Parse(issuer + r.URL.RequestURI())
	if err != nil {
		b.h.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.h.handler.ServeHTTP(w, r)
	res := w.Result()
	b.jar.SetCookies(u, res.Cookies())
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return &reply{res, string(text)}
}

func (b *tab) get(target string) *reply {
	b.h.t.Helper()
	return b.do(httptest.NewRequest("GET", target, nil))
}

func (b *tab) post(target string, v url.Values) *reply {
	b.h.t.Helper()
	r := httptest.NewRequest("POST", target, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

var (
	hidden  = regexp.MustCompile(`name="(flow|form)" value="([^"]*)"`)
	refresh = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]*)"`)
	linked  = regexp.MustCompile(`class="button" href="([^"]*)"`)
	ticked  = regexp.MustCompile(`name="scope" value="([^"]*)"[^>]* checked`)
)

// field is the value of a page's hidden field.
func (p *reply) field(t *testing.T, name string) string {
	t.Helper()
	for _, m := range hidden.FindAllStringSubmatch(p.text, -1) {
		if m[1] == name {
			return html.UnescapeString(m[2])
		}
	}
	t.Fatalf("no field %s: %d\n%s", name, p.StatusCode, p.text)
	return ""
}

// goes is where the page goes on to by itself; empty: it stays.
func (p *reply) goes() string { return firstOf(refresh, p.text) }

// link is where the page's button leads.
func (p *reply) link() string { return firstOf(linked, p.text) }

func firstOf(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

// decide presses a button of a consent page, with the boxes ticked as they are.
func (b *tab) decide(page *reply, decision string, scopes ...string) *reply {
	b.h.t.Helper()
	v := url.Values{"flow": {page.field(b.h.t, "flow")}, "decision": {decision}, "scope": scopes}
	if scopes == nil {
		for _, m := range ticked.FindAllStringSubmatch(page.text, -1) {
			v.Add("scope", m[1])
		}
	}
	return b.post("/auth/consent", v)
}

// answered takes an authorization response apart, and holds it to what every one has.
func answered(t *testing.T, to, redirect, state string) url.Values {
	t.Helper()
	rest, ok := strings.CutPrefix(to, redirect+"?")
	if !ok {
		t.Fatalf("got %q, want an answer at %s", to, redirect)
	}
	v, err := url.ParseQuery(rest)
	if err != nil {
		t.Fatal(err)
	}
	if v.Get("iss") != issuer || v.Get("state") != state {
		t.Errorf("got iss %q and state %q, want %q and %q", v.Get("iss"), v.Get("state"), issuer, state)
	}
	return v
}

// redeem is what the client does with a code.
func (h *house) redeem(code, id, redirect string) *grant.Grant {
	h.t.Helper()
	g, err := h.Grants.Redeem(h.t.Context(), grant.Redemption{Code: code, Client: id, Redirect: redirect, Verifier: verifier, Resource: resource, Public: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func isPage(t *testing.T, what string, p *reply, status int, code string) {
	t.Helper()
	if p.StatusCode != status || !strings.Contains(p.text, code) || p.Header.Get("Location") != "" {
		t.Errorf("%s: got %d, Location %q, want a page %d with %s\n%s", what, p.StatusCode, p.Header.Get("Location"), status, code, p.text)
	}
}

var errBroken = errors.New("the store is away")

func (b *tab) setCookie(name, value string) {
	u, _ := url.Parse(issuer)
	b.jar.SetCookies(u, []*http.Cookie{{Name: b.h.cookieName(name), Value: value, Path: "/", Secure: true}})
}

// finish is a way of signing in that has recognized somebody.
func (b *tab) finish(sealed string, who *login.Person) *reply {
	b.h.t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/test", func(w http.ResponseWriter, r *http.Request) {
		f, err := b.h.flowOf(r)
		if err != nil {
			b.h.fail(w, r, err)
			return
		}
		b.h.signedIn(w, r, f, who)
	})
	old := b.h.handler
	b.h.handler = entry{b.h.Server, mux}
	defer func() { b.h.handler = old }()
	return b.get("/auth/test?" + url.Values{"flow": {sealed}}.Encode())
}

func filterOf(h *house) grant.Filter { return grant.Filter{Subject: h.ada.ID} }

func paramsOf(t *testing.T, encoded string) *oauth.Params {
	t.Helper()
	p, e := oauth.ParseParams(encoded)
	if e != nil {
		t.Fatal(e)
	}
	return p
}
