package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// signedIn goes on with a flow once a person has proved who they are: with what
// they allowed, or to the page that they wanted. Every way of signing in ends
// here, after the session was set. f is what flowOf or flowFrom returned.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, f *flow, who *login.Person) {
	if who.Session.Provider != "" {
		s.setCookie(w, wayCookie, who.Session.Provider, wayKept)
	}
	if f.Next != "" {
		s.seeOther(w, r, f.Next)
		return
	}
	c, err := s.Clients.Find(r.Context(), f.Client)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	switch {
	case f.Redirect != "" && !oauth.MatchRedirect(c.RedirectURIs, f.Redirect):
		s.refused(w, r, "login", &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1402", Description: "redirect_uri is not registered any more"})
	case f.Consent == nil || c.Version != f.Version: // what was allowed was allowed to something else
		f.Consent, f.Version = nil, c.Version
		s.consentPage(w, r, f, c, who, "")
	default:
		s.settle(w, r, f, c, who)
	}
}

// settle ends a flow that was allowed before anybody had signed in, or asks once
// more: only now is it known what this person has allowed the client before. A
// step-up that was ticked for nobody in particular would lead to the same refusal
// once more, or lose what the client had.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, who *login.Person) {
	res := s.resourceAt(f.Resource)
	lacks, err := s.lacks(r.Context(), f, res, c, who)
	switch {
	case err != nil:
		s.refused(w, r, "login", err)
	case lacks:
		f.Left, f.Consent = f.left(res), nil
		s.consentPage(w, r, f, c, who, "")
	default:
		s.issue(w, r, f, c, who, byPage)
	}
}

// lacks says whether what was allowed is less than a page would have offered that
// had known whom it is for, and it was not they who left that out.
func (s *Server) lacks(ctx context.Context, f *flow, res *Resource, c *client.Client, who *login.Person) (bool, error) {
	if f.Device != "" || f.Session != "" || res == nil {
		return false, nil
	}
	before, err := s.before(ctx, f, res, c, who)
	if err != nil || len(before.Scopes) == 0 {
		return false, err
	}
	full := *f
	full.Scopes = inOrder(res, append(offeredOnly(res, c, f.Scopes), before.Scopes...))
	may, err := s.grantable(ctx, &full, res, who)
	if _, refused := errors.AsType[*oauth.Error](err); refused { // whoever ends the flow says so
		return false, nil
	}
	left := f.refused()
	return slices.ContainsFunc(may, func(one string) bool {
		return !slices.Contains(f.Consent, one) && !slices.Contains(left, one) && !slices.Contains(before.Refused, one)
	}), err
}

// refused are the scopes that somebody was asked for on the page and left out. It
// is never nil.
func (f *flow) refused() []string {
	out := []string{}
	for _, one := range f.Scopes {
		if !f.Blank && !slices.Contains(f.Consent, one) {
			out = append(out, one)
		}
	}
	return out
}

// left are the scopes that somebody left out on the page, for the page after it.
// Of boxes that came without a tick none is left out until another one is ticked:
// who only went on has chosen nothing. It is never nil.
func (f *flow) left(res *Resource) []string {
	chose := !f.Blank || slices.ContainsFunc(f.Consent, func(one string) bool { return !res.required(one) })
	return slices.DeleteFunc(append([]string{}, f.Scopes...), func(one string) bool { return !chose || slices.Contains(f.Consent, one) })
}

// issue ends a flow with a code for its client, or has its device go on. One flow
// ends once; who pressed twice gets the same answer twice.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, who *login.Person, how delivery) {
	// A browser gives up the first of two presses: what that has begun is brought to its end.
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), concludeTime)
	defer stop()
	to, err := s.conclude(ctx, r, f, c, who, how)
	if errors.Is(err, grant.ErrReplay) {
		to, err = s.endingOf(r.Context(), f, who.ID)
	}
	if err != nil {
		ev := &audit.Event{Action: "code", ClientID: f.Client, Client: c.Name, Subject: who.ID, TenantID: string(who.Tenant)}
		s.tellRefused(w, r, ev, err, func() { s.cannotIssue(w, r, f, c, how, err) })
		return
	}
	s.granted(w, r, f, c, to, how)
}

