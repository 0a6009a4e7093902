package authserver

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// person returns who signed in in this browser before; nil: nobody did, or it is
// over. An error means that it is not known.
func (s *Server) person(r *http.Request) (*login.Person, error) {
	c, err := r.Cookie(s.cookieName(sessionCookie))
	if err != nil || c.Value == "" {
		return nil, nil //nolint:nilnil,nilerr // nobody is signed in
	}
	who, err := s.People.Session(r.Context(), c.Value)
	switch {
	case errors.Is(err, login.ErrNotFound), errors.Is(err, login.ErrDisabled):
		return nil, nil //nolint:nilnil // their session is over
	case err != nil:
		return nil, err
	case who.State != login.Active:
		return nil, nil //nolint:nilnil // they may not be
	}
	return who, nil
}

// enter lets somebody in who has proved who they are: a new session, whatever the
// browser had before, and the flow goes on. Whoever put a cookie into somebody's
// browser has nothing of it.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, f *flow, e *login.Entry) {
	who, err := s.openSession(w, r, f, e)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	s.signedIn(w, r, f, who)
}

// openSession opens a session and sets its cookie.
func (s *Server) openSession(w http.ResponseWriter, r *http.Request, f *flow, e *login.Entry) (*login.Person, error) {
	e.From, _ = s.Address(r)
	e.Agent = r.UserAgent()
	if c, err := r.Cookie(s.cookieName(sessionCookie)); err == nil {
		e.Had = c.Value
	}
	cookie, who, err := s.People.Open(r.Context(), e)
	if err == nil {
		err = s.tell(r, &audit.Event{
			Action: "login", Request: f.ID, ClientID: f.Client, Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK,
			Detail: map[string]string{"provider": e.By.Provider, "session": who.Session.ID, "methods": strings.Join(who.Session.Methods, " ")},
		})
	}
	if err != nil {
		return nil, err
	}
	s.setSession(w, cookie)
	return who, nil
}

// People are those who sign in: login.Service.
type People interface {
	SignIn(ctx context.Context, a *login.Arrival) (*login.User, login.Link, error)
	Open(ctx context.Context, e *login.Entry) (cookie string, p *login.Person, err error)
	Session(ctx context.Context, cookie string) (*login.Person, error)
	Sessions(ctx context.Context, t tenant.ID, user string) ([]login.Session, error)
	End(ctx context.Context, t tenant.ID, user, id string) (*login.Session, error)
	EndAll(ctx context.Context, t tenant.ID, user string) (int, error)
}
