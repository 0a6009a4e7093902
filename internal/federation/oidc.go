package federation

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-mcp/gatehouse/internal/discovery"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

const (
	metadataFresh = time.Hour        // until metadata is fetched anew
	metadataKept  = 24 * time.Hour   // that it does while it cannot be
	metadataRetry = 30 * time.Second // between attempts
	skew          = time.Minute      // by which a provider's clock may differ
)

// OIDC signs people in by OpenID Connect. [Open] makes one.
type OIDC struct {
	base

	mu      sync.Mutex
	known   *metadata // the last that was good; nil: none yet
	asked   time.Time // when it was last asked for
	failure error     // of the last attempt
}

// metadata is what a provider says of itself, and what judges its ID tokens.
type metadata struct {
	*discovery.Metadata
	verifier *oidc.IDTokenVerifier
	fetched  time.Time
}

// Begin implements Provider.
func (o *OIDC) Begin(ctx context.Context, redirect, hint string, prompt bool) (*Start, error) {
	m, err := o.metadata(ctx)
	if err != nil {
		return nil, err
	}
	p := Pending{
		State: rand.Text(), Provider: o.Name(), Redirect: redirect, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Forced: prompt, Began: o.now(),
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier)}
	for name, value := range o.parameters(hint, prompt) {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return &Start{URL: o.client(m, redirect).AuthCodeURL(p.State, options...), Pending: p}, nil
}

// parameters are those of the authorization request that not every one has.
func (o *OIDC) parameters(hint string, prompt bool) map[string]string {
	all := map[string]string{}
	maps.Copy(all, o.login.Send)
	var prompts []string
	if prompt {
		prompts = append(prompts, o.login.Reprove)
		all["max_age"] = "0" // OpenID Connect Core §3.1.2.1
	}
	if o.settings.KeepTokens {
		maps.Copy(all, o.login.OfflineSend)
		if p := all["prompt"]; p != "" {
			prompts = append(prompts, p)
		}
	}
	if len(prompts) > 0 {
		all["prompt"] = strings.Join(prompts, " ")
	}
	if _, _, ok := idp.Address(hint); ok { // who gave it is a stranger
		all["login_hint"] = hint
	}
	return all
}

// scopes are what is asked for.
func (b *base) scopes() []string {
	l := b.login
	all := slices.Clone(l.Scopes)
	if b.settings.Allow.Memberships() {
		all = append(all, l.GroupScopes...)
	}
	if b.settings.KeepTokens {
		all = append(all, l.OfflineScopes...)
	}
	for _, s := range b.settings.Scopes {
		if l.ScopePrefix != "" && !strings.ContainsAny(s, ":/") && !slices.Contains(all, s) {
			s = l.ScopePrefix + s
		}
		all = append(all, s)
	}
	var out []string
	for _, s := range all {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// client is how we speak to the token endpoint. The way in which we prove who we
// are is never tried out: that would show a code to whoever refuses it.
func (o *OIDC) client(m *metadata, redirect string) *oauth2.Config {
	c := &oauth2.Config{
		ClientID: o.settings.ClientID, ClientSecret: o.settings.ClientSecret, RedirectURL: redirect, Scopes: o.scopes(),
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader},
	}
	methods := m.TokenEndpointAuthMethods // nil: client_secret_basic. RFC 8414 §2
	if o.key != nil || c.ClientSecret == "" || methods != nil && !slices.Contains(methods, "client_secret_basic") {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if o.key != nil {
		c.ClientSecret = ""
	}
	return c
}

// metadata returns what the provider says of itself: the last that was good, if
// it cannot be asked.
func (o *OIDC) metadata(ctx context.Context) (*metadata, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.known != nil && now.Sub(o.known.fetched) < metadataFresh {
		return o.known, nil
	}
	if now.Sub(o.asked) >= metadataRetry || o.failure == nil {
		// Who waits for it may leave: the next one would ask again.
		m, err := o.fetch(context.WithoutCancel(ctx), now)
		o.asked, o.failure = now, err
		if err == nil {
			o.known = m
			return m, nil
		}
	}
	if o.known != nil && now.Sub(o.known.fetched) < metadataKept {
		return o.known, nil
	}
	if reached(o.failure) {
		return nil, o.refuse(CodeSetup, "Signing in with %s is not set up correctly. Nothing was granted. Tell your administrator.", o.failure)
	}
	return nil, o.refuse(CodeUnavailable, "%s does not answer at present. Nothing was granted. Try again in a minute.", errors.Join(ErrUnavailable, o.failure))
}

// reached says whether an error came of an answer that a server gave.
func reached(err error) bool {
	var said interface{ Answered() bool }
	var status *safehttp.StatusError
	if errors.As(err, &status) {
		return status.Status < 500
	}
	return errors.As(err, &said) && said.Answered()
}

func (o *OIDC) fetch(ctx context.Context, now time.Time) (*metadata, error) {
	found, err := discovery.FetchOpenID(ctx, safehttp.Fetcher{Client: o.http}, o.login.Issuer)
	if err != nil {
		return nil, err
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": found.AuthorizationEndpoint, "token_endpoint": found.TokenEndpoint, "jwks_uri": found.JWKSURI,
	} {
		if endpoint == "" {
			return nil, lacking(name)
		}
	}
	// The set of keys outlives this request: it is fetched again when a key is not in it.
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), o.http), found.JWKSURI)
	return &metadata{Metadata: found, fetched: now, verifier: oidc.NewVerifier(o.login.Issuer, keys, &oidc.Config{
		ClientID: o.settings.ClientID, SupportedSigningAlgs: o.algorithms(),
		Now: func() time.Time { return o.now().Add(-skew) },
	})}, nil
}

