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
	for _, l := range n.Links {
		if rows == 1 && err == nil {
			err = insertLink(t, n.ID, l, n.Created)
		}
	}
	return rows == 1, err
}

// insertLink ties a link to a tenant, which may take it from one that is deleted.
func insertLink(t tx, id tenant.ID, l tenant.Link, at time.Time) error {
	rows, err := t.exec(`INSERT INTO tenant_link (issuer, external, tenant, created) VALUES ($1, $2, $3, $4)
		ON CONFLICT (issuer, external) DO UPDATE SET tenant = excluded.tenant, created = excluded.created
		WHERE EXISTS (SELECT 1 FROM tenant WHERE id = tenant_link.tenant AND state = 'deleted')`,
		l.Issuer, l.External, string(id), micros(at))
	switch {
	case err != nil:
		return fmt.Errorf("link tenant: %w", err)
	case rows == 0:
		return tenant.ErrLinked
	}
	return nil
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
	return linked(ctx, often(d), d.row(ctx, `SELECT `+tenantColumns+` FROM tenant WHERE id = $1`, string(id)))
}

func (d tenants) ByName(ctx context.Context, name string) (*tenant.Tenant, error) {
	return linked(ctx, often(d), d.row(ctx,
		`SELECT `+tenantColumns+` FROM tenant WHERE name = $1 AND state <> 'deleted'`, name))
}

func (d tenants) List(ctx context.Context) ([]tenant.Tenant, error) {
	all, err := list(ctx, d.read, scanTenant, `SELECT `+tenantColumns+` FROM tenant WHERE state <> 'deleted' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	return all, links(ctx, d.read, all, `SELECT tenant, issuer, external FROM tenant_link ORDER BY issuer, external`)
}

// linked reads one tenant with its links.
func linked(ctx context.Context, q querier, row scanner) (*tenant.Tenant, error) {
	t, err := scanTenant(row)
	if err != nil {
		return nil, err
	}
	one := []tenant.Tenant{*t}
	err = links(ctx, q, one, `SELECT tenant, issuer, external FROM tenant_link WHERE tenant = $1 ORDER BY issuer, external`, string(t.ID))
	return &one[0], err
}

// links gives tenants those of the links of a query that are theirs.
func links(ctx context.Context, q querier, all []tenant.Tenant, query string, args ...any) error {
	type row struct {
		tenant tenant.ID
		link   tenant.Link
	}
	found, err := list(ctx, q, func(s scanner) (*row, error) {
		var r row
		return &r, s.Scan(&r.tenant, &r.link.Issuer, &r.link.External)
	}, query, args...)
	if err != nil {
		return fmt.Errorf("links of tenants: %w", err)
	}
	at := make(map[tenant.ID]int, len(all))
	for i := range all {
		at[all[i].ID] = i
	}
	for _, r := range found {
		if i, ok := at[r.tenant]; ok && all[i].State != tenant.Deleted {
			all[i].Links = append(all[i].Links, r.link)
		}
	}
	return nil
}

func (d tenants) Link(ctx context.Context, id tenant.ID, l tenant.Link, at time.Time) (*tenant.Tenant, error) {
	return d.relink(ctx, id, func(t tx) error { return insertLink(t, id, l, at) })
}

func (d tenants) Unlink(ctx context.Context, id tenant.ID, l tenant.Link) (*tenant.Tenant, error) {
	return d.relink(ctx, id, func(t tx) error {
		rows, err := t.exec(`DELETE FROM tenant_link WHERE issuer = $1 AND external = $2 AND tenant = $3`, l.Issuer, l.External, string(id))
		switch {
		case err != nil:
			return fmt.Errorf("unlink tenant: %w", err)
		case rows == 0:
			return tenant.ErrNotLinked
		}
		return nil
	})
}

// relink changes the links of a tenant, and makes it one that has changed.
func (d tenants) relink(ctx context.Context, id tenant.ID, change func(tx) error) (now *tenant.Tenant, err error) {
	err = d.changes(ctx, func(t tx, revision int64) error {
		rows, err := t.exec(`UPDATE tenant SET revision = $2 WHERE id = $1 AND state <> 'deleted'`, string(id), revision)
		switch {
		case err != nil:
			return fmt.Errorf("tenant's revision: %w", err)
		case rows == 0:
			return tenant.ErrNotFound
		}
		if err := change(t); err != nil {
			return err
		}
		now, err = linked(ctx, t, t.QueryRowContext(ctx, `SELECT `+tenantColumns+` FROM tenant WHERE id = $1`, string(id)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

func (d tenants) SetState(ctx context.Context, id tenant.ID, s tenant.State, at time.Time, by string) (*tenant.Tenant, error) {
	var now *tenant.Tenant
	err := d.changes(ctx, func(t tx, revision int64) (err error) {
		// Setting a state anew keeps the time it was first set.
		now, err = linked(ctx, t, t.QueryRowContext(ctx, `UPDATE tenant
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
		if _, err := t.exec(`DELETE FROM tenant_link WHERE tenant = $1`, string(id)); err != nil {
			return fmt.Errorf("end the tenant's links: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}
