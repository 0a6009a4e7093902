package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// newTokens makes what judges the access tokens that are presented to a server;
// nil: none is accepted there.
func (r *Running) newTokens(ctx context.Context, c *config.Config, u *config.Upstream, resource string) (*token.Verifier, error) {
	of, tenancy := tenancyOf(&c.Tenants, u)
	v := &token.Verifier{Rights: r.Rights, Tenancy: tenancy}
	var admitted []config.Issuer
	for _, s := range issuersOf(c) {
		if !admits(u, &s) {
			continue
		}
		i, err := r.newIssuer(ctx, c, s, of, resource)
		if err != nil {
			return nil, err
		}
		v.Issuers, admitted = append(v.Issuers, i), append(admitted, s)
	}
	if len(admitted) == 0 {
		return nil, nil //nolint:nilnil // no token is accepted
	}
	v.Unclaimed = &Unclaimed{Issuers: admitted, Resource: resource}
	if err := v.Open(); err != nil {
		return nil, fmt.Errorf("issuers of server %s: %w", u.Name, err)
	}
	return v, nil
}

// newIssuer makes what judges the tokens of one issuer. claim is the path of the
// tenant that holds for all issuers; empty: each has its own. What we wrote
// ourselves is where we wrote it.
func (r *Running) newIssuer(ctx context.Context, c *config.Config, s config.Issuer, claim, resource string) (token.Issuer, error) {
	if isOwn(c, &s) {
		return r.newOwnTokens(ctx, &s, resource)
	}
	if claim != "" {
		s.Claims.Tenant = []string{claim}
	}
	return (&issuers{Keys: r.keys, DPoP: r.dpop}).of(&s, resource)
}

// tenancyOf says where the tenant of a server's callers with tokens is told. claim
// is the path that the configuration names for it; empty: as each issuer has it.
func tenancyOf(t *config.Tenants, u *config.Upstream) (claim string, v token.Tenancy) {
	v.Require = t.Require
	for _, s := range t.Resolve {
		switch s.From {
		case config.TenantClaim:
			v.Claim, claim = true, s.Claim
		case config.TenantHost:
			if len(u.Tenants) == 1 {
				v.Name = u.Tenants[0]
			}
		}
	}
	return claim, v
}

// succeedTokens has what was let in by tokens judged by the next configuration.
func succeedTokens(before, next *current) {
	for _, v := range next.served {
		if old := before.named(v.config.Name); old != nil && old.tokens != nil && v.tokens != nil {
			v.tokens.Succeed(old.tokens)
		}
	}
}

// issuerProblems are issuers whose keys cannot be renewed, in words for operators.
func (r *Running) issuerProblems() (problems []string) {
	issuers := r.current.Load().config.Auth.Issuers // once: a reload may have fewer
	for i := range issuers {
		u := &issuers[i]
		s, ok := r.keys.status(u)
		if !ok || s.Err == nil {
			continue
		}
		until := "no token of it is accepted"
		if s.Until.After(time.Now()) {
			until = "the keys that are known serve until " + s.Until.UTC().Format(time.RFC3339)
		}
		text := fmt.Sprintf("issuer %s: its keys cannot be fetched from %s: %v (%s)", u.Name, s.Source, s.Err, until)
		if !slices.Contains(problems, text) {
			problems = append(problems, text)
		}
	}
	return problems
}
