package authserver

import (
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// passkey answers POST /auth/passkey: what somebody's authenticator says.
func (s *Server) passkey(w http.ResponseWriter, r *http.Request) {
	f, err := s.localFlow(w, r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	from, _ := s.Address(r)
	p, err := s.Accounts.Passkey(r.Context(), r.PostForm.Get("ceremony"), f.ID, []byte(r.PostForm.Get("answer")), from)
	if errors.Is(err, login.ErrSpent) { // the page lay open for long: what it shows now is new
		err = login.ErrWrong
	}
	if err != nil {
		s.again(w, r, f, err, func(wrong string, status int) { s.choose(w, r, f, status, wrong) })
		return
	}
	s.proceed(w, r, f, p, nil)
}
