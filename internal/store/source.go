package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// named is how many changed keys Changes names before it says "all".
const named = 1000

// Source returns what keys are judged from.
func (d *DB) Source() apikey.Source { return source{d} }

type source struct{ *DB }

func (d source) Lookup(ctx context.Context, id string) (*apikey.Record, error) {
	var (
		row    keyRow
		r      apikey.Record
		digest string
	)
	err := d.read.QueryRowContext(ctx, `SELECT k.digest, k.pepper, t.name, t.state, `+keyColumns+`
		FROM api_key k JOIN tenant t ON t.id = k.tenant LEFT JOIN key_use u ON u.key = k.id WHERE k.id = $1`, id).
		Scan(append([]any{&digest, &r.Pepper, &r.TenantName, &r.TenantState}, row.dest()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, apikey.ErrNotFound
	} else if err != nil {
		return nil, fmt.Errorf("look up key: %w", err)
	}
	k, err := row.key()
	if err != nil {
		return nil, err
	}
	r.Key = *k
	if n, err := hex.Decode(r.Digest[:], []byte(digest)); err != nil || n != len(r.Digest) {
		return nil, fmt.Errorf("key %s: its digest is not 64 hexadecimal digits", id)
	}
	return &r, nil
}

// Changes reads the revision first: what commits between the queries is then
// reported twice, never left out.
func (d source) Changes(ctx context.Context, since int64) (*apikey.Changes, error) {
	c := &apikey.Changes{}
	var err error
	if c.Revision, err = d.revision(ctx); err != nil {
		return nil, err
	}
	if c.Revision == since {
		return c, nil
	}
	if c.Revision < since { // the database was restored to an older state
		c.All = true
		return c, nil
	}
	keys, err := list(ctx, d.read, scanText,
		fmt.Sprintf(`SELECT id FROM api_key WHERE revision > $1 ORDER BY revision LIMIT %d`, named+1), since)
	if err != nil {
		return nil, fmt.Errorf("changed keys: %w", err)
	}
	changed, err := list(ctx, d.read, scanTenant,
		fmt.Sprintf(`SELECT `+tenantColumns+` FROM tenant WHERE revision > $1 ORDER BY revision LIMIT %d`, named+1), since)
	if err != nil {
		return nil, fmt.Errorf("changed tenants: %w", err)
	}
	if len(keys) > named || len(changed) > named {
		c.All = true
		return c, nil
	}
	c.Keys, c.Tenants = keys, make(map[tenant.ID]tenant.State, len(changed))
	for _, t := range changed {
		c.Tenants[t.ID] = t.State
	}
	return c, nil
}

func scanText(s scanner) (*string, error) {
	var text string
	return &text, s.Scan(&text)
}

func (d source) Use(ctx context.Context, uses []apikey.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return d.writes(ctx, func(t tx) error {
		for _, u := range uses {
			address := ""
			if u.Address.IsValid() {
				address = u.Address.String()
			}
			if _, err := t.exec(`INSERT INTO key_use (key, at, address, client, tool)
				SELECT id, $2, $3, $4, $5 FROM api_key WHERE id = $1
				ON CONFLICT (key) DO UPDATE SET at = excluded.at, address = excluded.address,
				client = excluded.client, tool = excluded.tool WHERE excluded.at > key_use.at`,
				u.KeyID, micros(u.At), address, u.Client, u.Tool); err != nil {
				return fmt.Errorf("note use of key %s: %w", u.KeyID, err)
			}
		}
		return nil
	})
}
