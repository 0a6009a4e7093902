package authserver

import (
	"context"
	"net/netip"
	"net/url"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

// away are people that nobody can look up at present.
type away struct{ People }

func (away) Session(context.Context, string) (*login.Person, error) { return nil, errBroken }

func (h *house) people(db *store.DB) {
	h.t.Helper()
	h.logins = &login.Service{Store: db.Login(), Seal: h.Seal, Issuer: issuer, Now: h.clock}
	h.People = h.logins
	h.ada = h.another("ada")
}

// another returns who a provider knows by a name.
func (h *house) another(name string) *login.User {
	h.t.Helper()
	u, _, err := h.logins.SignIn(h.t.Context(), arrival(h, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

func arrival(h *house, name string) *login.Arrival {
	return &login.Arrival{
		Tenant: h.tenant, Provider: "google", Issuer: "https://accounts.google.com", Subject: name, Name: name, Email: name + "@acme.test",
	}
}

// open opens a session.
func (h *house) open(u *login.User) (cookie string, p *login.Person) {
	h.t.Helper()
	cookie, p, err := h.logins.Open(h.t.Context(), &login.Entry{
		User: u, By: u.Links[0], From: netip.MustParseAddr("192.0.2.1"),
		Agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie, p
}

// signIn opens a session in the browser.
func (b *tab) signIn(u *login.User) *login.Person {
	b.h.t.Helper()
	cookie, p := b.h.open(u)
	b.setCookie(sessionCookie, cookie)
	return p
}

// goOn is what every way of signing in does: it opens the flow that it was given,
// signs the person in, and goes on.
func (b *tab) goOn(login *reply, u *login.User) *reply {
	b.h.t.Helper()
	to, err := url.Parse(login.Header.Get("Location"))
	if err != nil || to.Path != "/auth/login" {
		b.h.t.Fatalf("got %d %q, want the way to sign in\n%s", login.StatusCode, login.Header.Get("Location"), login.text)
	}
	who := b.signIn(u)
	return b.finish(to.Query().Get("flow"), who)
}
