package authserver

import "net/http"

// recoverPage is what the page "recover" shows.
type recoverPage struct{ Flow, Wrong string }

// recovery answers GET /auth/recover, of somebody who has lost their passkeys.
func (s *Server) recovery(w http.ResponseWriter, r *http.Request) {
	if s.Accounts == nil {
		s.refused(w, r, "login", errNoAccounts())
		return
	}
	if _, err := s.flowOf(r); err != nil {
		s.refused(w, r, "login", err)
		return
	}
	s.page(w, r, http.StatusOK, "recover", recoverPage{Flow: r.FormValue(flowField)})
}

// recoverCode answers POST /auth/recover: a name and a recovery code.
func (s *Server) recoverCode(w http.ResponseWriter, r *http.Request) {
	f, err := s.localFlow(w, r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	p, err := s.Accounts.Recover(r.Context(), s.try(r, f))
	if err != nil {
		s.again(w, r, f, err, func(wrong string, status int) {
			s.page(w, r, status, "recover", recoverPage{Flow: r.PostForm.Get(flowField), Wrong: wrong})
		})
		return
	}
	s.proceed(w, r, f, p, nil)
}
