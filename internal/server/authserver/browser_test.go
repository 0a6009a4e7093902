package authserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// world is a house that a browser can go to, with a provider and clients around
// it. Every host is this machine; each answers by its name.
type world struct {
	*house
	port  string
	local *httptest.Server // a client's own, on the person's machine

	mu    sync.Mutex
	flows map[string]string // by state, at the provider
}

func newWorld(t *testing.T) *world {
	t.Helper()
	v := &world{house: newHouse(t), flows: map[string]string{}}
	outside := httptest.NewTLSServer(http.HandlerFunc(v.serve))
	t.Cleanup(outside.Close)
	v.local = httptest.NewServer(http.HandlerFunc(landed))
	t.Cleanup(v.local.Close)
	v.port = outside.URL[strings.LastIndex(outside.URL, ":"):]
	v.Issuer = "https://mcp.acme.test" + v.port
	v.Resources[0].Tools = func(_ context.Context, scope string) []string {
		return map[string][]string{
			"notes:read":  {"get_note", "list_notes", "search"},
			"notes:write": {"create_note", "update_note", "move_note", "tag_note", "untag_note", "archive_note", "restore_note", "pin_note"},
		}[scope]
	}
	v.clients[stranger].RedirectURIs = []string{"https://app.test" + v.port + "/cb"}
	v.clients[trusted].RedirectURIs = []string{"https://claude.ai" + v.port + "/cb"}
	v.handler = v.Handler()
	return v
}

func landed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = fmt.Fprintf(w, "<!doctype html><title>client</title><p>Landed at %s", r.Host)
}

// serve answers every host: the house, a provider whose own policy allows its
// form to lead to us and no further, and clients.
func (v *world) serve(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	switch {
	case host == "idp.test" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self' "+v.Issuer)
		_, _ = io.WriteString(w, `<!doctype html><title>provider</title><form method="post" action="/in?`+r.URL.RawQuery+`"><button>I am Ada</button></form>`)
	case host == "idp.test":
		http.Redirect(w, r, v.Issuer+"/auth/callback/google?state="+r.URL.Query().Get("state"), http.StatusSeeOther)
	case host != "mcp.acme.test":
		landed(w, r)
	case strings.HasPrefix(r.URL.Path, "/auth/login/"):
		v.mu.Lock()
		state := fmt.Sprint("state", len(v.flows))
		v.flows[state] = r.URL.Query().Get("flow")
		v.mu.Unlock()
		http.Redirect(w, r, "https://idp.test"+v.port+"/?state="+state, http.StatusSeeOther)
	case strings.HasPrefix(r.URL.Path, "/auth/callback/"):
		entry{v.Server, http.HandlerFunc(v.callback)}.ServeHTTP(w, r)
	default:
		v.handler.ServeHTTP(w, r)
	}
}

func (v *world) callback(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	sealed := v.flows[r.URL.Query().Get("state")]
	v.mu.Unlock()
	f, err := v.flowFrom(r, sealed)
	if err != nil {
		v.fail(w, r, err)
		return
	}
	cookie, who := v.open(v.ada)
	v.setSession(w, cookie)
	v.signedIn(w, r, f, who)
}

func (v *world) ask(id, redirect string, change ...string) string {
	return v.Issuer + ask(id, redirect, append([]string{"resource", ""}, change...)...)
}

// looks are the sizes and colours that every page is looked at in.
var looks = []struct {
	name          string
	width, height int64
	dark          bool
}{
	{"phone", 360, 740, false}, {"phone-dark", 360, 740, true}, {"desktop-dark", 1280, 900, true}, {"desktop", 1280, 900, false},
}

// look looks at a page in two ways that have each size and each colour, and for
// pictures in all four.
func look(b *chromium.Tab, name string) {
	for i, l := range looks {
		if os.Getenv("GATEHOUSE_SHOTS") == "" && i%2 != 0 {
			continue
		}
		b.Look(l.width, l.height, l.dark)
		b.Check(name + ", " + l.name)
		b.Shot(name + "-" + l.name)
	}
}

// TestInABrowser goes through every page in Chromium, as a person does.
func TestInABrowser(t *testing.T) {
	v := newWorld(t)
	b := chromium.Open(t)
	t.Run("a client of the web", func(t *testing.T) { v.webClient(t, b.For(t)) })
	t.Run("one right more, after the session ended", func(t *testing.T) { v.stepUpInABrowser(t, chromium.Open(t)) })
	t.Run("a client on this machine", func(t *testing.T) { v.nativeClients(t, b.For(t)) })
	t.Run("a client behind a scheme of its own", func(t *testing.T) { v.privateClient(t, chromium.Open(t)) })
	t.Run("a device", func(t *testing.T) { v.deviceInABrowser(t, b.For(t)) })
	t.Run("an account", func(t *testing.T) { v.accountInABrowser(t, b.For(t)) })
	t.Run("plain HTTP on this machine", func(t *testing.T) { plainHTTP(t, chromium.Open(t)) })
	t.Run("what goes wrong", func(t *testing.T) { v.wrongInABrowser(t, b.For(t)) })
	b.For(t)
	for _, one := range b.Messages() {
		if !strings.Contains(one, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", one)
		}
	}
}

