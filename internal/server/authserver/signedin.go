package authserver

import (
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// signedIn goes on with a flow once a person has proved who they are: with what
// they allowed, or to the page that they wanted. Every way of signing in ends
// here, after the session was set. f is what flowOf or flowFrom returned.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, f *flow, who *login.Person) {
	_ = who
	if f.Next != "" {
		s.seeOther(w, r, f.Next)
		return
	}
	s.notFound(w, r, http.StatusNotFound)
}
