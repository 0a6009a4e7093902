package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
)

// TestPeopleSignInWithRealProvidersInABrowser does it as people do: they press
// Allow, fill in what the provider asks for, and are at their app. Whoever may
// not come in is told so, and chooses another account.
func TestPeopleSignInWithRealProvidersInABrowser(t *testing.T) {
	for _, b := range brokers() {
		if b.name == "glewlwyd" {
			continue // its package has no pages
		}
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := reserved(t)
			p := b.start(t, "https://"+f.address+"/auth/callback/acme")
			f.open(t, houseText(t, f, p, "http://127.0.0.1:1/mcp", b.login, false), p)
			client := registered(t, newVisitor(t, f, p, b.user), f)
			tab, verifier := allows(t, f, p, client)
			back, err := url.Parse(tab.WaitAsked(redirectURI))
			if err != nil {
				t.Fatal(err)
			}
			if q := back.Query(); q.Get("iss") != "https://"+f.address || redeemed(t, newVisitor(t, f, p, b.user), f, client, q.Get("code"), verifier) == "" {
				t.Errorf("got %s", back)
			}
			for _, m := range tab.Messages() {
				if strings.Contains(m, "Content Security Policy") || strings.Contains(m, "Content-Security-Policy") {
					t.Errorf("the browser complained: %s", m)
				}
			}
			f.refusesInABrowser(t, p, &b, client)
		})
	}
}

// allows is somebody who presses Allow, and signs in at the provider.
func allows(t *testing.T, f *front, p *provider, client string) (tab *chromium.Tab, verifier string) {
	t.Helper()
	tab = chromium.Open(t)
	at, verifier := asking(f, client)
	tab.Go(at)
	tab.WaitFor("A client")
	tab.Press("Allow")
	if p.page != nil {
		tab.WaitAt(p.issuer + "/login")
		tab.Fill("Username", "test-user@127.0.0.1")
		tab.Fill("Password", "verysecure")
		tab.Press("Login")
	}
	return tab, verifier
}

// refusesInABrowser changes the allow-list, and looks at what somebody sees whom
// it does not have.
func (f *front) refusesInABrowser(t *testing.T, p *provider, b *brokered, client string) {
	t.Helper()
	f.configure(t, houseText(t, f, p, "http://127.0.0.1:1/mcp", b.refused, false))
	f.run("config", "reload")
	tab, _ := allows(t, f, p, client)
	tab.WaitFor("GH-1444")
	tab.Check("the page of a refusal")
	tab.Shot("federation-refused-" + strings.ReplaceAll(b.name, " ", "-"))
	tab.Press("Use another account")
	tab.WaitFor("Continue with Acme")
	if !strings.HasPrefix(tab.At(), "https://"+f.address+"/auth/login?") {
		t.Errorf("got %s", tab.At())
	}
	f.why(t, 1, []string{"✗ REFUSED at callback", "✓ consent", "✓ provider      the browser was sent to ", "✗ callback      GH-1444", "allow-list of the provider"}, "--client", client)
}
