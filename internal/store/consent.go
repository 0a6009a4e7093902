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
		return refusals(t, c)
	})
}

// refusals keeps what was refused, in a table of its own: a program of before
// that table would take its rows for consents.
func refusals(t tx, c *grant.Consent) error {
	key := []any{string(c.Tenant), c.User, c.Client, c.Version, c.Resource, c.Host}
	const at = ` WHERE tenant = $1 AND person = $2 AND client = $3 AND version = $4 AND resource = $5 AND host = $6 AND scope = $7`
	for _, scope := range c.Scopes {
		if _, err := t.exec(`DELETE FROM oauth_refusal`+at, append(key[:6:6], scope)...); err != nil {
			return fmt.Errorf("end a refusal: %w", err)
		}
	}
	for _, scope := range c.Refused {
		if _, err := t.exec(`DELETE FROM oauth_consent`+at, append(key[:6:6], scope)...); err != nil {
			return fmt.Errorf("end a consent: %w", err)
		}
		if _, err := t.exec(`INSERT INTO oauth_refusal (tenant, person, client, version, resource, host, scope, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (tenant, person, client, version, resource, host, scope) DO UPDATE SET expires = excluded.expires`,
			append(key[:6:6], scope, micros(c.Expires))...); err != nil {
			return fmt.Errorf("remember a refusal: %w", err)
		}
	}
	return nil
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
	err = each(ctx, often(d), scanConsent, func(c *grant.Consent) {
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
	one := &all[0]
	err = each(ctx, d.read, func(s scanner) (*string, error) {
		scope := new(string)
		return scope, s.Scan(scope)
	}, func(scope *string) { one.Refused = append(one.Refused, *scope) }, `SELECT scope FROM oauth_refusal
		WHERE tenant = $1 AND person = $2 AND client = $3 AND version = $4 AND resource = $5 AND host = $6 AND expires > $7 ORDER BY scope`,
		string(k.Tenant), k.User, k.Client, k.Version, k.Resource, k.Host, micros(at))
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	return one, nil
}

func (d consents) Forget(ctx context.Context, t tenant.ID, user, client string) (int, error) {
	return d.forget(ctx, ` WHERE tenant = $1 AND person = $2 AND ($3 = '' OR client = $3)`, string(t), user, client)
}

// forget deletes what was decided, and returns how much of it was allowed.
func (d consents) forget(ctx context.Context, where string, args ...any) (n int, err error) {
	err = d.writes(ctx, func(t tx) error {
		if _, err := t.exec(`DELETE FROM oauth_refusal`+where, args...); err != nil {
			return err
		}
		rows, err := t.exec(`DELETE FROM oauth_consent`+where, args...)
		n = int(rows)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget consents: %w", err)
	}
	return n, nil
}

func (d consents) ForgetClient(ctx context.Context, client string) (int, error) {
	return d.forget(ctx, ` WHERE client = $1`, client)
}

func (d consents) Sweep(ctx context.Context, before time.Time) (deleted int64, err error) {
	for _, table := range [...]string{"oauth_consent", "oauth_refusal"} {
		n, err := d.sweep(ctx, `DELETE FROM `+table+` WHERE (tenant, person, client, version, resource, host, scope) IN
			(SELECT tenant, person, client, version, resource, host, scope FROM `+table+` WHERE expires < $1 LIMIT $2)`, micros(before))
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}
