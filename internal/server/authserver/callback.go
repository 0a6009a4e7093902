package authserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// callback answers GET /auth/callback/{provider}: what a provider says of
// somebody. It is good once, within ten minutes, in the browser in which the
// sign-in began, and at the provider where it did.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	f, p, who, err := s.returned(r)
	if err != nil {
		s.refusedAt(w, r, "callback", f, r.PathValue("provider"), err)
		return
	}
	user, by, err := s.arrive(r.Context(), who)
	if err != nil {
		s.refusedAt(w, r, "callback", f, p.Name(), err)
		return
	}
	err = s.tell(r, &audit.Event{
		Action: "callback", Request: f.ID, ClientID: f.Client, Subject: user.ID, TenantID: string(user.Tenant), Outcome: audit.OK,
		Detail: map[string]string{"provider": p.Name(), "issuer": who.Issuer, "subject": who.Subject},
	})
	if err == nil && s.Vault != nil {
		err = s.Vault.Keep(r.Context(), user.Tenant, user.ID, p.Name(), who.Tokens)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.enter(w, r, f, &login.Entry{User: user, By: by, Methods: who.Methods})
}

// returned judges what the browser brought back. The flow is returned beside an
// error too, once it is known.
func (s *Server) returned(r *http.Request) (f *flow, p federation.Provider, who *federation.Profile, err error) {
	if p, err = s.provider(r.PathValue("provider")); err != nil {
		return nil, nil, nil, err
	}
	params, refusal := oauth.ReadQuery(r)
	if refusal != nil {
		return nil, nil, nil, refusal
	}
	browser := ""
	if c, err := r.Cookie(s.cookieName(browserCookie)); err == nil {
		browser = browserHash(c.Value)
	}
	waiting, err := s.Logins.Take(r.Context(), params.Get("state"), p.Name(), browser)
	if err != nil {
		return nil, nil, nil, err
	}
	if f, err = s.flowFrom(r, waiting.Flow); err != nil {
		return nil, nil, nil, err
	}
	who, err = p.Finish(r.Context(), s.callbackURI(p.Name()), &waiting.Pending, &federation.Callback{
		Code: params.Get("code"), State: params.Get("state"), Issuer: params.Get("iss"),
		Error: params.Get("error"), ErrorDescription: params.Get("error_description"),
	})
	return f, p, who, err
}

// arrive returns the user that somebody is, whom their provider vouches for.
func (s *Server) arrive(ctx context.Context, who *federation.Profile) (*login.User, login.Link, error) {
	home, err := s.Place(ctx, who)
	if err != nil {
		return nil, login.Link{}, err
	}
	user, by, err := s.People.SignIn(ctx, &login.Arrival{
		Tenant: home, Provider: who.Provider, Issuer: who.Issuer, Subject: who.Subject, Name: who.Name, Email: who.Email, Vouched: who.Vouched,
		Groups: who.Groups, Roles: who.Roles,
	})
	var text string
	switch {
	case err == nil:
		return user, by, nil
	case errors.Is(err, login.ErrDisabled):
		text = "Your account here is disabled. Ask whoever runs this server."
	case errors.Is(err, login.ErrTenant):
		return nil, login.Link{}, elsewhere(who, err)
	case errors.Is(err, login.ErrLinked):
		text = "This account belongs to somebody else here. Ask whoever runs this server."
	default:
		return nil, login.Link{}, err
	}
	return nil, login.Link{}, &federation.Refusal{Code: federation.CodeAllow, Text: text, Cause: err, Account: who.Email}
}

// elsewhere refuses somebody who is known here, and comes from where another
// tenant's people do. Whoever runs this server has to say which of the two is meant.
func elsewhere(who *federation.Profile, cause error) *federation.Refusal {
	e := &federation.Refusal{
		Code: federation.CodeTenant, Cause: cause, Account: who.Email,
		Text: "You are known here in another organization than the one that you come from now. What you had stays there, and nothing was granted.",
		Advice: []string{
			"Sign in with another account, or ask whoever runs this server and send them this page.",
		},
	}
	if of, ok := errors.AsType[*login.TenantError](cause); ok {
		e.Advice = append(e.Advice,
			"For whoever runs this server: “gatehouse user show "+of.User+"” says where they are known. If they have moved for good, “gatehouse user delete "+of.User+
				"”: they sign in once more, as somebody new. If not, the tenant of the login, or the link of their organization, is another than it was.")
	}
	return e
}
