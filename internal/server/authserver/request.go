package authserver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const (
	maxState = 4 << 10 // bytes of a client's state: it travels in URLs
	maxHint  = 256     // bytes of a login_hint
)

// request is an authorization request that may be answered to its client.
type request struct {
	*flow
	client  *client.Client
	none    bool // prompt=none: nobody is to be asked anything. OpenID Connect Core §3.1.2.1
	consent bool // prompt=consent: the page is to be shown
}

// redirectOf returns the redirect URI of a request. While it is not known to be
// the client's, nothing may be sent there, not even an error. OAuth 2.1 §4.1.2.1
func redirectOf(c *client.Client, p *oauth.Params) (string, *oauth.Error) {
	asked := p.Get("redirect_uri")
	if asked == "" { // OAuth 2.1 §4.1.1: it may be left out if there is only one
		if len(c.RedirectURIs) != 1 {
			return "", &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1402", Description: "redirect_uri is missing, and the client has registered more than one or none"}
		}
		asked = c.RedirectURIs[0]
	}
	if !oauth.MatchRedirect(c.RedirectURIs, asked) {
		return "", &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1402", Description: "redirect_uri is not one that the client has registered", Cause: compared(asked, c.RedirectURIs)}
	}
	return asked, nil
}

// compared shows the operator what was asked for beside what would have done: the
// first few. Of a stranger's URL nothing is kept but where it leads.
func compared(asked string, have []string) error {
	const shown = 3
	switch u, err := url.Parse(asked); {
	case err != nil:
		asked = "what is no URL"
	default: // that there is more is told, and not what
		where := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}
		if u.User != nil {
			where.User = url.User("…")
		}
		asked = where.Redacted()
		if u.RawQuery != "" || u.ForceQuery {
			asked += "?…"
		}
		if u.Fragment != "" {
			asked += "#…"
		}
	}
	more := ""
	if len(have) > shown {
		have, more = have[:shown], " and others"
	}
	return fmt.Errorf("asked for %.200q, and there is %.600q%s", asked, have, more)
}

// judge reads an authorization request of a client whose redirect URI is known.
// On an error it returns what of the request is needed to answer it.
func (s *Server) judge(c *client.Client, p *oauth.Params, redirect string) (*request, *oauth.Error) {
	q := &request{client: c, flow: &flow{
		ID: rand.Text(), Began: s.now(), Client: c.ID, Version: c.Version, Redirect: redirect, State: p.Get("state"),
	}}
	if len(q.State) > maxState {
		q.State = ""
		return q, asksWrongly(oauth.InvalidRequest, "state is longer than 4096 bytes")
	}
	for _, step := range []func(*client.Client, *oauth.Params, *request) *oauth.Error{kindOf, proofOf, keyOf, s.resourceOf, s.scopeOf, promptOf, hintOf} {
		if e := step(c, p, q); e != nil {
			return q, e
		}
	}
	return q, nil
}

// JudgePushed says why an authorization request that a client pushes would be
// refused; nil: it would not be. RFC 9126 §2.1
func (s *Server) judgePushed(c *client.Client, p *oauth.Params) *oauth.Error {
	redirect, e := redirectOf(c, p)
	if e != nil {
		return e
	}
	_, e = s.judge(c, p, redirect)
	return e
}

func asksWrongly(code, description string) *oauth.Error {
	return &oauth.Error{Code: code, Ref: "GH-1424", Description: description}
}

// kindOf refuses every kind of request but that for a code.
func kindOf(c *client.Client, p *oauth.Params, _ *request) *oauth.Error {
	switch mode := p.Get("response_mode"); {
	case p.Get("response_type") == "":
		return asksWrongly(oauth.InvalidRequest, "response_type is missing: it has to be code")
	case p.Get("response_type") != "code":
		return asksWrongly(oauth.UnsupportedResponse, "response_type has to be code")
	case mode != "" && mode != "query":
		return asksWrongly(oauth.InvalidRequest, "response_mode has to be query")
	case p.Get("request") != "":
		return asksWrongly("request_not_supported", "request objects are not supported: push the request instead") // OpenID Connect Core §6
	case !slices.Contains(c.Grants, oauth.AuthorizationCode):
		return asksWrongly(oauth.UnauthorizedClient, "this client may not use the authorization code grant")
	}
	return nil
}

// proofOf demands PKCE of everybody. OAuth 2.1 §7.5.1
func proofOf(_ *client.Client, p *oauth.Params, q *request) *oauth.Error {
	q.PKCE = p.Get("code_challenge")
	return oauth.CheckChallenge(q.PKCE, p.Get("code_challenge_method"))
}

