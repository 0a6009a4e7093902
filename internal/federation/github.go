package federation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// apiVersion is that of GitHub's interface that this is written against.
const apiVersion = "2022-11-28"

// loginForm is what a login can be, those of Enterprise's managed users among them.
var loginForm = pattern.Lazy(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// GitHub signs people in with GitHub, which is no OpenID provider. [Open] makes one.
type GitHub struct {
	base
	api string // of its interface, without a slash at its end
}

func newGitHub(b base) *GitHub {
	return &GitHub{base: b, api: githubAPI(b.login.Issuer)}
}

// githubAPI is where GitHub's interface is: on a host of its own for github.com
// and ghe.com, and under a path of Enterprise Server.
func githubAPI(issuer string) string {
	host := strings.TrimPrefix(issuer, "https://")
	if host == "github.com" || strings.HasSuffix(host, ".ghe.com") {
		return "https://api." + host
	}
	return issuer + "/api/v3"
}

// Begin implements Provider.
func (g *GitHub) Begin(_ context.Context, redirect, hint string, prompt bool) (*Start, error) {
	p := Pending{State: rand.Text(), Provider: g.Name(), Redirect: redirect, Verifier: oauth2.GenerateVerifier(), Forced: prompt, Began: g.now()}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(p.Verifier)}
	if _, _, ok := idp.Address(hint); ok {
		options = append(options, oauth2.SetAuthURLParam("login", hint))
	}
	if prompt {
		options = append(options, oauth2.SetAuthURLParam("prompt", g.login.Reprove))
	}
	return &Start{URL: g.client(redirect).AuthCodeURL(p.State, options...), Pending: p}, nil
}

func (g *GitHub) client(redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: g.settings.ClientID, ClientSecret: g.settings.ClientSecret, RedirectURL: redirect, Scopes: g.scopes(),
		Endpoint: oauth2.Endpoint{
			AuthURL: g.login.Issuer + "/login/oauth/authorize", TokenURL: g.login.Issuer + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Finish implements Provider.
func (g *GitHub) Finish(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error) {
	who, err := g.Identify(ctx, redirect, p, c)
	if err != nil {
		return nil, err
	}
	if err := g.Admit(who); err != nil {
		return nil, err
	}
	return who, nil
}

// Identify implements Provider.
func (g *GitHub) Identify(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error) {
	if err := g.current(redirect, p, c); err != nil {
		return nil, err
	}
	// It need not say who it is; if it does, then rightly. RFC 9207 §2.4
	if c.Issuer != "" && c.Issuer != g.login.Issuer && c.Issuer != g.login.Issuer+"/login/oauth" {
		return nil, g.invalid(fmt.Errorf("the answer is of issuer %.200q", c.Issuer))
	}
	if c.Error != "" || c.Code == "" {
		return nil, g.denied(c.Error, c.ErrorDescription)
	}
	token, err := g.client(redirect).Exchange(g.speaking(ctx, g.login.Issuer), c.Code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		return nil, g.exchangeFailed(err)
	}
	who, err := g.profile(ctx, token.AccessToken)
	if err != nil {
		return nil, err
	}
	if g.settings.KeepTokens {
		who.Tokens = tokensOf(token, g.now())
	}
	return who, nil
}

// profile asks GitHub who has a token.
func (g *GitHub) profile(ctx context.Context, access string) (*Profile, error) {
	var user struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
		Name  string `json:"name"`
		Type  string `json:"type"`
	}
	if err := g.get(ctx, access, "/user", &user); err != nil {
		return nil, g.failed(err)
	}
	if user.ID <= 0 || !loginForm().MatchString(user.Login) {
		return nil, g.invalid(errors.New("GET /user names nobody"))
	}
	if user.Type != "" && user.Type != "User" {
		return nil, g.refuse(CodeAllow, "You signed in to %s with an account that is not a person's.", fmt.Errorf("it is of type %.40q", user.Type))
	}
	who := &Profile{Provider: g.Name(), Issuer: g.login.Issuer, Subject: strconv.FormatInt(user.ID, 10), Username: user.Login, Name: user.Login}
	if len(user.Name) <= 128 && namePlain().MatchString(user.Name) {
		who.Name = user.Name
	}
	if err := g.emails(ctx, access, who); err != nil {
		return nil, err
	}
	if err := g.memberships(ctx, access, who); err != nil {
		return nil, err
	}
	if a := &g.settings.Allow; len(a.Orgs) == 1 && slices.Equal(who.Orgs, a.Orgs) {
		who.Tenant = a.Orgs[0]
	}
	return who, nil
}

// emails reads the address that is primary and verified. GET /user has only one
// that is shown to everybody, and does not say whether it is verified.
func (g *GitHub) emails(ctx context.Context, access string, who *Profile) error {
	var all []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	err := g.get(ctx, access, "/user/emails", &all)
	var status *safehttp.StatusError
	switch {
	case errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusForbidden):
		return nil // the app may not see it: then there is none
	case err != nil:
		return g.failed(err)
	}
	for _, e := range all {
		if e.Primary && e.Verified {
			g.addressed(who, e.Email)
		}
	}
	return nil
}

