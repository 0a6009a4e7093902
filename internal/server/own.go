package server

import (
	"context"
	"crypto"
	"fmt"
	"slices"
	"sync"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// issuersOf are those of a configuration, our own first if there is one: a
// client that takes the first issuer of a resource's metadata gets on with us.
func issuersOf(c *config.Config) []config.Issuer {
	own := ownIssuer(c)
	if own == nil {
		return c.Auth.Issuers
	}
	return append([]config.Issuer{*own}, c.Auth.Issuers...)
}

// ownIssuer is our own authorization server as an issuer of tokens; nil: there is none.
func ownIssuer(c *config.Config) *config.Issuer {
	e := c.Auth.Embedded
	if e == nil {
		return nil
	}
	return &config.Issuer{
		Name: config.OwnIssuerName, Preset: config.DefaultPreset, Issuer: c.OwnIssuer(),
		Algorithms: []string{signing.ES256, signing.EdDSA, "RS256"}, TokenTypes: []string{"at+jwt"},
		Audience: config.Audience{Mode: config.AudienceExact, Values: []string{"{resource}"}},
		MaxLife:  config.MaxAccessTTL, ClockSkew: config.MaxClockSkew, DPoP: e.DPoP, MTLS: config.BoundAccepted,
		Claims: config.Claims{
			Subject: []string{"sub"}, Client: []string{"client_id"}, Tenant: []string{"tenant"}, Scopes: []string{"scope"},
			Name: []string{"name"}, Roles: []string{"roles"}, Groups: []string{"groups"},
			Service: []config.ClaimTest{{Claim: "kind", Equals: "service"}},
		},
		TenantNames: true, Advertise: true,
	}
}

// newOwnTokens judges our own tokens, by our own keys, without asking anybody.
func (r *Running) newOwnTokens(ctx context.Context, own *config.Issuer, resource string) (token.Issuer, error) {
	keys, err := r.Signing(ctx)
	if err != nil {
		return token.Issuer{}, err
	}
	version, err := settingsVersion(own, resource)
	if err != nil {
		return token.Issuer{}, err
	}
	v := JWTVerifier(own, resource, &ownKeys{published: keys.JWKS})
	v.DPoP, v.CacheSize = r.dpop, -1
	if err := v.Check(); err != nil {
		return token.Issuer{}, fmt.Errorf("our own issuer: %w", err)
	}
	return token.Issuer{
		Name: own.Name, Values: []string{own.Issuer}, Leeway: leeway(own), TenantNames: true, TellsTenant: true,
		Verifier: v, Bound: v.CheckBinding, Version: version,
	}, nil
}

// ownKeys are the keys that we publish, as a KeySet. They are read anew when
// they have changed.
type ownKeys struct {
	published func(ctx context.Context) (body []byte, etag string, err error)

	mu   sync.Mutex
	etag string
	set  gatehouse.KeySet
}

// Keys implements gatehouse.KeySet.
func (k *ownKeys) Keys(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	body, etag, err := k.published(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	if k.etag != etag {
		set, err := gatehouse.ParseKeys(body)
		if err != nil {
			k.mu.Unlock()
			return nil, fmt.Errorf("our own keys: %w", err)
		}
		k.etag, k.set = etag, set
	}
	set := k.set
	k.mu.Unlock()
	return set.Keys(ctx, kid, alg)
}

// isOwn says whether an issuer is our own authorization server.
func isOwn(c *config.Config, u *config.Issuer) bool {
	return c.Auth.Embedded != nil && u.Name == config.OwnIssuerName && !slices.ContainsFunc(c.Auth.Issuers, func(o config.Issuer) bool { return o.Name == u.Name })
}
