package server

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// federated are the providers by which people sign in, as one configuration has
// them, and what is kept of what they give.
type federated struct {
	config    *config.Config
	providers []federation.Provider
	logins    *federation.Logins
	vault     *federation.Vault
}

// federations makes them once for a configuration: what a provider says of
// itself is remembered there.
type federations struct {
	mu   sync.Mutex
	last *federated
}

// federation returns the providers of a configuration that has our authorization server.
func (r *Running) federation(ctx context.Context, c *config.Config) (*federated, error) {
	r.federated.mu.Lock()
	defer r.federated.mu.Unlock()
	if f := r.federated.last; f != nil && f.config == c {
		return f, nil
	}
	seal, _, err := r.sealKey(ctx)
	if err != nil {
		return nil, err
	}
	f := &federated{config: c, logins: &federation.Logins{Store: r.DB.Federation(), Seal: seal}}
	if f.providers, err = newProviders(c); err != nil {
		return nil, err
	}
	f.vault = &federation.Vault{Store: r.DB.Federation(), Seal: seal, Providers: map[string]federation.Provider{}, Log: r.server.Options.Log}
	for _, p := range f.providers {
		f.vault.Providers[p.Name()] = p
	}
	r.federated.last = f
	return f, nil
}

// upstreamTokens are what upstreams are given: see upstream.Tokens.
type upstreamTokens struct{ vault *federation.Vault }

// Token implements upstream.Tokens.
func (u upstreamTokens) Token(ctx context.Context, t tenant.ID, user, provider string) (string, error) {
	token, err := u.vault.Token(ctx, t, user, provider)
	var refusal *federation.Refusal
	if !errors.As(err, &refusal) {
		return token, err
	}
	status := http.StatusForbidden
	if refusal.Code == federation.CodeUnavailable {
		status = http.StatusServiceUnavailable
	}
	return "", &gatehouse.Error{Code: refusal.Code, Status: status, Description: refusal.Text, Cause: refusal.Cause}
}
