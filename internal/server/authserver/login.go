package authserver

import (
	"crypto/rand"
	"net/http"
	"net/url"
)

// loginPage offers the ways to sign in. wrong is why the last one did not work;
// empty: there was none.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, f *flow, wrong string) {
	_, _ = f, wrong
	s.notFound(w, r, http.StatusNotFound)
}

// beginAt has somebody sign in who came without a client, and go on to next, a
// path of ours.
func (s *Server) beginAt(w http.ResponseWriter, r *http.Request, next string) {
	f := &flow{ID: rand.Text(), Began: s.now(), Next: next}
	s.bind(w, r, f)
	sealed, err := s.sealFlow(f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.seeOther(w, r, "/auth/login?"+url.Values{flowField: {sealed}}.Encode())
}

// sendTo answers a form with a page that goes on to another place. No redirect
// does: in Chromium form-action 'self' holds for where a form is redirected to.
func (s *Server) sendTo(w http.ResponseWriter, r *http.Request, to, who string) {
	_, _ = to, who
	s.notFound(w, r, http.StatusNotFound)
}
