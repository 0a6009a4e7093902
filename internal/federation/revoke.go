package federation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// ErrNoRevocation says that a provider cannot be asked to end a token.
var ErrNoRevocation = errors.New("the provider has no revocation endpoint")

// revoker is a provider that can be asked to end what it gave.
type revoker interface {
	Revoke(ctx context.Context, tokens *Tokens) error
}

// Revoke has the provider end the refresh token, and what came of it, or else the
// access token. ErrNoRevocation: it does not do that. RFC 7009 §2.1
func (o *OIDC) Revoke(ctx context.Context, tokens *Tokens) error {
	m, err := o.metadata(ctx)
	if err != nil {
		return err
	}
	if m.RevocationEndpoint == "" {
		return ErrNoRevocation
	}
	form := url.Values{"token": {tokens.Refresh}, "token_type_hint": {"refresh_token"}}
	if tokens.Refresh == "" {
		form = url.Values{"token": {tokens.Access}, "token_type_hint": {"access_token"}}
	}
	c := o.client(m, "")
	inHeader := c.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !inHeader {
		form.Set("client_id", c.ClientID)
		if c.ClientSecret != "" {
			form.Set("client_secret", c.ClientSecret)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("the revocation endpoint is no URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if inHeader { // RFC 6749 §2.3.1
		r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	}
	client, ok := o.speaking(ctx, o.login.Issuer).Value(oauth2.HTTPClient).(*http.Client)
	if !ok {
		return errors.New("there is nothing to ask with")
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, safehttp.Reason(err))
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, maxForm) // what it says beyond its status is not needed
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the revocation endpoint answered %s", answer.Status)
	}
	return nil
}

// Forgotten are a user's tokens of a provider that nobody here has any more.
type Forgotten struct {
	Provider string // its name

	tokens *Tokens
	at     Provider
}

// Revoke has the provider end them too. ErrNoRevocation: it does not do that.
func (f *Forgotten) Revoke(ctx context.Context) error {
	if at, ok := f.at.(revoker); ok {
		return at.Revoke(ctx, f.tokens)
	}
	return ErrNoRevocation
}

// End forgets all tokens of a user, and returns those that their providers can
// still be told of. What cannot be read is forgotten too.
func (v *Vault) End(ctx context.Context, t tenant.ID, user string) (all []Forgotten, err error) {
	for name, p := range v.Providers {
		if tokens, err := v.open(ctx, t, user, name); err == nil {
			all = append(all, Forgotten{name, tokens, p})
		}
	}
	return all, v.Forget(ctx, t, user, "")
}
