package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// Once returns the store of what may be seen once.
func (d *DB) Once() grant.OnceStore { return once{d} }

type once struct{ *DB }

// Mark is one statement: a mark that has ended gives way, one that has not stays.
func (d once) Mark(ctx context.Context, key [32]byte, at, until time.Time) error {
	rows, err := d.alone(ctx, `INSERT INTO once_mark AS old (mark, expires) VALUES ($1, $3)
		ON CONFLICT (mark) DO UPDATE SET expires = excluded.expires, ending = '' WHERE old.expires <= $2`,
		[]any{hex.EncodeToString(key[:]), micros(at), micros(until)}, nil)
	switch {
	case err != nil:
		return fmt.Errorf("keep a mark: %w", err)
	case rows == 0:
		return grant.ErrReplay
	}
	return nil
}

func (d once) Settle(ctx context.Context, key [32]byte, ending string) error {
	if _, err := d.alone(ctx, `UPDATE once_mark SET ending = $2 WHERE mark = $1`, []any{hex.EncodeToString(key[:]), ending}, nil); err != nil {
		return fmt.Errorf("keep what came of a mark: %w", err)
	}
	return nil
}

func (d once) Ending(ctx context.Context, key [32]byte, at time.Time) (ending string, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT ending FROM once_mark WHERE mark = $1 AND expires > $2`, hex.EncodeToString(key[:]), micros(at)).Scan(&ending)
	if errors.Is(err, sql.ErrNoRows) {
		return "", grant.ErrNotFound
	} else if err != nil {
		return "", fmt.Errorf("read what came of a mark: %w", err)
	}
	return ending, nil
}

func (d once) Sweep(ctx context.Context, before time.Time) (int64, error) {
	return d.sweep(ctx, `DELETE FROM once_mark WHERE mark IN (SELECT mark FROM once_mark WHERE expires < $1 LIMIT $2)`, micros(before))
}

// Requests returns the store of pushed authorization requests.
func (d *DB) Requests() grant.RequestStore { return requests{d} }

type requests struct{ *DB }

func (d requests) Push(ctx context.Context, hash [32]byte, client, params string, expires time.Time) error {
	if _, err := d.alone(ctx, `INSERT INTO oauth_request (hash, client, params, expires) VALUES ($1, $2, $3, $4)`,
		[]any{hex.EncodeToString(hash[:]), client, params, micros(expires)}, nil); err != nil {
		return fmt.Errorf("keep a pushed request: %w", err)
	}
	return nil
}

func (d requests) Take(ctx context.Context, hash [32]byte, client string, at time.Time) (params string, err error) {
	_, err = d.alone(ctx, `DELETE FROM oauth_request WHERE hash = $1 AND client = $2 AND expires > $3 RETURNING params`,
		[]any{hex.EncodeToString(hash[:]), client, micros(at)}, func(s scanner) error { return s.Scan(&params) })
	if errors.Is(err, sql.ErrNoRows) {
		return "", grant.ErrNotFound
	} else if err != nil {
		return "", fmt.Errorf("take a pushed request: %w", err)
	}
	return params, nil
}

func (d requests) Sweep(ctx context.Context, before time.Time) (int64, error) {
	return d.sweep(ctx, `DELETE FROM oauth_request WHERE hash IN (SELECT hash FROM oauth_request WHERE expires < $1 LIMIT $2)`, micros(before))
}

// Secrets returns the store of secrets that are sealed.
func (d *DB) Secrets() grant.Secrets { return secrets{d} }

type secrets struct{ *DB }

func (d secrets) Sealed(ctx context.Context, name, old, fresh string) (now string, err error) {
	if fresh != "" {
		if err := d.writes(ctx, func(t tx) (err error) {
			if old == "" {
				_, err = t.exec(`INSERT INTO sealed_secret (name, value, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, name, fresh, micros(d.now()))
			} else {
				_, err = t.exec(`UPDATE sealed_secret SET value = $3 WHERE name = $1 AND value = $2`, name, old, fresh)
			}
			return err
		}); err != nil {
			return "", fmt.Errorf("keep secret %s: %w", name, err)
		}
	}
	err = d.read.QueryRowContext(ctx, `SELECT value FROM sealed_secret WHERE name = $1`, name).Scan(&now)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	return now, nil
}
