package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const revocationColumns = `id, kind, issuer, value, issued_before, expires, created, revoked_by, reason, removed`

// Revocations returns the store of what tokens are revoked.
func (d *DB) Revocations() interface {
	token.Store
	token.Source
} {
	return revocations{d}
}

type revocations struct{ *DB }

func scanRevocation(s scanner) (*token.Revocation, error) {
	var r token.Revocation
	var before, expires, created, removed sql.NullInt64
	err := s.Scan(&r.ID, &r.Kind, &r.Issuer, &r.Value, &before, &expires, &created, &r.By, &r.Reason, &removed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, token.ErrNotFound
	} else if err != nil {
		return nil, fmt.Errorf("read revocation: %w", err)
	}
	r.Before, r.Expires, r.Created, r.Removed = moment(before), moment(expires), moment(created), moment(removed)
	return &r, nil
}

func (d revocations) Revoke(ctx context.Context, r *token.Revocation) (now *token.Revocation, err error) {
	err = d.changes(ctx, func(t tx, revision int64) (err error) {
		now, err = d.revoke(t, revision, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

// revoke is one statement, so that of two at once none is lost: the later marks
// win column by column. Null is the latest of all, whichever side has it.
func (d revocations) revoke(t tx, revision int64, r *token.Revocation) (*token.Revocation, error) {
	if err := d.room(t); err != nil {
		return nil, err
	}
	return scanRevocation(t.QueryRowContext(t.ctx, `INSERT INTO token_revocation AS old
		(`+revocationColumns+`, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, $10)
		ON CONFLICT (kind, issuer, value) DO UPDATE SET
			issued_before = CASE WHEN old.removed IS NOT NULL OR excluded.issued_before IS NULL OR excluded.issued_before > old.issued_before
				THEN excluded.issued_before ELSE old.issued_before END,
			expires = CASE WHEN old.removed IS NOT NULL OR excluded.expires IS NULL OR excluded.expires > old.expires
				THEN excluded.expires ELSE old.expires END,
			created = excluded.created, revoked_by = excluded.revoked_by, reason = excluded.reason,
			removed = NULL, revision = excluded.revision
		RETURNING `+revocationColumns,
		r.ID, string(r.Kind), r.Issuer, r.Value, micros(r.Before), micros(r.Expires), micros(r.Created), r.By, r.Reason, revision))
}

// room says whether there is room for another revocation. Counting a million
// takes a while, so it is done once in a thousand times.
func (d revocations) room(t tx) error {
	if d.revoked.Add(1)%1000 != 1 {
		return nil
	}
	var n int64
	if err := t.one(`SELECT count(*) FROM token_revocation`, nil, &n); err != nil {
		return fmt.Errorf("count revocations: %w", err)
	}
	if n >= token.MaxRevocations {
		d.revoked.Add(-1) // the next one counts again
		return fmt.Errorf("%w: %d", token.ErrFull, n)
	}
	return nil
}

func (d revocations) Remove(ctx context.Context, id string, at time.Time) (now *token.Revocation, err error) {
	err = d.changes(ctx, func(t tx, revision int64) (err error) {
		now, err = scanRevocation(t.QueryRowContext(ctx, `UPDATE token_revocation SET removed = $2, revision = $3
			WHERE id = $1 AND removed IS NULL RETURNING `+revocationColumns, id, micros(at), revision))
		return err
	})
	if err != nil {
		return nil, err
	}
	return now, nil
}

func (d revocations) Revocation(ctx context.Context, id string) (*token.Revocation, error) {
	return scanRevocation(d.read.QueryRowContext(ctx,
		`SELECT `+revocationColumns+` FROM token_revocation WHERE id = $1 AND removed IS NULL`, id))
}

func (d revocations) Revocations(ctx context.Context, f token.Filter) (all []token.Revocation, total int, err error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	if err := d.read.QueryRowContext(ctx, `SELECT count(*) FROM token_revocation WHERE removed IS NULL`).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count revocations: %w", err)
	}
	all, err = list(ctx, d.read, scanRevocation, `SELECT `+revocationColumns+` FROM token_revocation WHERE removed IS NULL
		AND ($1 = '' OR kind = $1) AND ($2 = '' OR issuer = $2) AND ($3 = '' OR value = $3)
		ORDER BY created DESC, id LIMIT $4`, string(f.Kind), f.Issuer, f.Value, f.Limit)
	return all, total, err
}

func (d revocations) Sweep(ctx context.Context, before time.Time) (deleted int64, err error) {
	const most = 5000 // at a time: others want to write too
	for {
		var n int64
		err := d.writes(ctx, func(t tx) (err error) {
			n, err = t.exec(`DELETE FROM token_revocation WHERE id IN
				(SELECT id FROM token_revocation WHERE expires < $1 OR removed < $1 LIMIT $2)`, micros(before), most)
			return err
		})
		if err != nil {
			return deleted, fmt.Errorf("sweep revocations: %w", err)
		}
		if deleted += n; n < most {
			return deleted, nil
		}
	}
}

func (d revocations) Revision(ctx context.Context) (int64, error) { return d.revision(ctx) }

func (d revocations) Revoked(ctx context.Context, since int64, do func(*token.Revocation)) error {
	where := `revision > $1`
	if since == 0 {
		where = `removed IS NULL AND revision > $1`
	}
	if err := each(ctx, d.read, scanRevocation, do,
		`SELECT `+revocationColumns+` FROM token_revocation WHERE `+where+` ORDER BY revision`, since); err != nil {
		return fmt.Errorf("revocations: %w", err)
	}
	return nil
}
