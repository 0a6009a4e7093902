package authserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	formField  = "form"        // hidden, in forms of somebody who is signed in and that belong to no flow
	formSealed = "form"        // purpose; the row is the session's id
	formTime   = 1 * time.Hour // how long a page with such a form may lie open
	maxForm    = 64 << 10      // bytes of a form
)

// sameSite refuses a form that another site sends. Browsers tell by
// Sec-Fetch-Site; to older ones our pages, which send no referrer, have the
// origin "null", so these are refused: it fails closed.
func (s *Server) sameSite(w http.ResponseWriter, r *http.Request) error {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return &oauth.Error{
			Code: oauth.AccessDenied, Ref: "GH-1423", Status: http.StatusForbidden,
			Description: "this form came from another page than ours", Cause: err,
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1424", Description: "the form cannot be read", Cause: err}
	}
	return nil
}

// formToken goes into a hidden field "form" of a page that changes something for
// somebody who is signed in, outside of a flow.
func (s *Server) formToken(who *login.Person) (string, error) {
	return s.Seal.Seal(formSealed, who.Session.ID, []byte(strconv.FormatInt(s.now().Unix(), 10)))
}

// formOf returns who sends a form that was made for them in this session.
func (s *Server) formOf(w http.ResponseWriter, r *http.Request) (*login.Person, error) {
	if err := s.sameSite(w, r); err != nil {
		return nil, err
	}
	old := &oauth.Error{
		Code: oauth.AccessDenied, Ref: "GH-1423", Status: http.StatusForbidden,
		Description: "this form is too old, or was made for another session",
	}
	who, err := s.person(r)
	switch {
	case err != nil:
		return nil, err
	case who == nil:
		return nil, old
	}
	text, err := s.Seal.Open(formSealed, who.Session.ID, r.PostFormValue(formField))
	if err != nil {
		old.Cause = err
		return nil, old
	}
	made, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || s.now().Sub(time.Unix(made, 0)) > formTime {
		return nil, old
	}
	return who, nil
}