// conclude grants what was allowed, shrunk to what this person can be given, and
// returns the answer to the client, or for a device a word that it is done.
func (s *Server) conclude(ctx context.Context, r *http.Request, f *flow, c *client.Client, who *login.Person, how delivery) (to string, err error) {
	a, err := s.authorization(ctx, f, c, who)
	if err != nil {
		return "", err
	}
	if err := s.end(ctx, f); err != nil {
		return "", err
	}
	defer func() { s.ended(ctx, f, who, to) }() // also that it came to nothing: who waits for it need not
	if err := s.tell(r, &audit.Event{
		Action: "code", Request: f.ID, ClientID: f.Client, Client: c.Name, Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK,
		Rights: &audit.Rights{Scopes: a.Scopes},
	}); err != nil {
		return "", err
	}
	if how != direct { // else nobody decided anything: what they allowed before holds for as long as it did
		if err := s.Consents.Remember(ctx, &grant.Consent{ConsentKey: consentKey(f, who), Scopes: f.Consent, Refused: f.refused()}); err != nil {
			return "", err
		}
	}
	if f.Device != "" {
		if err := s.decideDevice(ctx, f, a); err != nil {
			return "", err
		}
		return "device", nil
	}
	code, err := s.Grants.Authorize(ctx, a)
	if err != nil {
		return "", err
	}
	return s.answerURL(f, "code", code), nil
}

// cannotIssue answers somebody whose account cannot be given what they allowed:
// another one may. It goes on with nothing but what a page said that was for anybody.
func (s *Server) cannotIssue(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, how delivery, err error) {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || e.Ref != refNothing {
		s.fail(w, r, err)
		return
	}
	again := *f
	if how == direct { // nobody has seen a page
		again.Consent = nil
		s.offerAnother(w, r, &again, c, e)
		return
	}
	again.MaxAge, again.Since, again.Session, again.Left = -1, s.now(), "", nil
	if f.Asked != nil {
		again.Scopes = f.Asked
		again.Consent = slices.DeleteFunc(slices.Clone(f.Consent), func(one string) bool { return !slices.Contains(f.Asked, one) })
	}
	s.bind(w, r, &again)
	page := explain(e)
	if sealed, err := s.sealFlow(&again); err == nil {
		page.Retry, page.RetryText = s.loginURL(sealed, true), "Use another account"
	}
	s.page(w, r, badStatus(e), "refused", page)
}

// authorization is what a person allows by a flow.
func (s *Server) authorization(ctx context.Context, f *flow, c *client.Client, who *login.Person) (*grant.Authorization, error) {
	res := s.resourceAt(f.Resource)
	if res == nil {
		return nil, &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "this server is not served here any more"}
	}
	if who.State != login.Active {
		return nil, nothingFor(who)
	}
	may := *f
	may.Scopes = offeredOnly(res, c, f.Consent)
	scopes, err := s.grantable(ctx, &may, res, who)
	switch {
	case err != nil:
		return nil, err
	case len(scopes) == 0 && len(res.Scopes) > 0:
		return nil, nothingFor(who)
	}
	return &grant.Authorization{
		Grant: grant.Grant{
			Tenant: who.Tenant, Client: f.Client, Subject: who.ID, Resource: f.Resource, Scopes: scopes, Offline: f.Offline,
			Redirect: f.Redirect, Flow: f.ID, AuthTime: who.Session.SignedIn,
			Identity: grant.Identity{Issuer: who.Identity.Issuer, Subject: who.Identity.Subject},
		},
		Challenge: f.PKCE, Bound: f.Key,
	}, nil
}

// grantable returns those of the flow's scopes that this person could ever use.
// Whose tenant may not come in at all gets GH-1425.
func (s *Server) grantable(ctx context.Context, f *flow, res *Resource, who *login.Person) ([]string, error) {
	t, err := s.Tenant(ctx, who.Tenant)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		return nil, nothingFor(who)
	case err != nil:
		return nil, err
	case t.State != tenant.Active, res.Admits != nil && !res.Admits(t.Name):
		return nil, nothingFor(who)
	}
	if res.Grantable == nil {
		return f.Scopes, nil
	}
	return res.Grantable(ctx, Who{Subject: who.ID, Tenant: t.Name, Client: f.Client, Groups: who.Groups, Roles: who.Roles}, f.Scopes), nil
}

const refNothing = "GH-1425"

func nothingFor(who *login.Person) *oauth.Error {
	return &oauth.Error{
		Code: oauth.AccessDenied, Ref: refNothing, Status: http.StatusForbidden,
		Description: "You are signed in as " + shown(nameOf(&who.User)) + ", and this account may do nothing here that was asked for",
	}
}
