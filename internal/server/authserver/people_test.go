package authserver

import (
	"context"
	"crypto/rand"
	"net/url"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// crowd are people with sessions in memory.
type crowd struct {
	People // nobody comes by a provider
	mu       sync.Mutex
	sessions map[string]*login.Person
	broken   bool
}

func (c *crowd) Session(_ context.Context, cookie string) (*login.Person, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return nil, errBroken
	}
	if p := c.sessions[cookie]; p != nil {
		return p, nil
	}
	return nil, login.ErrNotFound
}

func (c *crowd) Sessions(_ context.Context, _ tenant.ID, user string) ([]login.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []login.Session
	for _, p := range c.sessions {
		if p.ID == user {
			out = append(out, p.Session)
		}
	}
	return out, nil
}

func (c *crowd) End(_ context.Context, _ tenant.ID, user, id string) (*login.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cookie, p := range c.sessions {
		if p.ID == user && p.Session.ID == id {
			delete(c.sessions, cookie)
			return &p.Session, nil
		}
	}
	return nil, login.ErrNotFound
}

func (c *crowd) EndAll(_ context.Context, _ tenant.ID, user string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for cookie, p := range c.sessions {
		if p.ID == user {
			delete(c.sessions, cookie)
			n++
		}
	}
	return n, nil
}

func (h *house) people(*store.DB) {
	h.ada = &login.User{ID: "usr_ada", Tenant: h.tenant, Name: "Ada", Email: "ada@acme.test", State: login.Active}
	h.People = &crowd{sessions: map[string]*login.Person{}}
}

// open opens a session.
func (h *house) open(u *login.User) (cookie string, p *login.Person) {
	h.t.Helper()
	cookie = rand.Text()
	p = &login.Person{User: *u, Session: login.Session{
		ID: "ses_" + rand.Text(), User: u.ID, Provider: "google", SignedIn: h.clock(), LastSeen: h.clock(), Expires: h.clock().Add(h.Settings.SessionTTL),
		Agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", Address: "192.0.2.1",
	}}
	c := h.People.(*crowd)
	c.mu.Lock()
	c.sessions[cookie] = p
	c.mu.Unlock()
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
