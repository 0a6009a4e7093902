package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Consents returns the store of what people decided.
func (d *DB) Consents() grant.ConsentStore { return consents{d} }

type consents struct{ *DB }

func (d consents) Remember(ctx context.Context, c *grant.Consent) error {
	return d.writes(ctx, func(t tx) error {
		for _, scope := range c.Scopes {
			if _, err := t.exec(`INSERT INTO oauth_consent AS old (tenant, person, client, version, resource, host, scope, created, expires)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (tenant, person, client, version, resource, host, scope) DO UPDATE SET
					created = excluded.created,
					expires = CASE WHEN excluded.expires > old.expires THEN excluded.expires ELSE old.expires END`,
				string(c.Tenant), c.User, c.Client, c.Version, c.Resource, c.Host, scope, micros(c.Created), micros(c.Expires)); err != nil {
				return fmt.Errorf("remember a consent: %w", err)
			}
		}
		return nil
	})
}

// consentRow is one scope of a consent.
func scanConsent(s scanner) (*grant.Consent, error) {
	var c grant.Consent
	var scope string
	var created, expires int64
	if err := s.Scan(&c.Tenant, &c.User, &c.Client, &c.Version, &c.Resource, &c.Host, &scope, &created, &expires); err != nil {
		return nil, fmt.Errorf("read consent: %w", err)
	}
	c.Scopes, c.Created, c.Expires = []string{scope}, time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	return &c, nil
}

// consents puts scopes of one key, which follow each other, together.
func (d consents) consents(ctx context.Context, where string, args ...any) (all []grant.Consent, err error) {
	err = each(ctx, often{d.DB}, scanConsent, func(c *grant.Consent) {
		if n := len(all); n > 0 && all[n-1].ConsentKey == c.ConsentKey {
			last := &all[n-1]
			last.Scopes = append(last.Scopes, c.Scopes...)
			if c.Created.After(last.Created) {
				last.Created = c.Created
			}
			if c.Expires.Before(last.Expires) {
				last.Expires = c.Expires
			}
			return
		}
		all = append(all, *c)
	}, `SELECT tenant, person, client, version, resource, host, scope, created, expires FROM oauth_consent WHERE `+where+`
		ORDER BY client, resource, host, version, scope`, args...)
	return all, err
}

func (d consents) Consents(ctx context.Context, t tenant.ID, user string, at time.Time) ([]grant.Consent, error) {
	return d.consents(ctx, `tenant = $1 AND person = $2 AND expires > $3`, string(t), user, micros(at))
}

func (d consents) Allowed(ctx context.Context, k grant.ConsentKey, at time.Time) (*grant.Consent, error) {
	all, err := d.consents(ctx, `tenant = $1 AND person = $2 AND client = $3 AND version = $4 AND resource = $5 AND host = $6 AND expires > $7`,
		string(k.Tenant), k.User, k.Client, k.Version, k.Resource, k.Host, micros(at))
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, grant.ErrNotFound
	case len(all) > 1: // the key is the whole of what is selected by
		return nil, errors.New("read consent: several for one key")
	}
	return &all[0], nil
}

func (d consents) Forget(ctx context.Context, t tenant.ID, user, client string) (int, error) {
	n, err := d.alone(ctx, `DELETE FROM oauth_consent WHERE tenant = $1 AND person = $2 AND ($3 = '' OR client = $3)`,
		[]any{string(t), user, client}, nil)
	if err != nil {
		return 0, fmt.Errorf("forget consents: %w", err)
	}
	return int(n), nil
}

func (d consents) ForgetClient(ctx context.Context, client string) (int, error) {
	n, err := d.alone(ctx, `DELETE FROM oauth_consent WHERE client = $1`, []any{client}, nil)
	if err != nil {
		return 0, fmt.Errorf("forget consents of a client: %w", err)
	}
	return int(n), nil
}

func (d consents) Sweep(ctx context.Context, before time.Time) (int64, error) {
	return d.sweep(ctx, `DELETE FROM oauth_consent WHERE (tenant, person, client, version, resource, host, scope) IN
		(SELECT tenant, person, client, version, resource, host, scope FROM oauth_consent WHERE expires < $1 LIMIT $2)`, micros(before))
}
