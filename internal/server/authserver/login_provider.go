package authserver

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// provider returns the one of a name, or a refusal.
func (s *Server) provider(name string) (federation.Provider, error) {
	for _, p := range s.Providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, &federation.Refusal{Code: federation.CodeProvider, Text: "Nobody signs in here by a provider of this name. Start again from your application."}
}

// callbackURI is where a provider sends browsers back to. Each has its own, so
// that the answer of one is never taken for another's. RFC 9700 §4.4.2
func (s *Server) callbackURI(provider string) string {
	return s.Issuer + "/auth/callback/" + provider
}

// loginProvider answers GET /auth/login/{provider}: it sends the browser to sign
// in there. Nobody gets so far who has not allowed a client on our own page.
func (s *Server) loginProvider(w http.ResponseWriter, r *http.Request) {
	f, err := s.flowOf(r)
	if err != nil {
		s.refused(w, r, "login", err)
		return
	}
	p, err := s.provider(r.PathValue("provider"))
	if err == nil && f.Next == "" && f.Consent == nil {
		err = &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1420", Description: "nothing was allowed yet"}
	}
	if err != nil {
		s.refusedAt(w, r, "login", f, r.PathValue("provider"), err)
		return
	}
	to, err := s.startAt(r, f, p)
	if err == nil {
		err = s.note(r, &audit.Event{Action: "login", Request: f.ID, ClientID: f.Client, Outcome: audit.OK, Detail: map[string]string{"provider": p.Name()}})
	}
	if err != nil {
		s.refusedAt(w, r, "login", f, p.Name(), err)
		return
	}
	s.seeOther(w, r, to)
}

// startAt begins a sign-in at a provider, and returns where the browser goes.
func (s *Server) startAt(r *http.Request, f *flow, p federation.Provider) (string, error) {
	prompt := f.MaxAge != 0 || r.FormValue("switch") != ""
	start, err := p.Begin(r.Context(), s.callbackURI(p.Name()), f.Hint, prompt)
	if err != nil {
		return "", err
	}
	sealed, err := s.sealFlow(f)
	if err != nil {
		return "", err
	}
	err = s.Logins.Keep(r.Context(), &federation.Waiting{Pending: start.Pending, Browser: f.Browser, Flow: sealed})
	if errors.Is(err, federation.ErrFull) {
		err = &federation.Refusal{Code: federation.CodeUnavailable, Text: "Too many people are signing in at the moment. Try again in a few minutes.", Cause: err}
	}
	return start.URL, err
}

// refusedAt writes down that a step at a provider was refused, and answers it
// with a page from which the person can try again, if there is a flow.
func (s *Server) refusedAt(w http.ResponseWriter, r *http.Request, action string, f *flow, provider string, err error) {
	ev := &audit.Event{Action: action, Detail: map[string]string{"provider": named(s, provider)}}
	if f != nil {
		ev.Request, ev.ClientID = f.ID, f.Client
	}
	s.tellRefused(w, r, ev, err, func() {
		refusal, ok := errors.AsType[*federation.Refusal](err)
		if !ok {
			s.fail(w, r, err)
			return
		}
		s.refuseAccount(w, r, f, refusal)
	})
}

// named is a provider's name, if there is one of it: others are a stranger's text.
func named(s *Server, provider string) string {
	if _, err := s.provider(provider); err != nil {
		return ""
	}
	return provider
}

// statuses of the pages that refusals are told on.
var statuses = map[string]int{
	federation.CodeState: http.StatusBadRequest, federation.CodeAnswer: http.StatusBadRequest, federation.CodeProvider: http.StatusNotFound,
	federation.CodeUnavailable: http.StatusServiceUnavailable, federation.CodeSetup: http.StatusBadGateway,
}

// refuseAccount tells a person why they could not sign in by a provider. Where
// the sign-in is still under way another account, or way, is offered.
func (s *Server) refuseAccount(w http.ResponseWriter, r *http.Request, f *flow, e *federation.Refusal) {
	page := refusal{Title: "Signing in did not work", Text: e.Text, Code: e.Code, Account: e.Account}
	if e.Account != "" {
		page.Title = "You cannot sign in with this account"
	}
	if why, ok := explanations[e.Code]; ok {
		page.Title = why.title
	}
	page.Advice = e.Advice
	if strings.Contains(e.Text, e.Account) { // it says so itself
		page.Account = ""
	}
	if f != nil {
		if sealed, err := s.sealFlow(f); err == nil {
			page.Retry, page.RetryText = s.loginURL(sealed, true), "Use another account"
			if e.Account == "" {
				page.Retry, page.RetryText = s.loginURL(sealed, true), "Try again"
			}
		}
	}
	status := statuses[e.Code]
	if status == 0 {
		status = http.StatusForbidden
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "60")
	}
	s.page(w, r, status, "refused", page)
}