// algorithms are those by which ID tokens may be signed: never HMAC, never none.
func (o *OIDC) algorithms() []string {
	if p := idp.Find(o.settings.Preset); len(p.Issuer.Algorithms) > 0 {
		return p.Issuer.Algorithms
	}
	return []string{oidc.RS256}
}

// lacking is what metadata does not have.
type lacking string

func (l lacking) Error() string { return "the metadata has no " + string(l) }

// Answered says that there is a server.
func (l lacking) Answered() bool { return true }

// Finish implements Provider.
func (o *OIDC) Finish(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error) {
	who, err := o.Identify(ctx, redirect, p, c)
	if err != nil {
		return nil, err
	}
	if err := o.Admit(who); err != nil {
		return nil, err
	}
	return who, nil
}

// Identify implements Provider.
func (o *OIDC) Identify(ctx context.Context, redirect string, p *Pending, c *Callback) (*Profile, error) {
	if err := o.current(redirect, p, c); err != nil {
		return nil, err
	}
	m, err := o.metadata(ctx)
	if err != nil {
		return nil, err
	}
	// Before anything else is looked at: an answer of somebody else has no meaning. RFC 9207 §2.4
	if err := o.answerer(m, c); err != nil {
		return nil, err
	}
	if c.Error != "" || c.Code == "" {
		return nil, o.denied(c.Error, c.ErrorDescription)
	}
	ctx = o.speaking(ctx, o.login.Issuer)
	token, err := o.client(m, redirect).Exchange(ctx, c.Code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		return nil, o.exchangeFailed(err)
	}
	who, err := o.profile(ctx, m, p, token)
	if err != nil {
		return nil, err
	}
	if o.settings.KeepTokens {
		who.Tokens = tokensOf(token, o.now())
	}
	return who, nil
}

// speaking has the token endpoint asked by our own client.
func (b *base) speaking(ctx context.Context, audience string) context.Context {
	client := *b.http
	if b.key != nil {
		client.Transport = &asserting{next: b.http.Transport, key: b.key, client: b.settings.ClientID, audience: audience, now: b.now}
	}
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// current says whether an answer is to a sign-in of ours that is still under way.
func (b *base) current(redirect string, p *Pending, c *Callback) error {
	age := b.now().Sub(p.Began)
	var why error
	switch {
	case p.Provider != b.Name(): // RFC 9700 §4.4
		why = fmt.Errorf("the sign-in began with %q", p.Provider)
	case p.Redirect != redirect || redirect == "":
		why = errors.New("the answer came to another redirect URI")
	case c.State == "" || subtle.ConstantTimeCompare([]byte(c.State), []byte(p.State)) != 1:
		why = errors.New("the state is another one")
	case age > Life || age < -skew:
		why = fmt.Errorf("the sign-in began %s ago", age.Round(time.Second))
	default:
		return nil
	}
	return b.refuse(CodeState, "This sign-in has ended, or was used before. Nothing was granted. Start again from your application.", why)
}

// answerer judges who answered.
func (o *OIDC) answerer(m *metadata, c *Callback) error {
	switch {
	case c.Issuer == "" && m.IssParameter:
		return o.invalid(errors.New("the answer has no iss, which the provider says that it sends"))
	case c.Issuer != "" && c.Issuer != o.login.Issuer:
		return o.invalid(fmt.Errorf("the answer is of issuer %.200q, not of %q", c.Issuer, o.login.Issuer))
	}
	return nil
}

// invalid refuses an answer that cannot be believed.
func (b *base) invalid(cause error) *Refusal {
	return b.refuse(CodeAnswer, "What %s answered could not be verified, so nothing was granted. Start again from your application; if it happens again, tell your administrator.", cause)
}

// tokensOf are the tokens of an answer.
func tokensOf(t *oauth2.Token, now time.Time) *Tokens {
	out := &Tokens{Access: t.AccessToken, Refresh: t.RefreshToken}
	if t.ExpiresIn > 0 {
		out.Expires = now.Add(time.Duration(min(t.ExpiresIn, 365*86400)) * time.Second)
	}
	if scope, ok := t.Extra("scope").(string); ok {
		out.Scopes = strings.FieldsFunc(scope, func(c rune) bool { return c == ' ' || c == ',' })
	}
	return out
}

// Refresh implements Provider.
func (o *OIDC) Refresh(ctx context.Context, refresh string) (*Tokens, error) {
	m, err := o.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return o.refreshed(ctx, o.client(m, ""), o.login.Issuer, refresh)
}

func (b *base) refreshed(ctx context.Context, c *oauth2.Config, audience, refresh string) (*Tokens, error) {
	if refresh == "" {
		return nil, ErrDead
	}
	t, err := c.TokenSource(b.speaking(ctx, audience), &oauth2.Token{RefreshToken: refresh}).Token()
	var said *oauth2.RetrieveError
	switch {
	case errors.As(err, &said) && (said.ErrorCode == "invalid_grant" || said.ErrorCode == "bad_refresh_token"): // the second: GitHub
		return nil, fmt.Errorf("%w: %s", ErrDead, told(said))
	case errors.As(err, &said):
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, told(said))
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, safehttp.Reason(err))
	}
	return tokensOf(t, b.now()), nil
}

// told is what a token endpoint said, for the operator.
func told(e *oauth2.RetrieveError) string {
	status := 0
	if e.Response != nil {
		status = e.Response.StatusCode
	}
	return fmt.Sprintf("status %d %s: error %.80q, %.300q", status, http.StatusText(status), e.ErrorCode, e.ErrorDescription)
}