func (v *world) webClient(t *testing.T, b *chromium.Tab) {
	back := "https://app.test" + v.port + "/cb"
	b.Go(v.ask(stranger, back, "scope", "notes:read notes:write notes:purge"))
	b.WaitFor("wants to use Acme Notes")
	look(b, "consent-stranger")
	b.Press("Create and change notes")
	b.Press("Allow")
	b.WaitFor("Continue with Google")
	look(b, "login")
	b.Press("Continue with Google")
	b.WaitAt("https://idp.test")
	b.Press("I am Ada")
	at := b.WaitAt(back + "?code=")
	u, _ := url.Parse(at)
	if u.Query().Get("iss") != v.Issuer || u.Query().Get("state") != "s t&te" {
		t.Errorf("got %s", at)
	}
	g, err := v.Grants.Redeem(t.Context(), grant.Redemption{Code: u.Query().Get("code"), Client: stranger, Redirect: back, Verifier: verifier, Public: true})
	if err != nil || fmt.Sprint(g.Scopes) != "[notes:read notes:write]" {
		t.Errorf("got %+v %v, want what was ticked", g, err)
	}
	b.Go(v.ask(trusted, "https://claude.ai"+v.port+"/cb", "scope", "notes:read notes:write"))
	b.WaitFor("Signed in as ada@acme.test")
	look(b, "consent-trusted")
	b.Press("Allow")
	b.WaitAt("https://claude.ai" + v.port + "/cb?code=")
	b.Go(v.ask(trusted, "https://claude.ai"+v.port+"/cb", "scope", "notes:read notes:write"))
	b.WaitAt("https://claude.ai" + v.port + "/cb?code=") // without a page
	b.Go(v.ask(stranger, back, "scope", "notes:purge"))
	b.Press("Cancel")
	b.WaitFor("Nothing was granted")
	look(b, "cancelled")
	b.Press("Return to Notes Helper")
	b.WaitAt(back + "?error=access_denied")
}

func (v *world) stepUpInABrowser(t *testing.T, b *chromium.Tab) {
	back, everything := "https://claude.ai"+v.port+"/cb", "notes:read notes:write notes:purge"
	b.Go(v.ask(trusted, back, "scope", everything))
	b.Press("Allow")
	b.Press("Continue with Google")
	b.WaitAt("https://idp.test")
	b.Press("I am Ada")
	b.WaitFor("You have used this app before")
	look(b, "consent-again")
	b.Press("Create and change notes") // takes the tick away
	b.Press("Allow")
	b.WaitAt(back + "?code=")
	b.Go(v.ask(trusted, back, "scope", everything))
	b.WaitFor("You did not allow this last time")
	look(b, "consent-refused-before")
}

func (v *world) nativeClients(t *testing.T, b *chromium.Tab) {
	back := v.local.URL + "/callback"
	b.Go(v.ask(native, back))
	b.WaitFor("Any program on this computer can claim to be")
	look(b, "consent-loopback")
	b.Press("Allow")
	b.WaitAt(back + "?code=")
	b.Back()
	b.WaitFor("wants to use")
	b.Press("Allow")
	b.WaitAt(back + "?code=") // the same once more, for a moment
	v.wait(time.Minute)
	b.Back()
	b.WaitFor("wants to use")
	b.Press("Allow")
	b.WaitFor("This was decided before")
	look(b, "wrong-decided-before")
}

// privateClient has a tab of its own: the browser asks whether to open an app, and
// takes no more clicks in that tab.
func (v *world) privateClient(t *testing.T, b *chromium.Tab) {
	cursor := "cursor://anysphere.cursor-mcp/oauth/callback"
	b.Go(v.ask(private, cursor))
	b.WaitFor("Any app on this device can claim to be")
	look(b, "consent-private")
	b.Press("Allow")
	b.Press("Continue with Google")
	b.Press("I am Ada")
	if to := b.WaitAsked(cursor + "?code="); !strings.Contains(to, "&state=s+t%26te&iss=") {
		t.Errorf("got %s", to)
	}
	b.WaitFor("Open Cursor")
	for _, l := range looks { // the browser's question may have the focus
		b.Look(l.width, l.height, l.dark)
		b.Shot("open-cursor-" + l.name)
	}
	b.Press("Open Cursor")
	b.WaitFor("Open Cursor") // the page is still there for those who have no such app
}

