package authserver

import (
	"encoding/base32"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
)

// TestAccountsOfOursInABrowser signs in with what needs no provider.
func TestAccountsOfOursInABrowser(t *testing.T) {
	v := newWorld(t)
	v.logins.Issuer = v.Issuer
	v.Accounts = v.logins
	b := chromium.Open(t)
	t.Run("a password and a code", func(t *testing.T) { v.passwordInABrowser(t, b.For(t)) })
	t.Run("a passkey", func(t *testing.T) { v.passkeyInABrowser(t, chromium.Open(t)) })
	b.For(t)
	for _, one := range b.Messages() {
		if !strings.Contains(one, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", one)
		}
	}
}

// authenticator is an app with the key that the page shows.
func (v *world) authenticator(b *chromium.Tab) func() string {
	v.t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(b.Value("key"), " ", ""))
	if err != nil {
		v.t.Fatal(err)
	}
	return func() string { return totp(secret, v.clock()) }
}

func (v *world) passwordInABrowser(t *testing.T, b *chromium.Tab) {
	_, link := v.account("grace")
	b.Go(v.Issuer + link)
	b.WaitFor("Welcome, grace")
	look(b, "setup")
	shows := v.authenticator(b)
	b.Fill("New password", "short")
	b.Fill("Type the code", shows())
	b.Press("Set password")
	b.Fill("New password", "password1234")
	b.Press("Set password")
	b.WaitFor("too easy to guess")
	look(b, "setup-wrong")
	shows = v.authenticator(b)
	b.Fill("New password", pass)
	b.Fill("Type the code", shows())
	b.Press("Set password")
	b.WaitFor("Keep your recovery codes")
	look(b, "codes")
	b.Press("I have kept them")
	b.WaitFor("Your account")
	look(b, "account-local")
	b.Press("Password and passkeys")
	b.WaitFor("How you sign in")
	look(b, "security")
	b.Go(v.Issuer + "/account")
	b.Press("Sign out everywhere")
	b.WaitFor("You are signed out")

	v.wait(time.Minute)
	b.Go(v.ask(trusted, v.clients[trusted].RedirectURIs[0]))
	b.Press("Allow")
	b.WaitFor("Sign in to Acme Notes")
	look(b, "login-local")
	b.Fill("Name", "grace")
	b.Fill("Password", "not it at all")
	b.Press("Sign in")
	b.WaitFor("not accepted")
	look(b, "login-local-wrong")
	b.Fill("Name", "grace")
	b.Fill("Password", pass)
	b.Key("\r")
	b.WaitFor("Code from your authenticator app")
	look(b, "code")
	b.Fill("Code", shows())
	b.Press("Sign in")
	b.WaitAt(v.clients[trusted].RedirectURIs[0] + "?code=")
	b.Go(v.ask(trusted, v.clients[trusted].RedirectURIs[0], "prompt", "login"))
	b.Press("Allow")
	b.Press("I have lost my passkey")
	b.WaitFor("Get back in")
	look(b, "recover")
}

func (v *world) passkeyInABrowser(t *testing.T, b *chromium.Tab) {
	b.Passkeys()
	_, link := v.account("linus")
	b.Go(v.Issuer + link)
	b.Fill("Name of the passkey", "My phone")
	b.Press("Create a passkey")
	b.WaitFor("Keep your recovery codes")
	b.Press("I have kept them")
	b.WaitFor("Your account")
	b.Press("Password and passkeys")
	b.WaitFor("My phone")
	look(b, "security-passkey")
	b.Go(v.Issuer + "/account")
	b.Press("Sign out everywhere")
	b.WaitFor("You are signed out")
	b.Go(v.ask(trusted, v.clients[trusted].RedirectURIs[0]))
	b.Press("Allow")
	b.Press("Sign in with a passkey")
	b.WaitAt(v.clients[trusted].RedirectURIs[0] + "?code=")
	for _, one := range b.Messages() {
		t.Errorf("the browser complains: %s", one)
	}
}
