package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/pin"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Tools returns the store of tools as they were approved.
func (d *DB) Tools() pin.Store { return tools{d} }

type tools struct{ *DB }

// Generation implements pin.Store.
func (d tools) Generation(ctx context.Context) (n int64, err error) {
	if err := d.read.QueryRowContext(ctx, `SELECT current FROM tool_generation WHERE one = 1`).Scan(&n); err != nil {
		return 0, fmt.Errorf("read the generation of tools: %w", err)
	}
	return n, nil
}

// Load implements pin.Store. It reads the generation first: a change that commits
// between the queries is read again then, not missed.
func (d tools) Load(ctx context.Context, server string) (int64, []pin.Record, error) {
	g, err := d.Generation(ctx)
	if err != nil {
		return 0, nil, err
	}
	query, args := `SELECT server, tenant, name, seen, seen_at, first_seen, approved, approved_at, approved_by FROM tool`, []any{}
	if server != "" {
		query, args = query+` WHERE server = $1`, []any{server}
	}
	all, err := list(ctx, d.read, scanTool, query, args...)
	if err != nil {
		return 0, nil, fmt.Errorf("read tools: %w", err)
	}
	return g, all, nil
}

func scanTool(s scanner) (*pin.Record, error) {
	var r pin.Record
	var id, seen string
	var approved, by sql.NullString
	var seenAt, first, at sql.NullInt64
	if err := s.Scan(&r.Server, &id, &r.Name, &seen, &seenAt, &first, &approved, &at, &by); err != nil {
		return nil, fmt.Errorf("read tool: %w", err)
	}
	r.Tenant, r.Seen, r.SeenAt, r.First, r.At, r.By = tenant.ID(id), []byte(seen), moment(seenAt), moment(first), moment(at), by.String
	if approved.Valid {
		r.Approved = []byte(approved.String)
	}
	return &r, nil
}

// See implements pin.Store.
func (d tools) See(ctx context.Context, seen []pin.Sighting) error {
	return d.writes(ctx, func(t tx) error {
		fresh := false
		for i := range seen {
			s := &seen[i]
			rows, err := t.exec(`UPDATE tool SET seen = $4, seen_at = $5 WHERE server = $1 AND tenant = $2 AND name = $3`,
				s.Server, string(s.Tenant), s.Name, string(s.Definition), micros(s.At))
			if err != nil {
				return fmt.Errorf("write down a tool: %w", err)
			}
			if rows == 1 {
				continue
			}
			var approved, by sql.NullString
			var at sql.NullInt64
			if s.Approve {
				approved, by = sql.NullString{String: string(s.Definition), Valid: true}, sql.NullString{String: pin.FirstUse, Valid: true}
				at = micros(s.At)
			}
			if _, err := t.exec(`INSERT INTO tool (server, tenant, name, seen, seen_at, first_seen, approved, approved_at, approved_by)
				VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)
				ON CONFLICT (server, tenant, name) DO UPDATE SET seen = excluded.seen, seen_at = excluded.seen_at`,
				s.Server, string(s.Tenant), s.Name, string(s.Definition), micros(s.At), approved, at, by); err != nil {
				return fmt.Errorf("write down a new tool: %w", err)
			}
			fresh = true
		}
		if !fresh {
			return nil
		}
		return t.nextTools()
	})
}

// Approve implements pin.Store.
func (d tools) Approve(ctx context.Context, these []pin.Approval) error {
	return d.writes(ctx, func(t tx) error {
		for i := range these {
			a := &these[i]
			rows, err := t.exec(`UPDATE tool SET approved = seen, approved_at = $5, approved_by = $6
				WHERE server = $1 AND tenant = $2 AND name = $3 AND seen = $4`,
				a.Server, string(a.Tenant), a.Name, string(a.Seen), micros(a.At), a.By)
			switch {
			case err != nil:
				return fmt.Errorf("approve a tool: %w", err)
			case rows == 0:
				return pin.ErrRaced
			}
		}
		return t.nextTools()
	})
}

// nextTools has replicas notice.
func (t tx) nextTools() error {
	if _, err := t.exec(`UPDATE tool_generation SET current = current + 1 WHERE one = 1`); err != nil {
		return fmt.Errorf("next generation of tools: %w", err)
	}
	return nil
}