// answerError is an answer that is no success, and what GitHub says of it.
type answerError struct {
	path    string
	status  int
	message string
	sso     bool // X-GitHub-SSO: the organization wants a sign-in by SAML
}

func (e *answerError) Error() string {
	return fmt.Sprintf("GET %s: status %d, %.200q", e.path, e.status, e.message)
}

// Unwrap returns the status.
func (e *answerError) Unwrap() error { return &safehttp.StatusError{Status: e.status} }

// get asks GitHub's interface.
func (g *GitHub) get(ctx context.Context, access, path string, into any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+path, http.NoBody)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+access)
	q.Header.Set("Accept", "application/vnd.github+json")
	q.Header.Set("X-GitHub-Api-Version", apiVersion)
	a, err := safehttp.Fetcher{Client: g.http}.Do(q)
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		var said struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(a.Body, &said) // what is no JSON says nothing
		return &answerError{path, a.Status, said.Message, strings.HasPrefix(a.Header.Get("X-GitHub-SSO"), "required")}
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return &answerError{path, a.Status, "not understood", false}
	}
	return nil
}

// failed refuses because GitHub did not say who somebody is.
func (g *GitHub) failed(err error) *Refusal {
	var said *answerError
	switch {
	case !errors.As(err, &said):
		return g.away(errors.New("interface: " + safehttp.Reason(err)))
	case said.status >= 500 || said.status == http.StatusTooManyRequests || said.status == http.StatusForbidden && strings.Contains(said.message, "rate limit"):
		return g.away(err)
	}
	return g.invalid(err)
}

// Refresh implements Provider.
func (g *GitHub) Refresh(ctx context.Context, refresh string) (*Tokens, error) {
	return g.refreshed(ctx, g.client(""), g.login.Issuer, refresh)
}

// memberships asks about each organization and team of the allow-list. The lists
// that GitHub has of them leave out, without a word, organizations that did not
// approve the app.
func (g *GitHub) memberships(ctx context.Context, access string, who *Profile) error {
	a := &g.settings.Allow
	var hidden *Refusal // why an organization did not tell
	for _, org := range a.Orgs {
		in, why, err := g.member(ctx, access, "/user/memberships/orgs/"+url.PathEscape(org), org)
		if err != nil {
			return err
		}
		if in {
			who.Orgs = append(who.Orgs, org)
		} else if why != nil {
			hidden = why
		}
	}
	for _, team := range a.Teams {
		org, slug, _ := strings.Cut(team, "/")
		in, why, err := g.member(ctx, access, "/orgs/"+url.PathEscape(org)+"/teams/"+url.PathEscape(slug)+"/memberships/"+url.PathEscape(who.Username), org)
		if err != nil {
			return err
		}
		if in {
			who.Teams = append(who.Teams, team)
		} else if why != nil {
			hidden = why
		}
	}
	if hidden != nil && !listed(a, who) && (len(a.Orgs) > 0 && len(who.Orgs) == 0 || len(a.Teams) > 0 && len(who.Teams) == 0) {
		hidden.Account = account(who)
		return hidden
	}
	who.Groups = append(slices.Clone(who.Orgs), who.Teams...)
	return nil
}

// member asks about one membership. why says that it cannot be seen.
func (g *GitHub) member(ctx context.Context, access, path, org string) (in bool, why *Refusal, err error) {
	var said struct {
		State string `json:"state"`
	}
	switch err := g.get(ctx, access, path, &said); {
	case err == nil:
		return said.State == "active", nil, nil // who is invited has not accepted: pending
	default:
		var no *answerError
		switch {
		case errors.As(err, &no) && no.status == http.StatusNotFound:
			return false, nil, nil
		case errors.As(err, &no) && no.status == http.StatusForbidden && !strings.Contains(no.message, "rate limit"):
			return false, g.hidden(no, org), nil
		}
		return false, nil, g.failed(err)
	}
}

// hidden says why GitHub does not tell who is in an organization. What GitHub
// writes is looked at, never shown.
func (g *GitHub) hidden(no *answerError, org string) *Refusal {
	text := "%s does not let this server see who is in the organization " + org + ". Ask an administrator."
	switch {
	case no.sso:
		text = "The organization " + org + " wants you to sign in with its single sign-on. Open https://" + strings.TrimPrefix(g.login.Issuer, "https://") + "/orgs/" + org + "/sso, sign in there, and start again."
	case strings.Contains(no.message, "OAuth App access restrictions") || strings.Contains(no.message, "third-party"):
		text = "The organization " + org + " has not approved this application yet, so %s does not say whether you are in it. Ask an owner of " + org + " to approve it (Settings → Third-party Access), and sign in again."
	case strings.Contains(no.message, "not accessible by integration"):
		text = "The application at %s may not see the members of " + org + ". Tell your administrator: it needs the organization permission Members (read), and has to be installed there."
	}
	return g.refuse(CodeMembership, text, no)
}
