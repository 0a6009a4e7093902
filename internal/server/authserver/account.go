package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	maxApps    = 200             // on the account page
	clientWait = 2 * time.Second // for the documents of all clients on it
)

// ownPage is what the page "account" shows.
type ownPage struct {
	Who, Form, Done string
	Apps            []app
	Sessions        []browser
	Local           bool
}

type app struct {
	ID, Name, Domain, Vouched, Resource string
	Number                              int
	Scopes                              []string
	Created, LastUsed, Expires          time.Time
}

type browser struct {
	ID, Agent, Provider, Address string
	Number                       int
	Here                         bool
	SignedIn, LastSeen           time.Time
}

// dones are what the page says was done: a word in the URL, never a text.
var dones = map[string]string{
	"revoked": "The app has no access any more.",
	"out":     "That browser is signed out.",
}

// account answers GET /account: what somebody allowed, and where they are signed in.
func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	who, err := s.person(r)
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case who == nil:
		s.beginAt(w, r, "/account")
		return
	}
	page := ownPage{Who: nameOf(&who.User), Done: dones[r.URL.Query().Get("done")], Local: s.Accounts != nil && who.Username != ""}
	if page.Form, err = s.formToken(who); err == nil {
		page.Apps, err = s.apps(r.Context(), who)
	}
	if err == nil {
		page.Sessions, err = s.browsers(r.Context(), who)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, "account", page)
}

func (s *Server) apps(ctx context.Context, who *login.Person) ([]app, error) {
	list, err := s.Grants.List(ctx, grant.Filter{Tenant: who.Tenant, Subject: who.ID, Active: s.now(), Limit: maxApps})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b grant.Grant) int { return b.LastUsed.Compare(a.LastUsed) })
	ctx, stop := context.WithTimeout(ctx, clientWait)
	defer stop()
	apps := make([]app, 0, len(list))
	for i := range list {
		g := &list[i]
		a := app{
			ID: g.ID, Number: i, Name: g.Client, Vouched: "unverified", Resource: g.Resource, Scopes: g.Scopes,
			Created: g.Created, LastUsed: g.LastUsed, Expires: g.Expires,
		}
		if c, err := s.Clients.Find(ctx, g.Client); err == nil { // one that is gone is shown by its id
			a.Name, a.Domain, a.Vouched = c.Name, c.Domain, vouched(c)
		}
		if res := s.resourceAt(g.Resource); res != nil {
			a.Resource, a.Scopes = res.Name, res.titles(g.Scopes)
		}
		apps = append(apps, a)
	}
	return apps, nil
}

// titles are scopes in words.
func (res *Resource) titles(scopes []string) []string {
	out := slices.Clone(scopes)
	for i, name := range out {
		for _, one := range res.Scopes {
			if one.Name == name && one.Title != "" {
				out[i] = one.Title
			}
		}
	}
	return out
}

func (s *Server) browsers(ctx context.Context, who *login.Person) ([]browser, error) {
	list, err := s.People.Sessions(ctx, who.Tenant, who.ID)
	if err != nil {
		return nil, err
	}
	out := make([]browser, 0, len(list))
	for i := range list {
		one := &list[i]
		b := browser{
			ID: one.ID, Number: i, Agent: agent(one.Agent), Provider: one.Provider, Address: one.Address,
			Here: one.ID == who.Session.ID, SignedIn: one.SignedIn, LastSeen: one.LastSeen,
		}
		for _, p := range s.Providers {
			if p.Name() == one.Provider {
				b.Provider = p.Title()
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// accountRevoke answers POST /account/revoke: an app's access ends now.
func (s *Server) accountRevoke(w http.ResponseWriter, r *http.Request) {
	who, err := s.formOf(w, r)
	if err != nil {
		s.refused(w, r, "revoke", err)
		return
	}
	g, err := s.Grants.Get(r.Context(), r.PostForm.Get("grant"))
	if err == nil && (g.Subject != who.ID || g.Tenant != who.Tenant) {
		err = grant.ErrNotFound // whose it is, is not told
	}
	if err != nil {
		s.refused(w, r, "revoke", gone(err))
		return
	}
	err = s.tell(r, &audit.Event{Action: "revoke", Request: g.Flow, ClientID: g.Client, Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK, Reason: "on the account page"})
	if err == nil {
		_, err = s.Grants.Revoke(r.Context(), g.ID, "ended on the account page", who.ID)
	}
	if err == nil { // it is to ask again
		_, err = s.Consents.Forget(r.Context(), who.Tenant, who.ID, g.Client)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.seeOther(w, r, "/account?done=revoked")
}

// accountSessions answers POST /account/sessions: a browser is signed out, or all.
func (s *Server) accountSessions(w http.ResponseWriter, r *http.Request) {
	who, err := s.formOf(w, r)
	if err != nil {
		s.refused(w, r, "sign_out", err)
		return
	}
	id := r.PostForm.Get("session")
	if err := s.tell(r, &audit.Event{Action: "sign_out", Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK, Detail: map[string]string{"session": id}}); err != nil {
		s.fail(w, r, err)
		return
	}
	if id == "all" {
		if _, err := s.People.EndAll(r.Context(), who.Tenant, who.ID); err != nil {
			s.fail(w, r, err)
			return
		}
		s.signedOut(w, r)
		return
	}
	if _, err := s.People.End(r.Context(), who.Tenant, who.ID, id); err != nil {
		s.refused(w, r, "sign_out", gone(err))
		return
	}
	s.seeOther(w, r, "/account?done=out")
}

// accountSignOut answers POST /account/sign-out.
func (s *Server) accountSignOut(w http.ResponseWriter, r *http.Request) {
	who, err := s.formOf(w, r)
	if err == nil {
		err = s.tell(r, &audit.Event{Action: "sign_out", Subject: who.ID, TenantID: string(who.Tenant), Outcome: audit.OK, Detail: map[string]string{"session": who.Session.ID}})
	}
	if err == nil {
		_, err = s.People.End(r.Context(), who.Tenant, who.ID, who.Session.ID)
	}
	if err != nil {
		s.refused(w, r, "sign_out", gone(err))
		return
	}
	s.signedOut(w, r)
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) {
	s.dropSession(w)
	s.page(w, r, http.StatusOK, "done", notice{"You are signed out", "Apps that you allowed keep their access. You can end it at your account."})
}

// gone is what somebody is told of what is not theirs, or not any more.
func gone(err error) error {
	if errors.Is(err, grant.ErrNotFound) || errors.Is(err, login.ErrNotFound) {
		return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1426", Status: http.StatusNotFound, Description: "This is not there any more.", Cause: err}
	}
	return err
}

// agent makes of what a browser calls itself what people call it. Nothing depends on it.
func agent(text string) string {
	first := func(names ...[2]string) string {
		for _, n := range names {
			if strings.Contains(text, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	// Every browser calls itself by the names of those before it: the last comes first.
	what := first([2]string{"Edg", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"Firefox/", "Firefox"}, [2]string{"FxiOS/", "Firefox"},
		[2]string{"Chrome/", "Chrome"}, [2]string{"CriOS/", "Chrome"}, [2]string{"Safari/", "Safari"})
	where := first([2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Android", "Android"}, [2]string{"Windows", "Windows"},
		[2]string{"Mac OS X", "macOS"}, [2]string{"CrOS", "ChromeOS"}, [2]string{"Linux", "Linux"})
	switch {
	case what == "":
		return text
	case where == "":
		return what
	}
	return what + " on " + where
}
