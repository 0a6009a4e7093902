package signin

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// flow is one sign-in: for what, where, and with which scopes.
type flow struct {
	client *Client
	place  *place
	as     *discovery.Metadata
	scopes []string
	bound  *binding // of the tokens
	known  bool     // the client, to the authorization server: what it got is good still
}

// signIn gets a token in the way that is set, keeps it and returns it. The lock of
// the server is held: however many instances start, one window opens.
func (c *Client) signIn(ctx context.Context, f *flow) (*Credential, error) {
	ways := map[Grant]func(context.Context) (*client, *tokenAnswer, error){
		"": f.code, Code: f.code, Device: f.device, ClientCredentials: f.machine, Enterprise: f.enterprise, Workload: f.workload,
	}
	who, t, err := ways[c.Grant](ctx)
	if unknown(err) && who != nil && who.Dynamic { // the server lost it, or cleaned up
		c.log().Info("the client that was registered is not known any more: registering again", "issuer", f.as.Issuer)
		if err := c.forget(ctx, f.as.Issuer); err != nil {
			return nil, err
		}
		who, t, err = ways[c.Grant](ctx)
	}
	if err != nil {
		return nil, err
	}
	key, err := f.bound.judge(t)
	if err != nil {
		return nil, err
	}
	s := &session{
		Server: c.Server, Issuer: f.as.Issuer, Resource: f.place.Resource, Client: *who, Token: f.as.TokenEndpoint, Revoke: f.as.RevocationEndpoint,
		Grant: c.Grant, Signed: c.now(), Asked: f.scopes, Key: key, of: c,
	}
	s.take(t, c.now())
	if err := c.keep(ctx, s); err != nil {
		return nil, err
	}
	c.log().Info("signed in", "server", s.Server, "issuer", s.Issuer, "scope", strings.Join(s.Asked, " "))
	return s.credential()
}

// form begins a token request: what it is for, and what may be done with it.
func (f *flow) form(grant string) url.Values {
	form := url.Values{"grant_type": {grant}, "resource": {f.place.Resource}} // RFC 8707 §2.2
	if len(f.scopes) > 0 && grant != oauth.AuthorizationCode {
		form.Set("scope", strings.Join(f.scopes, " "))
	}
	return form
}

// machine is the grant of a client that acts for itself. OAuth 2.1 §4.2
func (f *flow) machine(ctx context.Context) (*client, *tokenAnswer, error) {
	who, err := f.client.byHand(ctx, f.as)
	if err != nil {
		return nil, nil, err
	}
	t, err := f.client.ask(ctx, f.as.TokenEndpoint, f.as.Issuer, who, f.form(oauth.ClientCredentials), f.bound)
	return who, t, err
}

// workload is the grant of a machine that a platform vouches for. The assertion is
// read anew each time: it is short-lived. RFC 7523 §2.1, SEP-1933
func (f *flow) workload(ctx context.Context) (*client, *tokenAnswer, error) {
	who := &client{Method: oauth.AuthNone}
	if f.client.Registered != nil {
		var err error
		if who, err = f.client.byHand(ctx, f.as); err != nil {
			return nil, nil, err
		}
	}
	if err := f.client.pin(ctx, f.as.Issuer); err != nil { // whoever has the assertion is us
		return nil, nil, err
	}
	assertion, err := f.client.Assertion(ctx)
	if err != nil {
		return nil, nil, because(CodeSettings, err, "The assertion cannot be read.")
	}
	form := f.form(oauth.JWTBearer)
	form.Set("assertion", strings.TrimSpace(assertion))
	t, err := f.client.ask(ctx, f.as.TokenEndpoint, f.as.Issuer, who, form, f.bound)
	return who, t, err
}

const (
	typeIDToken = "urn:ietf:params:oauth:token-type:id_token" // RFC 8693 §3
	typeIDJAG   = "urn:ietf:params:oauth:token-type:id-jag"   // draft-ietf-oauth-identity-assertion-authz-grant §3
)

