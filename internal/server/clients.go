package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// clientSettings are what a configuration says of OAuth clients.
type clientSettings struct {
	issuer  string
	clients config.Clients
}

func clientSettingsOf(c *config.Config) *clientSettings {
	s := &clientSettings{issuer: c.OwnIssuer()}
	if e := c.Auth.Embedded; e != nil {
		s.clients = e.Clients
	}
	return s
}

// adminClients returns the OAuth clients, by the configuration in force. Without one
// nothing is known of the domains of documents.
func (i *Installation) adminClients(ctx context.Context) (*client.Registry, error) {
	s := i.clients.Load()
	if s == nil {
		s = &clientSettings{}
	}
	return i.newClients(ctx, s)
}

// newClients returns the OAuth clients, as a configuration has them.
func (i *Installation) newClients(ctx context.Context, s *clientSettings) (*client.Registry, error) {
	key, _, err := i.sealKey(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := client.Secret(ctx, i.DB.Secrets(), key)
	if err != nil {
		return nil, err
	}
	documents, registration := &s.clients.CIMD, &s.clients.DCR
	g := &client.Registry{
		Store: i.DB.Clients(), Secret: secret, Issuer: s.issuer, Cache: &i.documents, Once: &grant.Once{Store: i.DB.Once()}, Log: i.log,
		Settings: client.Settings{
			Documents: documents.Enabled, Trusted: documents.Trusted, Others: client.Policy(documents.Others), Private: documents.Private,
			Registration: registration.Enabled, Unused: registration.Unused, Redirects: registration.Schemes,
		},
		Ended: func(ctx context.Context, id, by, reason string) error {
			return i.endClient(ctx, s.issuer, id, by, reason)
		},
	}
	if documents.CA != "" {
		if g.Settings.Roots, err = authorities(documents.CA); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// endClient ends what a client was allowed: its tokens first, so that nothing can be
// had by what is ended a moment later.
func (i *Installation) endClient(ctx context.Context, issuer, id, by, reason string) error {
	if _, err := i.Revocations.Revoke(ctx, token.Spec{
		Target: token.Target{Kind: token.KindClient, Value: id, Issuer: issuer}, By: by, Reason: reason, Lives: config.MaxAccessTTL,
	}); err != nil {
		return fmt.Errorf("revoke its tokens: %w", err)
	}
	grants := &grant.Service{Store: i.DB.Grants(), Issuer: issuer, Changed: i.Rights.Changed, Log: i.log}
	if _, err := grants.RevokeOf(ctx, grant.Filter{Client: id}, reason, by); err != nil {
		return fmt.Errorf("revoke its grants: %w", err)
	}
	consents := &grant.Consents{Store: i.DB.Consents()}
	if _, err := consents.ForgetClient(ctx, id); err != nil {
		return fmt.Errorf("forget what it was allowed: %w", err)
	}
	return nil
}

// adminGrants returns what people allowed, for whoever looks at it and ends it.
func (i *Installation) adminGrants() *grant.Service {
	issuer := "" // of whichever issuer, if no configuration says which
	if s := i.clients.Load(); s != nil {
		issuer = s.issuer
	}
	return &grant.Service{Store: i.DB.Grants(), Issuer: issuer, Changed: i.Rights.Changed, Log: i.log}
}

// tidy deletes what our authorization server has kept and nobody needs any more,
// until ctx ends. What an earlier configuration has left is deleted too.
func (r *Running) tidy(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { r.adminGrants().Run(ctx) })
	all.Go(func() { grant.Tidy(ctx, r.log, nil, r.DB.Consents(), r.DB.Devices(), r.DB.Requests(), r.DB.Once()) })
	all.Go(func() {
		fresh.Every(ctx, time.Hour, func() {
			if err := r.DB.Login().SweepLogin(ctx, time.Now().Add(-24*time.Hour)); err != nil && ctx.Err() == nil {
				r.log.Warn("old sessions were not deleted; it is tried again in an hour", "error", err)
			}
		})
	})
	all.Wait()
}
