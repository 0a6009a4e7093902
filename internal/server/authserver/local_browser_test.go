package authserver

import (
	"encoding/base32"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// TestAccountsInABrowser goes through what somebody does with an account of ours,
// in Chromium, with an authenticator of its own. Passkeys need a host name, and
// "localhost" is one.
func TestAccountsInABrowser(t *testing.T) {
	h := newLocalHouse(t)
	h.moment = time.Now().UTC() // the browser's authenticator knows no other time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	h.Issuer = "http://localhost:" + port
	h.logins.Issuer = h.Issuer
	h.handler = h.Handler()

	b := chromium.Open(t)
	b.Authenticator()
	_, link := h.account("ada")
	b.Go(h.Issuer + link)
	b.WaitFor("Welcome, ada")
	look(b, "setup")
	b.Fill("Name of the passkey", "Laptop")
	b.Press("Create a passkey")
	b.WaitFor("Keep your recovery codes")
	look(b, "codes")
	b.Press("I have kept them")
	b.WaitFor("Connected apps")
	b.Press("Password and passkeys")
	b.WaitFor("Laptop")
	look(b, "security")
	b.Press("Back to your account")
	b.WaitFor("Connected apps")
	b.Press("Sign out")
	b.WaitFor("You are signed out")

	b.Go(h.Issuer + "/account")
	b.WaitFor("Sign in with a passkey")
	look(b, "login-local")
	b.Press("Sign in with a passkey")
	b.WaitFor("Connected apps")
	if has, err := h.logins.Has(t.Context(), h.userID("ada")); err != nil || len(has.Passkeys) != 1 || has.Passkeys[0].LastUsed.IsZero() || has.Recovery != 10 {
		t.Errorf("got %+v, %v", has, err)
	}

	t.Run("a password and an authenticator app", func(t *testing.T) { h.passwordInABrowser(t, chromium.Open(t)) })
	b.For(t)
	for _, one := range b.Messages() {
		if !strings.Contains(one, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", one)
		}
	}
}

func (h *house) userID(name string) string {
	h.t.Helper()
	u, err := h.logins.User(h.t.Context(), h.tenant, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return u.ID
}

func (h *house) passwordInABrowser(t *testing.T, b *chromium.Tab) {
	_, err := h.logins.Create(t.Context(), &login.NewUser{Tenant: h.tenant, Username: "bob", Name: "Bob", Password: pass})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(password string) {
		b.Go(h.Issuer + "/account")
		b.WaitFor("Password")
		b.Fill("Name", "bob")
		b.Fill("Password", password)
		b.Press("Sign in with password")
	}
	signIn("xyzzyplugh")
	b.WaitFor("That was not accepted")
	look(b, "login-wrong")
	signIn(pass)
	b.WaitFor("One more step")
	look(b, "setup-authenticator")
	m := regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}`).FindString(b.Text())
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m, " ", ""))
	if err != nil || len(secret) != 20 {
		t.Fatalf("got %q %v, want a key", m, err)
	}
	b.Fill("Type the code", totp(secret, h.clock()))
	b.Press("Continue")
	b.WaitFor("Keep your recovery codes")
	b.Press("I have kept them")
	b.WaitFor("Connected apps")
	b.Press("Sign out")
	b.WaitFor("You are signed out")
	h.wait(time.Minute)
	signIn(pass)
	b.WaitFor("Enter your code")
	look(b, "code")
	b.Fill("Code from your authenticator app", totp(secret, h.clock()))
	b.Press("Sign in")
	b.WaitFor("Connected apps")
	b.Press("Sign out")
	b.WaitFor("You are signed out")
	b.Go(h.Issuer + "/account")
	b.Press("I have lost my passkey")
	b.WaitFor("Get back in")
	look(b, "recover")
}
