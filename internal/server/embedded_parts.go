package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
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

// newDoor fills in what clients are answered with.
func (r *Running) newDoor(ctx context.Context, c *config.Config, under *seal.Key, clients *client.Registry) (authserver.Door, error) {
	keys, err := r.Signing(ctx)
	if err != nil {
		return authserver.Door{}, err
	}
	grants, err := r.grantService(ctx, c, under)
	if err != nil {
		return authserver.Door{}, err
	}
	assertions, err := r.newAssertions(ctx, c)
	if err != nil {
		return authserver.Door{}, err
	}
	return authserver.Door{
		Authenticate: func(q *http.Request, form *oauth.Params, audiences ...string) (*client.Client, error) {
			return clients.Authenticate(q.Context(), client.AttemptOf(q, form, audiences...))
		},
		Used:   clients.Used,
		Tenant: func(ctx context.Context, id tenant.ID) (*tenant.Tenant, error) { return r.DB.Tenants().Get(ctx, id) },
		TenantNamed: func(ctx context.Context, name string) (*tenant.Tenant, error) {
			return r.DB.Tenants().ByName(ctx, name)
		},
		Grants: grants, Consents: &grant.Consents{Store: r.DB.Consents(), For: c.Auth.Embedded.Consent.Remember},
		Devices:  &grant.Devices{Store: r.DB.Devices(), Service: grants},
		Requests: &grant.Requests{Store: r.DB.Requests()}, Once: &grant.Once{Store: r.DB.Once()},
		Keys: keys, Marks: r.Rights.Revoked, Tokens: r.Revocations, DPoP: r.dpop,
		Assertions: assertions, Limiter: &r.strangers,
	}, nil
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