// keyOf reads for which key of the client the code is to be. RFC 9449 §10
func keyOf(_ *client.Client, p *oauth.Params, q *request) *oauth.Error {
	q.Key = p.Get("dpop_jkt")
	if raw, err := base64.RawURLEncoding.DecodeString(q.Key); q.Key != "" && (err != nil || len(raw) != sha256.Size) {
		return asksWrongly(oauth.InvalidRequest, "dpop_jkt has to be the SHA-256 thumbprint of a key")
	}
	return nil
}

// resourceOf finds the one resource that the tokens will be for. RFC 8707 §2
func (s *Server) resourceOf(_ *client.Client, p *oauth.Params, q *request) *oauth.Error {
	canonical, e := s.oneResource(p.All("resource"))
	q.Resource = canonical
	return e
}

// oneResource returns the resource that all that is asked for means.
func (s *Server) oneResource(asked []string) (string, *oauth.Error) {
	served := s.served()
	if len(asked) == 0 {
		asked = []string{""}
	}
	var canonical string
	for i, one := range asked {
		found, ok := oauth.MatchResource(served, one)
		switch {
		case !ok && one == "":
			return "", &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "resource is missing, and more than one is served here"}
		case !ok:
			return "", &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "resource is not one that is served here", Cause: compared(one, served)}
		case i > 0 && found != canonical:
			return "", &oauth.Error{Code: oauth.InvalidTarget, Ref: "GH-1404", Description: "a token is for one resource: ask for each by itself"}
		}
		canonical = found
	}
	return canonical, nil
}

func (s *Server) scopeOf(c *client.Client, p *oauth.Params, q *request) *oauth.Error {
	asked, e := oauth.ParseScope(p.Get("scope"))
	if e != nil {
		return e
	}
	res := s.resourceAt(q.Resource)
	q.Scopes = offered(res, c, asked)
	q.All = len(asked) > 0 && len(q.Scopes) == len(res.Scopes)
	q.Offline = slices.Contains(c.Grants, oauth.RefreshToken)
	return nil
}

// offered returns what a client can be given of what it asks for, in the order of
// the configuration. What is not known here is left out rather than refused:
// clients ask for scopes of elsewhere, and are told what they got. Who asks for
// nothing that there is gets what is meant for everybody. RFC 6749 §3.3
func offered(res *Resource, c *client.Client, asked []string) []string {
	for _, one := range [...][]string{asked, res.defaults()} {
		if out := res.wanted(one, c.Scopes); one != nil && len(out) > 0 {
			return inOrder(res, out)
		}
	}
	return inOrder(res, res.wanted(res.names(), c.Scopes))
}

// promptOf reads how a client wants the person to be treated. OpenID Connect Core §3.1.2.1
func promptOf(_ *client.Client, p *oauth.Params, q *request) *oauth.Error {
	words := strings.Fields(p.Get("prompt"))
	for _, word := range words {
		switch word {
		case "none":
			q.none = true
		case "consent":
			q.consent = true
		case "login", "select_account":
			q.MaxAge, q.Since, q.consent = -1, q.Began, true // the page says who is about to allow what
		}
	}
	if q.none && len(words) > 1 {
		return asksWrongly(oauth.InvalidRequest, "prompt=none goes with nothing else")
	}
	if text := p.Get("max_age"); text != "" {
		age, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return asksWrongly(oauth.InvalidRequest, "max_age has to be a number of seconds")
		}
		if q.MaxAge == 0 {
			q.MaxAge = int64(age)
		}
		if age == 0 {
			q.MaxAge, q.Since = -1, q.Began
		}
	}
	return nil
}

func hintOf(_ *client.Client, p *oauth.Params, q *request) *oauth.Error {
	if hint := p.Get("login_hint"); len(hint) <= maxHint {
		q.Hint = hint // longer ones are nobody's address
	}
	return nil
}

// recent says whether somebody who signed in then need not do it again.
func (s *Server) recent(f *flow, signedIn time.Time) bool {
	switch {
	case f.MaxAge < 0:
		return signedIn.After(f.Since)
	case f.MaxAge > 0:
		return s.now().Sub(signedIn) <= time.Duration(f.MaxAge)*time.Second
	}
	return true
}

// badStatus is for pages: 400 unless the refusal has a status of its own.
func badStatus(e *oauth.Error) int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}
