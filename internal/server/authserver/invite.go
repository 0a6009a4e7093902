package authserver

import (
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// invite answers GET /auth/invite: the link of an invitation. Looking at it
// spends nothing: programs that read people's mail do.
func (s *Server) invite(w http.ResponseWriter, r *http.Request) {
	if s.Accounts == nil {
		s.refused(w, r, "enrol", errNoAccounts())
		return
	}
	s.setupPage(w, r, http.StatusOK, login.Right{Invitation: r.URL.Query().Get("code")}, s.ownFlow(w, r, "/account"), "")
}
