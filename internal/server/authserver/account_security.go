package authserver

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// means is what the page "security" shows: by what somebody signs in.
type means struct {
	*setup
	Passkeys        []heldPasskey
	Authenticator   bool
	Codes           int
	Done            string
	PasswordIsThere bool
}

type heldPasskey struct {
	ID, Name          string
	Number            int
	Created, LastUsed time.Time
}

// security answers GET /account/security. Whoever changes how they sign in has
// done so a moment ago: a browser that was left open changes nothing.
func (s *Server) security(w http.ResponseWriter, r *http.Request) {
	who, err := s.person(r)
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case s.Accounts == nil || who != nil && who.Username == "":
		s.refused(w, r, "enrol", errNoAccounts())
		return
	case who == nil || s.now().Sub(who.Session.SignedIn) > login.Fresh:
		s.beginAt(w, r, "/account/security")
		return
	}
	s.securityPage(w, r, http.StatusOK, who, "")
}

func (s *Server) securityPage(w http.ResponseWriter, r *http.Request, status int, who *login.Person, wrong string) {
	form, err := s.setup(r, login.Right{Person: who}, s.ownFlow(w, r, "/account/security"))
	var has *login.Secrets
	if err == nil {
		has, err = s.Accounts.Has(r.Context(), who.ID)
	}
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	form.Wrong = wrong
	page := means{setup: form, Authenticator: has.TOTP != "", PasswordIsThere: has.Password != "", Codes: has.Recovery}
	if r.URL.Query().Get("done") == "removed" {
		page.Done = "The passkey is removed. Delete it in your browser or password manager too."
	}
	for i, p := range has.Passkeys {
		page.Passkeys = append(page.Passkeys, heldPasskey{ID: p.ID, Name: p.Name, Number: i, Created: p.Created, LastUsed: p.LastUsed})
	}
	s.page(w, r, status, "security", page)
}

// removePasskey answers POST /account/security/remove.
func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request) {
	who, err := s.securityForm(w, r)
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	err = s.Accounts.RemovePasskey(r.Context(), login.Right{Person: who}, r.PostForm.Get("passkey"))
	if errors.Is(err, login.ErrInvalid) {
		s.securityPage(w, r, http.StatusConflict, who, "This is the only way in which you can sign in. Set up another one first.")
		return
	}
	if err == nil {
		err = s.tell(r, &audit.Event{
			Action: "enrol", Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK, Detail: map[string]string{"removed": r.PostForm.Get("passkey")},
		})
	}
	if err != nil {
		s.refused(w, r, "enrol", gone(err))
		return
	}
	s.seeOther(w, r, "/account/security?done=removed")
}

// newCodes answers POST /account/security/codes: new recovery codes.
func (s *Server) newCodes(w http.ResponseWriter, r *http.Request) {
	who, err := s.securityForm(w, r)
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	codes, err := s.Accounts.NewRecovery(r.Context(), login.Right{Person: who})
	if err == nil {
		err = s.tell(r, &audit.Event{
			Action: "enrol", Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK, Detail: map[string]string{"what": "recovery codes"},
		})
	}
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	s.codesPage(w, r, s.ownFlow(w, r, "/account/security"), who, codes)
}

// securityForm returns who sends a form of the page. That they signed in a moment
// ago is judged with what they want to change.
func (s *Server) securityForm(w http.ResponseWriter, r *http.Request) (*login.Person, error) {
	who, err := s.formOf(w, r)
	if err == nil && (s.Accounts == nil || who.Username == "") {
		err = errNoAccounts()
	}
	if err != nil {
		return nil, err
	}
	if s.now().Sub(who.Session.SignedIn) > login.Fresh {
		return nil, &oauth.Error{Code: oauth.AccessDenied, Ref: "GH-1438", Status: http.StatusForbidden, Description: "You signed in too long ago to change this. Open the page again, and sign in"}
	}
	return who, nil
}