// plainHTTP is for developers: a browser takes no cookie with the prefix from it,
// so there is none, and a flow goes on all the same.
func plainHTTP(t *testing.T, b *chromium.Tab) {
	h := newHouse(t)
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }))
	defer here.Close()
	h.Issuer = here.URL
	h.handler = h.Handler()
	b.Go(here.URL + ask(native, "http://127.0.0.1:4000/callback", "resource", ""))
	b.Press("Allow")
	b.WaitFor("Continue with GitHub")
}

func (v *world) deviceInABrowser(t *testing.T, b *chromium.Tab) {
	started, err := v.Devices.Begin(t.Context(), &grant.Device{Client: native, Scopes: []string{"notes:read"}, Resource: resource, Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	b.Go(v.Issuer + "/device")
	look(b, "device")
	b.Fill("Code", "bcdf ghjk")
	b.Press("Continue")
	b.WaitFor("No device waits with this code")
	look(b, "device-wrong")
	b.Fill("Code", strings.ToLower(strings.ReplaceAll(started.UserCode, "-", "")))
	b.Key("\r")
	b.WaitFor("Check that your device shows this code")
	b.WaitFor(started.UserCode)
	look(b, "consent-device")
	b.Press("Allow")
	b.WaitFor("return to your device")
	look(b, "device-done")
	v.wait(time.Minute)
	if _, err := v.Devices.Poll(t.Context(), started.DeviceCode, native, ""); err != nil {
		t.Error(err)
	}
}

func (v *world) accountInABrowser(t *testing.T, b *chromium.Tab) {
	other := v.browser()
	other.signIn(v.ada)
	b.Go(v.Issuer + "/account")
	b.WaitFor("Connected apps")
	look(b, "account")
	b.Press("End access “Notes Helper”")
	b.WaitFor("The app has no access any more.")
	look(b, "account-ended")
	b.Press("Sign out everywhere")
	b.WaitFor("You are signed out")
	look(b, "signed-out")
	b.Go(v.Issuer + "/account")
	b.WaitFor("Continue with GitHub")
	b.Press("Continue with Google")
	b.Press("I am Ada")
	b.WaitFor("Connected apps")
	list, err := v.Grants.List(t.Context(), grant.Filter{Subject: v.ada.ID, Client: stranger})
	if err != nil || len(list) == 0 || list[0].Revoked.IsZero() {
		t.Errorf("got %v %v, want it revoked", list, err)
	}
}

func (v *world) wrongInABrowser(t *testing.T, b *chromium.Tab) {
	pending := *v.clients[stranger]
	pending.State = client.Pending
	v.clients["pending"] = &pending
	for name, test := range map[string]struct{ at, see string }{
		"unknown-client":  {v.ask("gone", "https://app.test/cb"), "does not know your app any more"},
		"bad-redirect":    {v.ask(stranger, "https://evil.test/cb"), "evil.test"},
		"pending":         {v.ask("pending", v.clients[stranger].RedirectURIs[0]), "waits for approval"},
		"not-found":       {v.Issuer + "/auth/nothing", "There is nothing here"},
		"bad-request":     {v.ask(stranger, v.clients[stranger].RedirectURIs[0], "code_challenge", ""), "asks for something that does not work"},
		"cannot-be-read":  {v.ask(stranger, "") + "&state=x", "cannot be read"},
		"another-browser": {v.Issuer + "/auth/login?flow=" + url.QueryEscape(v.elsewhere(t)), "another browser"},
		"too-late":        {v.Issuer + "/auth/login?flow=x", "Start again from your app"},
	} {
		b.Go(test.at)
		b.WaitFor(test.see)
		look(b, "wrong-"+name)
	}
	v.Resources[0].Admits = func(string) bool { return false }
	b.Go(v.ask(trusted, v.clients[trusted].RedirectURIs[0], "prompt", "login"))
	b.Press("Allow")
	b.Press("Continue with Google")
	b.Press("I am Ada")
	b.WaitFor("Use another account")
	look(b, "wrong-nothing-for-you")
	b.Press("Use another account")
	b.WaitFor("Continue with GitHub")
}

// elsewhere is a flow that was allowed in another browser.
func (v *world) elsewhere(t *testing.T) string {
	t.Helper()
	f := &flow{ID: "x", Began: v.now(), Client: trusted, Browser: browserHash("another"), Consent: []string{}}
	sealed, err := v.sealFlow(f)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
