package authserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// authorize answers GET and POST /authorize. Nothing is done for a request but to
// judge it and to show a page, or to answer what was allowed before: everything
// else happens when a person has acted. OAuth 2.1 §4.1.1
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	read := oauth.ReadQuery
	if r.Method == http.MethodPost {
		read = oauth.ReadForm
	}
	if err := s.take(w, r, "page", pageRate); err != nil {
		s.refuseRequest(w, r, "", err)
		return
	}
	p, e := read(r)
	if e != nil { // which of two redirect URIs is meant is not known
		s.refuseRequest(w, r, "", e)
		return
	}
	c, p, err := s.client(r.Context(), p)
	if err != nil {
		s.refuseRequest(w, r, p.Get("client_id"), err)
		return
	}
	redirect, e := redirectOf(c, p)
	if e != nil {
		s.tellRefused(w, r, &audit.Event{Action: "authorize", ClientID: c.ID, Client: c.Name}, e, func() { s.redirectPage(w, r, c, p.Get("redirect_uri"), e) })
		return
	}
	q, e := s.judge(c, p, redirect)
	mark(r, q.ID)
	if e == nil {
		var fits bool
		if fits, err = s.fits(q.flow); err == nil && !fits {
			e = asksWrongly(oauth.InvalidRequest, "the request is too long")
		}
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case e != nil:
		s.refuseClient(w, r, q, e)
	default:
		s.begin(w, r, q)
	}
}

// client finds the client of a request, and what it asks for if it pushed that
// before. RFC 9126 §4
func (s *Server) client(ctx context.Context, p *oauth.Params) (*client.Client, *oauth.Params, error) {
	id, uri := p.Get("client_id"), p.Get("request_uri")
	if id == "" {
		return nil, p, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1400", Description: "client_id is missing"}
	}
	c, err := s.Clients.Find(ctx, id)
	if err != nil || uri == "" {
		return c, p, err
	}
	text, err := s.Requests.Take(ctx, uri, id)
	switch {
	case errors.Is(err, grant.ErrNotFound):
		return nil, p, &oauth.Error{Code: "invalid_request_uri", Ref: "GH-1420", Description: "this request was opened before, or has waited for too long", Cause: err}
	case err != nil:
		return nil, p, err
	}
	pushed, e := oauth.ParseParams(text)
	if e != nil {
		return nil, p, e
	}
	if pushed.Get("request_uri") != "" || pushed.Get("client_id") != "" && pushed.Get("client_id") != id {
		return nil, p, &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1424", Description: "the pushed request is another client's"}
	}
	return c, pushed, nil
}

// begin goes on with a request that is right: at once, if the person allowed the
// same before and that says who gets the answer, else with the page.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, q *request) {
	who, err := s.person(r)
	if err == nil && who == nil {
		err = s.noteShown(r, q)
	} else if err == nil {
		err = s.note(r, shownEvent(q.flow, q.client))
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if who != nil && !s.recent(q.flow, who.Session.SignedIn) {
		who = nil
	}
	known, err := s.allowedBefore(r.Context(), q, who)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case known != nil && !q.consent:
		q.Consent, q.Session, q.Blank = known.Scopes, who.Session.ID, true
		s.issue(w, r, q.flow, q.client, who, direct)
	case q.none && who == nil:
		s.refuseClient(w, r, q, &oauth.Error{Code: oauth.LoginRequired, Ref: "GH-1424", Description: "nobody is signed in, or not recently"})
	case q.none:
		s.refuseClient(w, r, q, &oauth.Error{Code: oauth.ConsentRequired, Ref: "GH-1424", Description: "the person has to be asked first"})
	default:
		s.consentPage(w, r, q.flow, q.client, who, "")
	}
}

// allowedBefore returns what a person allowed, if it covers a request and they
// need not be asked again; nil: they do. A redirect URI that is not https proves
// nothing of who gets the answer, so they are asked each time. RFC 8252 §8.6
func (s *Server) allowedBefore(ctx context.Context, q *request, who *login.Person) (*grant.Consent, error) {
	if kind, err := oauth.KindOfRedirect(q.Redirect); who == nil || err != nil || kind != oauth.RedirectWeb {
		return nil, nil //nolint:nilnil,nilerr // they are asked
	}
	known, err := s.Consents.Allowed(ctx, consentKey(q.flow, who))
	switch {
	case errors.Is(err, grant.ErrNotFound):
		return nil, nil //nolint:nilnil // they are asked
	case err != nil:
		return nil, err
	}
	may, err := s.grantable(ctx, q.flow, s.resourceAt(q.Resource), who) // what they can never be given is not asked about
	if _, refused := errors.AsType[*oauth.Error](err); refused || err == nil && !known.Covers(may) {
		return nil, nil //nolint:nilnil // the page says what is the matter, or it asks for more
	}
	return known, err
}

// consentKey is what a decision about a flow holds for.
func consentKey(f *flow, who *login.Person) grant.ConsentKey {
	k := grant.ConsentKey{Tenant: who.Tenant, User: who.ID, Client: f.Client, Version: f.Version, Resource: f.Resource}
	if f.Redirect != "" {
		k.Host = oauth.RedirectHost(f.Redirect)
		if kind, _ := oauth.KindOfRedirect(f.Redirect); kind == oauth.RedirectLoopback {
			k.Host = "loopback" // the port is another each time
		}
	}
	return k
}