// enterprise is the grant of a user for whom their company's identity provider
// vouches: it makes an assertion for the authorization server out of the ID token,
// and the authorization server a token out of that. Enterprise-managed authorization
func (f *flow) enterprise(ctx context.Context) (*client, *tokenAnswer, error) {
	p := f.client.Provider
	endpoint, err := f.client.providerEndpoint(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := f.client.pin(ctx, f.as.Issuer); err != nil {
		return nil, nil, err
	}
	token, err := p.IDToken(ctx)
	if err != nil {
		return nil, nil, because(CodeSettings, err, "The ID token cannot be read.")
	}
	us := &client{ID: p.ClientID, Secret: p.ClientSecret, Method: oauth.AuthNone}
	if p.ClientSecret != "" {
		us.Method = oauth.AuthSecretPost
	}
	form := f.form(oauth.TokenExchange)
	form.Set("requested_token_type", typeIDJAG)
	form.Set("subject_token", strings.TrimSpace(token))
	form.Set("subject_token_type", typeIDToken)
	form.Set("audience", f.as.Issuer)
	jag, err := f.client.ask(ctx, endpoint, p.Issuer, us, form, nil)
	if err != nil {
		return nil, nil, err
	}
	if jag.Issued != typeIDJAG {
		return nil, nil, fail(CodeToken, "The identity provider %s gives a token of type %q, not an identity assertion.", p.Issuer, plainText(jag.Issued))
	}
	var who *client
	switch {
	case f.client.Registered != nil:
		who, err = f.client.byHand(ctx, f.as)
	default:
		who, err = f.client.become(ctx, f.as, "")
	}
	if err != nil {
		return nil, nil, err
	}
	form = f.form(oauth.JWTBearer)
	form.Set("assertion", jag.Access)
	t, err := f.client.ask(ctx, f.as.TokenEndpoint, f.as.Issuer, who, form, f.bound)
	return who, t, err
}

func (c *Client) providerEndpoint(ctx context.Context) (string, error) {
	if c.Provider.TokenEndpoint != "" {
		return c.Provider.TokenEndpoint, nil
	}
	f, err := c.fetcher(c.Provider.Issuer)
	if err != nil {
		return "", err
	}
	m, err := discovery.Fetch(ctx, f, c.Provider.Issuer)
	if err != nil {
		return "", because(CodeMetadata, err, "The identity provider %s has no metadata that can be used.", c.Provider.Issuer)
	}
	return m.TokenEndpoint, CheckURL(m.TokenEndpoint)
}

// take puts what a token endpoint gave into the session.
func (s *session) take(t *tokenAnswer, now time.Time) {
	s.Access, s.Got, s.Expires = t.Access, now, time.Time{}
	if t.Expires > 0 {
		s.Expires = now.Add(time.Duration(t.Expires) * time.Second)
	}
	if t.Refresh != "" {
		s.Refresh = t.Refresh
	}
	if t.Scope != "" {
		s.Granted = scopesOf(t.Scope)
	}
}

// refresh renews the token of a session. nil and no error: that is not possible,
// and somebody has to sign in. An error is of a server that may yet answer.
func (c *Client) refresh(ctx context.Context, s *session) (*session, error) {
	if s.Refresh == "" {
		return nil, nil
	}
	form := url.Values{"grant_type": {oauth.RefreshToken}, "refresh_token": {s.Refresh}, "resource": {s.Resource}}
	who, b := s.Client, &binding{key: s.Key} // the refresh token is bound to it as well. RFC 9449 §5
	t, err := c.ask(ctx, s.Token, s.Issuer, &who, form, b)
	var refused *tokenError
	if errors.As(err, &refused) && refused.final() {
		c.log().Info("the sign-in has ended", "server", s.Server, "issuer", s.Issuer, "because", refused.Error())
		if unknown(err) && who.Dynamic {
			if err := c.forget(ctx, s.Issuer); err != nil {
				return nil, err
			}
		}
		s.Refresh = "" // it is asked with once
		return nil, c.keep(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	key, err := b.judge(t)
	if err != nil {
		return nil, err
	}
	if s.Key != nil && key == nil { // what was bound does not become what anybody could use
		c.log().Warn("the authorization server binds the token to no key any more: it is not used", "server", s.Server, "issuer", s.Issuer)
		s.Refresh = ""
		return nil, c.keep(ctx, s)
	}
	renewed := *s
	renewed.Key = key
	renewed.take(t, c.now())
	return &renewed, c.keep(ctx, &renewed)
}
