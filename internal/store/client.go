package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
)

const clientColumns = `id, kind, state, tenant, name, metadata, seen, created, last_used, deleted, decided_by, reason, decided`

// Clients returns the store of OAuth clients.
func (d *DB) Clients() client.Store { return clients{d} }

type clients struct{ *DB }

func scanClient(s scanner) (*client.Row, error) {
	var r client.Row
	var metadata sql.NullString
	var seen, created, used, deleted, decided sql.NullInt64
	err := s.Scan(&r.ID, &r.Kind, &r.State, &r.Tenant, &r.Name, &metadata, &seen, &created, &used, &deleted, &r.By, &r.Reason, &decided)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, client.ErrUnknown
	} else if err != nil {
		return nil, fmt.Errorf("read client: %w", err)
	}
	if metadata.Valid {
		r.Metadata = []byte(metadata.String)
	}
	r.Seen, r.Created, r.LastUsed, r.Deleted, r.Decided = moment(seen), moment(created), moment(used), moment(deleted), moment(decided)
	return &r, nil
}

// values are those of a row, in the order of clientColumns.
func values(r *client.Row) []any {
	metadata := sql.NullString{String: string(r.Metadata), Valid: r.Metadata != nil}
	seen := micros(r.Seen)
	seen.Valid = metadata.Valid
	return []any{
		r.ID, string(r.Kind), string(r.State), string(r.Tenant), r.Name, metadata, seen,
		micros(r.Created), micros(r.LastUsed), micros(r.Deleted), r.By, r.Reason, micros(r.Decided),
	}
}

const insertClient = `INSERT INTO oauth_client AS old (` + clientColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

func (d clients) Client(ctx context.Context, id string) (*client.Row, error) {
	return scanClient(d.row(ctx, `SELECT `+clientColumns+` FROM oauth_client WHERE id = $1`, id))
}

func (d clients) Clients(ctx context.Context, f client.Filter) (rows []client.Row, total int, err error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	const where = ` FROM oauth_client WHERE deleted IS NULL AND ($1 = '' OR kind = $1) AND ($2 = '' OR state = $2) AND ($3 = '' OR tenant = $3)`
	args := []any{string(f.Kind), string(f.State), string(f.Tenant)}
	if err := d.read.QueryRowContext(ctx, `SELECT count(*)`+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count clients: %w", err)
	}
	rows, err = list(ctx, d.read, scanClient, `SELECT `+clientColumns+where+
		` ORDER BY coalesce(last_used, decided, created) DESC, id LIMIT $4`, append(args, f.Limit)...)
	return rows, total, err
}

func (d clients) Create(ctx context.Context, r *client.Row) error {
	return d.writes(ctx, func(t tx) error {
		rows, err := t.exec(insertClient+` ON CONFLICT DO NOTHING`, values(r)...)
		switch {
		case err != nil:
			return fmt.Errorf("add client: %w", err)
		case rows == 0:
			return client.ErrExists
		}
		return nil
	})
}

