package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/signing"
)

// Signing returns the signing keys' store.
func (d *DB) Signing() signing.Store { return signingKeys{d} }

type signingKeys struct{ *DB }

func (d signingKeys) Generation(ctx context.Context) (n int64, err error) {
	if err := d.read.QueryRowContext(ctx, `SELECT current FROM signing_generation WHERE one = 1`).Scan(&n); err != nil {
		return 0, fmt.Errorf("read the generation of signing keys: %w", err)
	}
	return n, nil
}

// Load reads the generation first: a change that commits between the queries
// then makes the one that is decided upon this set fail.
func (d signingKeys) Load(ctx context.Context) (*signing.Set, error) {
	g, err := d.Generation(ctx)
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, d.read, scanSigning, `SELECT id, alg, sealed, created, signs, removed FROM signing_key ORDER BY created, id`)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return &signing.Set{Generation: g, Records: all}, nil
}

func scanSigning(s scanner) (*signing.Record, error) {
	var r signing.Record
	var created, signs, removed sql.NullInt64
	if err := s.Scan(&r.ID, &r.Alg, &r.Sealed, &created, &signs, &removed); err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	r.Created, r.Signs, r.Removed = moment(created), moment(signs), moment(removed)
	return &r, nil
}

func (d signingKeys) Change(ctx context.Context, c signing.Change) error {
	return d.writes(ctx, func(t tx) error {
		rows, err := t.exec(`UPDATE signing_generation SET current = current + 1 WHERE one = 1 AND current = $1`, c.Generation)
		switch {
		case err != nil:
			return fmt.Errorf("next generation of signing keys: %w", err)
		case rows == 0:
			return signing.ErrRaced
		}
		return t.changeSigning(&c)
	})
}

func (t tx) changeSigning(c *signing.Change) error {
	var errs []error
	each := func(query string, args ...any) {
		rows, err := t.exec(query, args...)
		if err == nil && rows != 1 {
			err = signing.ErrNotFound
		}
		errs = append(errs, err)
	}
	if r := c.Add; r != nil {
		each(`INSERT INTO signing_key (id, alg, sealed, created, signs) VALUES ($1, $2, $3, $4, $5)`,
			r.ID, r.Alg, r.Sealed, micros(r.Created), micros(r.Signs))
	}
	for id, signs := range c.Signs {
		each(`UPDATE signing_key SET signs = $2 WHERE id = $1 AND removed IS NULL`, id, micros(signs))
	}
	for id, sealed := range c.Reseal {
		each(`UPDATE signing_key SET sealed = $2 WHERE id = $1 AND removed IS NULL`, id, sealed)
	}
	for _, id := range c.Remove {
		each(`UPDATE signing_key SET sealed = '', removed = $2 WHERE id = $1 AND removed IS NULL`, id, micros(c.At))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("change signing keys: %w", err)
	}
	return nil
}

// SealCheck returns what tells the right key to seal under from a wrong one;
// empty when nothing was sealed yet.
func (d *DB) SealCheck(ctx context.Context) (value string, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT value FROM seal_check WHERE one = 1`).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the seal's check value: %w", err)
	}
	return value, nil
}

// SetSealCheck exchanges the check value, the empty one being none on either side, and returns
// the one that is there now: another one when somebody else was faster.
func (d *DB) SetSealCheck(ctx context.Context, old, fresh string) (string, error) {
	err := d.writes(ctx, func(t tx) (err error) {
		switch {
		case old == "":
			_, err = t.exec(`INSERT INTO seal_check (one, value, created) VALUES (1, $1, $2) ON CONFLICT DO NOTHING`, fresh, micros(d.now()))
		case fresh == "":
			_, err = t.exec(`DELETE FROM seal_check WHERE one = 1 AND value = $1`, old)
		default:
			_, err = t.exec(`UPDATE seal_check SET value = $2 WHERE one = 1 AND value = $1`, old, fresh)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep the seal's check value: %w", err)
	}
	return d.SealCheck(ctx)
}
