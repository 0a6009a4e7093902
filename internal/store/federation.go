package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Federation returns the store of sign-ins at identity providers, and of the
// providers' tokens.
func (d *DB) Federation() interface {
	federation.LoginStore
	federation.TokenStore
} {
	return federated{d}
}

type federated struct{ *DB }

// AddLogin implements federation.LoginStore.
func (d federated) AddLogin(ctx context.Context, r *federation.LoginRow, most int, now time.Time) error {
	return d.writes(ctx, func(t tx) error {
		if _, err := t.exec(`DELETE FROM federation_login WHERE expires <= $1`, micros(now)); err != nil {
			return fmt.Errorf("drop sign-ins that have ended: %w", err)
		}
		rows, err := t.exec(`INSERT INTO federation_login (state, provider, browser, sealed, expires)
			SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM federation_login) < $6`,
			r.Key, r.Provider, r.Browser, r.Sealed, micros(r.Expires), most)
		switch {
		case err != nil:
			return fmt.Errorf("keep a sign-in: %w", err)
		case rows == 0:
			return federation.ErrFull
		}
		return nil
	})
}

// TakeLogin implements federation.LoginStore.
func (d federated) TakeLogin(ctx context.Context, key, provider, browser string) (*federation.LoginRow, error) {
	r := &federation.LoginRow{Key: key, Provider: provider, Browser: browser}
	err := d.writes(ctx, func(t tx) error {
		var expires sql.NullInt64
		err := t.one(`DELETE FROM federation_login WHERE state = $1 AND provider = $2 AND browser = $3 RETURNING sealed, expires`,
			[]any{key, provider, browser}, &r.Sealed, &expires)
		if !errors.Is(err, sql.ErrNoRows) {
			r.Expires = moment(expires)
			return err
		}
		var there int
		err = t.one(`SELECT 1 FROM federation_login WHERE state = $1 AND provider = $2`, []any{key, provider}, &there)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return federation.ErrNotFound
		case err != nil:
			return err
		}
		return federation.ErrBrowser
	})
	if err != nil {
		return nil, fmt.Errorf("take a sign-in: %w", err)
	}
	return r, nil
}

// PutTokens implements federation.TokenStore. It takes the user's row first:
// whoever disables or deletes them at the same moment has done so before, or comes
// after, and forgets what is kept here.
func (d federated) PutTokens(ctx context.Context, t tenant.ID, r *federation.TokenRow) error {
	return d.writes(ctx, func(tx tx) error {
		rows, err := tx.exec(`UPDATE login_user SET state = state WHERE id = $1 AND state <> 'disabled'`, r.User)
		switch {
		case err != nil:
			return fmt.Errorf("keep a provider's tokens: %w", err)
		case rows == 0:
			return federation.ErrNotFound
		}
		if _, err := tx.exec(`INSERT INTO federation_token (tenant, user_id, provider, sealed, expires, version, changed)
			VALUES ($1, $2, $3, $4, $5, 1, $6)
			ON CONFLICT (tenant, user_id, provider) DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires,
			version = federation_token.version + 1, changed = excluded.changed, lease = NULL, lease_until = NULL`,
			string(t), r.User, r.Provider, r.Sealed, micros(r.Expires), micros(r.Changed)); err != nil {
			return fmt.Errorf("keep a provider's tokens: %w", err)
		}
		return nil
	})
}

// Tokens implements federation.TokenStore.
func (d federated) Tokens(ctx context.Context, t tenant.ID, user, provider string) (*federation.TokenRow, error) {
	r := &federation.TokenRow{User: user, Provider: provider}
	var expires, changed sql.NullInt64
	err := d.read.QueryRowContext(ctx, `SELECT sealed, expires, version, changed FROM federation_token WHERE tenant = $1 AND user_id = $2 AND provider = $3`,
		string(t), user, provider).Scan(&r.Sealed, &expires, &r.Version, &changed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, federation.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read a provider's tokens: %w", err)
	}
	r.Expires, r.Changed = moment(expires), moment(changed)
	return r, nil
}

