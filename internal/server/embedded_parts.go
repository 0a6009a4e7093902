package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/server/authserver"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// grantService returns what keeps grants, as a configuration says.
func (i *Installation) grantService(ctx context.Context, c *config.Config, under *seal.Key) (*grant.Service, error) {
	secret, err := grant.Secret(ctx, i.DB.Secrets(), under)
	if err != nil {
		return nil, err
	}
	e := c.Auth.Embedded
	return &grant.Service{
		Store: i.DB.Grants(), Secret: secret, Issuer: c.OwnIssuer(), Marks: i.Rights.Revoked,
		AccessTTL: e.AccessLife(), RefreshIdle: e.RefreshTTL, RefreshMax: e.RefreshMax, RefreshGrace: e.RefreshGrace,
		Log: i.log, Changed: i.Rights.Changed,
	}, nil
}

// fillDoor fills in what clients are answered with.
func (r *Running) fillDoor(ctx context.Context, c *config.Config, under *seal.Key, clients *client.Registry, people *login.Service, d *authserver.Door) (err error) {
	if d.Keys, err = r.Signing(ctx); err != nil {
		return err
	}
	if d.Grants, err = r.grantService(ctx, c, under); err != nil {
		return err
	}
	if d.Assertions, err = r.newAssertions(ctx, c); err != nil {
		return err
	}
	d.Authenticate = func(q *http.Request, form *oauth.Params, audiences ...string) (*client.Client, error) {
		return clients.Authenticate(q.Context(), client.AttemptOf(q, form, audiences...))
	}
	tenants := r.DB.Tenants()
	d.Used, d.Current, d.Assert, d.Tenant, d.TenantNamed = clients.Used, people.Current, assert(people), tenants.Get, tenants.ByName
	d.Consents = &grant.Consents{Store: r.DB.Consents(), For: c.Auth.Embedded.Consent.Remember}
	d.Devices = &grant.Devices{Store: r.DB.Devices(), Service: d.Grants}
	d.Requests, d.Once = &grant.Requests{Store: r.DB.Requests()}, &grant.Once{Store: r.DB.Once()}
	d.Marks, d.Tokens, d.DPoP, d.Limiter = r.Rights.Revoked, r.Revocations, doorProofs(r.dpop, d.Once), &r.strangers
	return nil
}

// doorProofs judges the proofs that come with what tokens are asked for by. Which
// ones were seen is known to all replicas, and after a restart: a proof goes with a
// code or a refresh token there, and a mark more is little beside what those cost.
func doorProofs(as *gatehouse.DPoP, seen *grant.Once) *gatehouse.DPoP {
	return &gatehouse.DPoP{RequireNonce: as.RequireNonce, NonceKey: as.NonceKey, Replays: grant.Replays{Marks: seen}}
}

// newAssertions are the enterprises whose identity assertions are taken.
func (r *Running) newAssertions(ctx context.Context, c *config.Config) (all []authserver.AssertionIssuer, err error) {
	issuers := assertionIssuers(c)
	for i := range issuers {
		a := &c.Auth.Embedded.Assertions[i]
		set, err := r.keys.of(&issuers[i])
		if err != nil {
			return nil, fmt.Errorf("assertions of %s: %w", a.Issuer, err)
		}
		name := orDefault(a.Tenant, tenant.Default)
		t, err := r.DB.Tenants().ByName(ctx, name)
		if errors.Is(err, tenant.ErrNotFound) {
			return nil, c.MistakeAt(fmt.Sprintf("auth.embedded.assertions[%d].tenant", i), fmt.Errorf("there is no tenant %q. Make it: gatehouse tenant create %[1]s", name))
		} else if err != nil {
			return nil, err
		}
		all = append(all, authserver.AssertionIssuer{Issuer: a.Issuer, Keys: set.keys, Tenant: t.ID, Clients: a.Clients, Scopes: a.Scopes})
	}
	return all, nil
}

// assertionIssuers are the same as issuers whose keys are fetched.
func assertionIssuers(c *config.Config) (all []config.Issuer) {
	if c.Auth.Embedded == nil {
		return nil
	}
	for _, a := range c.Auth.Embedded.Assertions {
		all = append(all, config.Issuer{
			Name: "assertions of " + a.Issuer, Issuer: a.Issuer, CA: a.CA, Private: a.Private,
			Keys: config.IssuerKeys{From: config.KeysDiscovery, Refresh: config.DefaultRefresh, MaxStale: config.DefaultMaxStale},
		})
	}
	return all
}
