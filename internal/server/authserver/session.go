package authserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// person returns who signed in in this browser before; nil: nobody did, or it is
// over. An error means that it is not known.
func (s *Server) person(r *http.Request) (*login.Person, error) {
	c, err := r.Cookie(s.cookieName(sessionCookie))
	if err != nil || c.Value == "" {
		return nil, nil //nolint:nilnil // nobody is signed in
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

// People are those who sign in: login.Service.
type People interface {
	Session(ctx context.Context, cookie string) (*login.Person, error)
	Sessions(ctx context.Context, t tenant.ID, user string) ([]login.Session, error)
	End(ctx context.Context, t tenant.ID, user, id string) (*login.Session, error)
	EndAll(ctx context.Context, t tenant.ID, user string) (int, error)
}