// LeaseTokens implements federation.TokenStore.
func (d federated) LeaseTokens(ctx context.Context, t tenant.ID, r *federation.TokenRow, holder string, now, until time.Time) (bool, error) {
	return d.one(ctx, "lease a provider's tokens", `UPDATE federation_token SET lease = $5, lease_until = $7
		WHERE tenant = $1 AND user_id = $2 AND provider = $3 AND version = $4 AND (lease IS NULL OR lease_until <= $6)`,
		string(t), r.User, r.Provider, r.Version, holder, micros(now), micros(until))
}

// RenewTokens implements federation.TokenStore.
func (d federated) RenewTokens(ctx context.Context, t tenant.ID, r *federation.TokenRow, holder string) (bool, error) {
	return d.one(ctx, "renew a provider's tokens", `UPDATE federation_token SET sealed = $6, expires = $7, changed = $8, version = version + 1, lease = NULL, lease_until = NULL
		WHERE tenant = $1 AND user_id = $2 AND provider = $3 AND version = $4 AND lease = $5`,
		string(t), r.User, r.Provider, r.Version, holder, r.Sealed, micros(r.Expires), micros(r.Changed))
}

// ReleaseTokens implements federation.TokenStore.
func (d federated) ReleaseTokens(ctx context.Context, t tenant.ID, r *federation.TokenRow, holder string) error {
	_, err := d.one(ctx, "release a provider's tokens", `UPDATE federation_token SET lease = NULL, lease_until = NULL
		WHERE tenant = $1 AND user_id = $2 AND provider = $3 AND lease = $4`, string(t), r.User, r.Provider, holder)
	return err
}

// one runs a statement, and says whether it changed a row.
func (d federated) one(ctx context.Context, what, query string, args ...any) (changed bool, err error) {
	err = d.writes(ctx, func(t tx) error {
		rows, err := t.exec(query, args...)
		changed = rows == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return changed, nil
}

// EachTokens implements federation.TokenStore.
func (d federated) EachTokens(ctx context.Context, do func(t tenant.ID, r *federation.TokenRow) error) error {
	type row struct {
		tenant tenant.ID
		federation.TokenRow
	}
	all, err := list(ctx, d.read, func(s scanner) (*row, error) {
		var r row
		var id string
		var expires, changed sql.NullInt64
		err := s.Scan(&id, &r.User, &r.Provider, &r.Sealed, &expires, &r.Version, &changed)
		r.tenant, r.Expires, r.Changed = tenant.ID(id), moment(expires), moment(changed)
		return &r, err
	}, `SELECT tenant, user_id, provider, sealed, expires, version, changed FROM federation_token ORDER BY tenant, user_id, provider`)
	if err != nil {
		return fmt.Errorf("read providers' tokens: %w", err)
	}
	for i := range all {
		if err := do(all[i].tenant, &all[i].TokenRow); err != nil {
			return err
		}
	}
	return nil
}

// ResealTokens implements federation.TokenStore.
func (d federated) ResealTokens(ctx context.Context, t tenant.ID, r *federation.TokenRow, sealed string) error {
	_, err := d.one(ctx, "seal a provider's tokens anew", `UPDATE federation_token SET sealed = $5
		WHERE tenant = $1 AND user_id = $2 AND provider = $3 AND sealed = $4`, string(t), r.User, r.Provider, r.Sealed, sealed)
	return err
}

// ForgetTokens implements federation.TokenStore.
func (d federated) ForgetTokens(ctx context.Context, t tenant.ID, user, provider string) (n int64, err error) {
	query, args := `DELETE FROM federation_token WHERE tenant = $1 AND user_id = $2`, []any{string(t), user}
	if provider != "" {
		query, args = query+` AND provider = $3`, append(args, provider)
	}
	err = d.writes(ctx, func(t tx) (err error) {
		n, err = t.exec(query, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget a provider's tokens: %w", err)
	}
	return n, nil
}
