package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const tenantColumns = `id, name, state, created, changed`

// Tenants returns the tenants' store.
func (d *DB) Tenants() tenant.Store { return tenants{d} }

type tenants struct{ *DB }

// scanner is a row or rows.
type scanner interface{ Scan(dest ...any) error }

func scanTenant(s scanner) (*tenant.Tenant, error) {
	var t tenant.Tenant
	var created, changed sql.NullInt64
	if err := s.Scan(&t.ID, &t.Name, &t.State, &created, &changed); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, tenant.ErrNotFound
		}
		return nil, fmt.Errorf("read tenant: %w", err)
	}
	t.Created, t.Changed = moment(created), moment(changed)
	return &t, nil
}

func insertTenant(t tx, revision int64, n *tenant.Tenant) (added bool, err error) {
	rows, err := t.exec(`INSERT INTO tenant (id, name, state, created, changed, revision)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		string(n.ID), n.Name, string(n.State), micros(n.Created), micros(n.Changed), revision)
	if err != nil {
		return false, fmt.Errorf("add tenant: %w", err)
	}
	return rows == 1, nil
}

// defaultTenant makes the default tenant if there is none yet. Two replicas
// that start together make one.
func (d *DB) defaultTenant(ctx context.Context) error {
	_, err := d.Tenants().ByName(ctx, tenant.Default)
	if !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	at := d.now()
	return d.changes(ctx, func(t tx, revision int64) error {
		_, err := insertTenant(t, revision, &tenant.Tenant{
			ID: tenant.ID(rand.Text()), Name: tenant.Default, State: tenant.Active, Created: at, Changed: at,
		})
		return err
	})
}

func (d tenants) Create(ctx context.Context, n *tenant.Tenant) error {
	return d.changes(ctx, func(t tx, revision int64) error {
		added, err := insertTenant(t, revision, n)
		if err == nil && !added {
			err = tenant.ErrExists
		}
		return err
	})
}

func (d tenants) Get(ctx context.Context, id tenant.ID) (*tenant.Tenant, error) {
	return scanTenant(d.read.QueryRowContext(ctx, `SELECT `+tenantColumns+` FROM tenant WHERE id = $1`, string(id)))
}

func (d tenants) ByName(ctx context.Context, name string) (*tenant.Tenant, error) {
	return scanTenant(d.read.QueryRowContext(ctx,
		`SELECT `+tenantColumns+` FROM tenant WHERE name = $1 AND state <> 'deleted'`, name))
}

func (d tenants) List(ctx context.Context) ([]tenant.Tenant, error) {
	return list(ctx, d.DB, scanTenant, `SELECT `+tenantColumns+` FROM tenant WHERE state <> 'deleted' ORDER BY name`)
}

func (d tenants) SetState(ctx context.Context, id tenant.ID, s tenant.State, at time.Time, by string) (*tenant.Tenant, error) {
	var now *tenant.Tenant
	err := d.changes(ctx, func(t tx, revision int64) (err error) {
		// Setting a state anew keeps the time it was first set.
		now, err = scanTenant(t.QueryRowContext(ctx, `UPDATE tenant
			SET changed = CASE WHEN state = $2 THEN changed ELSE $3 END, state = $2, revision = $4
			WHERE id = $1 AND state <> 'deleted' RETURNING `+tenantColumns,
			string(id), string(s), micros(at), revision))
		if err != nil || s != tenant.Deleted {
			return err
		}
		if now.Name == tenant.Default {
			return tenant.ErrDefault
		}
		if _, err := t.exec(`UPDATE api_key SET revoked_at = $2, revoked_by = $3, reason = 'tenant deleted', revision = $4
			WHERE tenant = $1 AND revoked_at IS NULL`, string(id), micros(at), by, revision); err != nil {
			return fmt.Errorf("revoke the tenant's keys: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// list reads every row of a query.
func list[T any](ctx context.Context, d *DB, scan func(scanner) (*T, error), query string, args ...any) (all []T, err error) {
	rows, err := d.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, *one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return all, nil
}
