package authserver

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// consent answers POST /auth/consent: what somebody decided on the page. All that
// counts is in the sealed flow; the form adds which of its optional scopes are
// ticked. Nothing is stored when nobody is signed in yet: what was allowed goes
// on in the flow, bound to this browser from now on, and counts when a code comes
// of it. Until then there is no cookie. MCP Security Best Practices, Confused Deputy
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	f, c, who, err := s.decided(w, r)
	switch {
	case err != nil:
		s.refused(w, r, "consent", err)
		return
	case c == nil:
		return // it was answered
	}
	switch r.PostForm.Get("decision") {
	case "allow":
		s.allow(w, r, f, c, who)
	case "deny":
		s.deny(w, r, f, c, who)
	case "switch":
		f.MaxAge, f.Since, f.Left = -1, s.now(), nil
		s.consentPage(w, r, f, c, nil, "")
	default:
		s.refused(w, r, "consent", &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1424", Description: "the form says neither yes nor no"})
	}
}

// decided reads what comes from a consent page. If things are not any more as the
// page said, it is shown again and c is nil.
func (s *Server) decided(w http.ResponseWriter, r *http.Request) (f *flow, c *client.Client, who *login.Person, err error) {
	if err = s.sameSite(w, r); err != nil {
		return nil, nil, nil, err
	}
	if err = s.take(w, r, "page", pageRate); err != nil {
		return nil, nil, nil, err
	}
	if f, err = s.openFlow(r.PostForm.Get(flowField)); err != nil {
		return nil, nil, nil, err
	}
	mark(r, f.ID)
	if f.Client == "" || f.Consent != nil {
		return nil, nil, nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1424", Description: "this is not the flow of a consent page"}
	}
	if who, err = s.person(r); err != nil {
		return nil, nil, nil, err
	}
	if who != nil && !s.recent(f, who.Session.SignedIn) {
		who = nil // the page was not for them
	}
	if c, err = s.Clients.Find(r.Context(), f.Client); err != nil {
		return nil, nil, nil, err
	}
	session := ""
	if who != nil {
		session = who.Session.ID
	}
	switch {
	case c.Version != f.Version:
		if f.Redirect != "" && !oauth.MatchRedirect(c.RedirectURIs, f.Redirect) {
			return nil, nil, nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1402", Description: "redirect_uri is not registered any more"}
		}
		f.Version = c.Version
		s.consentPage(w, r, f, c, who, "The app has changed what it says about itself since this page was opened. Look again.")
		return f, nil, who, nil
	case f.Session != session && r.PostForm.Get("decision") == "allow":
		s.consentPage(w, r, f, c, who, "Who is signed in has changed since this page was opened. Look again.")
		return f, nil, who, nil
	}
	return f, c, who, nil
}

// allow goes on with what somebody allowed: to the code if they are signed in,
// else to where they can sign in.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, who *login.Person) {
	var e *oauth.Error
	if f.Consent, e = s.chosen(f, r.PostForm["scope"]); e != nil {
		s.refused(w, r, "consent", e)
		return
	}
	down := s.tell
	if who == nil { // nothing is granted yet
		down = s.note
	}
	err := s.noteBegan(r, f, c)
	if err == nil {
		err = down(r, &audit.Event{
			Action: "consent", Request: f.ID, ClientID: f.Client, Client: c.Name, Subject: subject(who), Outcome: audit.OK, Rights: &audit.Rights{Scopes: f.Consent},
		})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if who != nil {
		s.issue(w, r, f, c, who, byPage)
		return
	}
	s.bind(w, r, f)
	sealed, err := s.sealFlow(f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.seeOther(w, r, s.loginURL(sealed, f.MaxAge < 0))
}

// chosen returns what is allowed with these boxes ticked, in the order of the
// flow. It is never nil.
func (s *Server) chosen(f *flow, ticked []string) ([]string, *oauth.Error) {
	for _, one := range ticked {
		if !slices.Contains(f.Scopes, one) {
			return nil, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1424", Status: http.StatusForbidden, Description: "the form allows what was not asked for"}
		}
	}
	res := s.resourceAt(f.Resource)
	if res == nil {
		return nil, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "this server is not served here any more"}
	}
	out := []string{}
	for _, one := range f.Scopes {
		if slices.Contains(ticked, one) || res.required(one) {
			out = append(out, one)
		}
	}
	return out, nil
}

// required says whether a scope is given to everybody who asks for it.
func (res *Resource) required(scope string) bool {
	return slices.ContainsFunc(res.Scopes, func(one Scope) bool { return one.Name == scope && one.Default })
}

// deny ends a flow. Who said no is not asked: no is what happens anyway.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, who *login.Person) {
	if err := s.end(r.Context(), f); err != nil {
		s.refused(w, r, "consent", err)
		return
	}
	s.ended(context.WithoutCancel(r.Context()), f, who, "") // who presses Allow as well need not wait for an answer
	e := &oauth.Error{Code: oauth.AccessDenied, Description: "the person said no"}
	err := s.noteBegan(r, f, c)
	if err == nil {
		ev := &audit.Event{Action: "consent", Request: f.ID, ClientID: f.Client, Client: c.Name, Outcome: audit.Refused, Reason: e.Error(), Changed: true}
		if who != nil {
			ev.Subject, ev.TenantID = who.ID, string(who.Tenant)
		}
		err = s.tell(r, ev)
	}
	if err == nil && f.Device != "" {
		err = s.decideDevice(r.Context(), f, nil)
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case f.Device != "":
		s.page(w, r, http.StatusOK, "done", notice{"Cancelled", "Nothing was granted. You can close this page; the device will notice by itself."})
	default:
		how := byPage
		if kind, _ := oauth.KindOfRedirect(f.Redirect); kind == oauth.RedirectWeb && c.State != client.Approved {
			how = byPerson // the link that led here may be somebody else's
		}
		s.deliver(w, r, f, s.answerURL(f, "error", e.Code, "error_description", e.Description), c, how, leaving{
			Title: "Cancelled", Text: "Nothing was granted. You can close this page, or tell the app.",
		})
	}
}

// notice is what the page "done" shows.
type notice struct{ Title, Text string }

func subject(who *login.Person) string {
	if who == nil {
		return ""
	}
	return who.ID
}

// refused writes down that a step was refused, and answers it.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, action string, err error) {
	s.tellRefused(w, r, &audit.Event{Action: action}, err, func() { s.fail(w, r, err) })
}
