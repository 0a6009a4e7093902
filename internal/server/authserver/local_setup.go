package authserver

import (
	"crypto/rand"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// setup is what the page "setup" shows: how somebody is going to sign in.
type setup struct {
	Name, Username, Wrong          string
	Flow, Invitation, Ticket, Form string // by what they may; one of the last three
	Passkey                        *ceremony
	Password                       bool // they need one
	Key, Offer                     string
	URL                            template.URL // otpauth:
	Min                            int
}

// ceremony is what a browser asks an authenticator for.
type ceremony struct{ Options, Sealed string }

// askPasskey has a browser ask for a passkey of whoever is there; nil: it cannot.
func (s *Server) askPasskey(f *flow) (*ceremony, error) {
	if s.Accounts == nil || !s.Accounts.Passkeys() {
		return nil, nil //nolint:nilnil // there are none
	}
	options, sealed, err := s.Accounts.AskPasskey(f.ID)
	return &ceremony{string(options), sealed}, err
}

// setupPage shows how somebody can set up how they sign in. wrong is why the last
// try did not work; empty: there was none.
func (s *Server) setupPage(w http.ResponseWriter, r *http.Request, status int, by login.Right, f *flow, wrong string) {
	page, err := s.setup(r, by, f)
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	page.Wrong = wrong
	s.page(w, r, status, "setup", page)
}

func (s *Server) setup(r *http.Request, by login.Right, f *flow) (*setup, error) {
	u, err := s.Accounts.Who(r.Context(), by)
	if err != nil {
		return nil, err
	}
	has, err := s.Accounts.Has(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	page := &setup{
		Name: nameOf(u), Username: u.Username, Invitation: by.Invitation, Ticket: by.Ticket, Min: login.MinPassword,
		Password: has.Password == "" || by.Invitation != "" || by.Person != nil,
	}
	if page.Flow, err = s.sealFlow(f); err != nil {
		return nil, err
	}
	if by.Person != nil {
		if page.Form, err = s.formToken(by.Person); err != nil {
			return nil, err
		}
	}
	offer, err := s.Accounts.OfferCodes(u)
	if err != nil {
		return nil, err
	}
	page.Key, page.URL, page.Offer = offer.Text, template.URL(offer.URL), offer.Sealed //nolint:gosec // we made it
	if s.Accounts.Passkeys() {
		var options json.RawMessage
		page.Passkey = &ceremony{}
		options, page.Passkey.Sealed, err = s.Accounts.OfferPasskey(r.Context(), by)
		page.Passkey.Options = string(options)
	}
	return page, err
}

// rightOf returns by what a form sets something up, and the flow that it goes on with.
func (s *Server) rightOf(w http.ResponseWriter, r *http.Request) (by login.Right, f *flow, err error) {
	if err := s.sameSite(w, r); err != nil {
		return by, nil, err
	}
	if s.Accounts == nil {
		return by, nil, errNoAccounts()
	}
	switch {
	case r.PostForm.Get("invitation") != "":
		return login.Right{Invitation: r.PostForm.Get("invitation")}, s.ownFlow(w, r, "/account"), nil
	case r.PostForm.Get("ticket") != "":
		if f, err = s.flowOf(r); err != nil {
			return by, nil, err
		}
		return login.Right{Ticket: r.PostForm.Get("ticket"), Row: f.ID}, f, nil
	}
	by.Person, err = s.formOf(w, r)
	return by, s.ownFlow(w, r, "/account/security"), err
}

// ownFlow is one of somebody who came without a client.
func (s *Server) ownFlow(w http.ResponseWriter, r *http.Request, next string) *flow {
	f := &flow{ID: rand.Text(), Began: s.now(), Next: next}
	mark(r, f.ID)
	s.bind(w, r, f)
	return f
}

// setupPassword answers POST /auth/setup/password: a password, and the code of
// the authenticator whose key somebody took.
func (s *Server) setupPassword(w http.ResponseWriter, r *http.Request) {
	by, f, err := s.rightOf(w, r)
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	v := r.PostForm
	offer := v.Get("offer")
	if v.Get("code") == "" && by.Person != nil { // the authenticator stays as it is
		offer = ""
	}
	p, codes, err := s.Accounts.SetPassword(r.Context(), by, v.Get("password"), offer, v.Get("code"))
	s.settled(w, r, by, f, p, codes, err, "password")
}

// setupPasskey answers POST /auth/setup/passkey: what an authenticator made.
func (s *Server) setupPasskey(w http.ResponseWriter, r *http.Request) {
	by, f, err := s.rightOf(w, r)
	if err != nil {
		s.refused(w, r, "enrol", err)
		return
	}
	v := r.PostForm
	p, codes, err := s.Accounts.SetPasskey(r.Context(), by, v.Get("ceremony"), []byte(v.Get("answer")), v.Get("name"))
	s.settled(w, r, by, f, p, codes, err, "passkey")
}

// settled ends what somebody set up.
func (s *Server) settled(w http.ResponseWriter, r *http.Request, by login.Right, f *flow, p *login.Proof, codes []string, err error, what string) {
	if err != nil {
		s.again(w, r, f, err, func(wrong string, status int) { s.setupPage(w, r, status, by, f, wrong) })
		return
	}
	if err := s.tell(r, &audit.Event{
		Action: "enrol", Request: f.ID, Subject: p.User.ID, TenantID: string(p.User.Tenant), Outcome: audit.OK, Detail: map[string]string{"what": what},
	}); err != nil {
		s.fail(w, r, err)
		return
	}
	s.proceed(w, r, f, p, codes)
}

// codesPage shows recovery codes, once. The flow goes on from there, in this session.
func (s *Server) codesPage(w http.ResponseWriter, r *http.Request, f *flow, who *login.Person, codes []string) {
	f.Session = who.Session.ID
	sealed, err := s.sealFlow(f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, "codes", struct {
		Flow  string
		Codes []string
	}{sealed, codes})
}

// goOn answers POST /auth/continue, of the page with recovery codes.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request) {
	f, err := s.localFlow(w, r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	who, err := s.person(r)
	if err == nil && (who == nil || f.Session != who.Session.ID) {
		err = &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1420", Description: "this sign-in took too long, or goes on with another session"}
	}
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	s.signedIn(w, r, f, who)
}
