package authserver

import (
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// person returns who signed in in this browser before; nil: nobody did, or it is
// over. An error means that it is not known.
func (s *Server) person(r *http.Request) (*login.Person, error) {
	c, err := r.Cookie(s.cookieName(sessionCookie))
	if err != nil || c.Value == "" {
		return nil, nil //nolint:nilnil // nobody is signed in
	}
	who, err := s.Sessions.Session(r.Context(), c.Value)
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