func (d clients) Decide(ctx context.Context, r *client.Row) (now *client.Row, err error) {
	err = d.writes(ctx, func(t tx) (err error) {
		now, err = scanClient(t.QueryRowContext(ctx, insertClient+`
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, reason = excluded.reason,
				decided = excluded.decided, name = CASE WHEN excluded.name = '' THEN old.name ELSE excluded.name END
			WHERE old.deleted IS NULL RETURNING `+clientColumns, values(r)...))
		return err
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// Use keeps the later of two uses, and the later of two documents.
func (d clients) Use(ctx context.Context, r *client.Row) error {
	return d.writes(ctx, func(t tx) error {
		_, err := t.exec(insertClient+`
			ON CONFLICT (id) DO UPDATE SET
				last_used = CASE WHEN old.last_used IS NULL OR excluded.last_used > old.last_used THEN excluded.last_used ELSE old.last_used END,
				name = CASE WHEN excluded.seen IS NULL OR old.seen > excluded.seen THEN old.name ELSE excluded.name END,
				metadata = CASE WHEN excluded.seen IS NULL OR old.seen > excluded.seen THEN old.metadata ELSE excluded.metadata END,
				seen = CASE WHEN excluded.seen IS NULL OR old.seen > excluded.seen THEN old.seen ELSE excluded.seen END
			WHERE old.deleted IS NULL`, values(r)...)
		if err != nil {
			return fmt.Errorf("note a client's use: %w", err)
		}
		return nil
	})
}

// unused counts rows of clients that nobody decided upon or was seen to use. The
// count and what depends on it are one transaction; on PostgreSQL many of these at
// once may each see room for the last place, and exceed it by their number.
func (t tx) unused(where string) (n int, err error) {
	if err := t.one(`SELECT count(*) FROM oauth_client WHERE last_used IS NULL AND decided IS NULL AND `+where, nil, &n); err != nil {
		return 0, fmt.Errorf("count clients: %w", err)
	}
	return n, nil
}

func (d clients) Wait(ctx context.Context, r *client.Row, most int) error {
	return d.writes(ctx, func(t tx) error {
		if n, err := t.unused(`state = 'pending'`); err != nil || n >= most {
			return err
		}
		if _, err := t.exec(insertClient+` ON CONFLICT DO NOTHING`, values(r)...); err != nil {
			return fmt.Errorf("add a client that waits: %w", err)
		}
		return nil
	})
}

func (d clients) Change(ctx context.Context, r *client.Row, most int) error {
	return d.upsertBounded(ctx, r, most, `metadata = excluded.metadata, seen = excluded.seen, name = excluded.name,
		state = CASE WHEN old.state = 'approved' THEN 'known' ELSE old.state END`)
}

func (d clients) Replace(ctx context.Context, id string, was, now []byte, at time.Time) error {
	rows, err := d.alone(ctx, `UPDATE oauth_client SET metadata = $3, seen = $4
		WHERE id = $1 AND metadata = $2 AND kind = 'static' AND deleted IS NULL`, []any{id, string(was), string(now), micros(at)}, nil)
	switch {
	case err != nil:
		return fmt.Errorf("replace a client's credentials: %w", err)
	case rows == 0:
		return client.ErrRaced
	}
	return nil
}

func (d clients) Delete(ctx context.Context, r *client.Row, most int) error {
	return d.upsertBounded(ctx, r, most, `deleted = excluded.deleted, decided_by = excluded.decided_by, reason = excluded.reason`)
}

// upsertBounded changes the row of a client that is not deleted, or makes it if
// there is room.
func (d clients) upsertBounded(ctx context.Context, r *client.Row, most int, set string) error {
	return d.writes(ctx, func(t tx) error {
		var there int
		if err := t.one(`SELECT count(*) FROM oauth_client WHERE id = $1`, []any{r.ID}, &there); err != nil {
			return fmt.Errorf("look for a client: %w", err)
		}
		if there == 0 {
			if n, err := t.unused(`state <> 'pending'`); err != nil {
				return err
			} else if n >= most {
				return client.ErrFull
			}
		}
		rows, err := t.exec(insertClient+` ON CONFLICT (id) DO UPDATE SET `+set+` WHERE old.deleted IS NULL`, values(r)...)
		switch {
		case err != nil:
			return fmt.Errorf("change a client: %w", err)
		case rows == 0:
			return client.ErrUnknown
		}
		return nil
	})
}

func (d clients) Sweep(ctx context.Context, waiting, others time.Time) (int64, error) {
	return d.sweep(ctx, `DELETE FROM oauth_client WHERE id IN (SELECT id FROM oauth_client WHERE last_used IS NULL AND decided IS NULL
		AND (state = 'pending' AND created < $1 OR state <> 'pending' AND created < $2) LIMIT $3)`, waiting.UnixMicro(), others.UnixMicro())
}
