package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func (d keys) Rotate(ctx context.Context, t tenant.ID, id string, next apikey.Minted, retireAt time.Time) (old, successor *apikey.Key, err error) {
	err = d.changes(ctx, func(tx tx, revision int64) (err error) {
		if old, err = tx.key(t, id); err != nil {
			return err
		}
		if err := old.Rotatable(next.At); err != nil {
			return err
		}
		if err := tx.insertSuccessor(old, next, revision); err != nil {
			return err
		}
		// Whatever was read above: only one statement can find the place empty.
		rows, err := tx.exec(`UPDATE api_key SET replaced_by = $2, retire_at = $3, revision = $4
			WHERE id = $1 AND replaced_by IS NULL AND revoked_at IS NULL`, id, next.ID, micros(retireAt), revision)
		switch {
		case err != nil:
			return fmt.Errorf("replace key: %w", err)
		case rows == 0:
			return apikey.ErrReplaced
		}
		wasOver := old.State(next.At) == apikey.StateExpired
		if old, err = tx.key(t, id); err != nil {
			return err
		}
		if successor, err = tx.key(t, next.ID); err == nil && wasOver {
			err = d.bounded(tx, old.Tenant, next.At)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return old, successor, nil
}

// insertSuccessor adds a key that has everything from old but its id, its
// digest and its times; its lifetime is as long as old's was.
func (t tx) insertSuccessor(old *apikey.Key, next apikey.Minted, revision int64) error {
	rows, err := t.exec(`INSERT INTO api_key (id, family, tenant, name, note, tools, networks, digest, pepper,
		created, expires, rate, certificate, replaces, revision)
		SELECT $2, family, tenant, name, note, tools, networks, $3, $4, $5, $5 + (expires - created), rate, certificate, id, $6
		FROM api_key WHERE id = $1 ON CONFLICT DO NOTHING`,
		old.ID, next.ID, hex.EncodeToString(next.Digest[:]), next.Pepper, micros(next.At), revision)
	switch {
	case err != nil:
		return fmt.Errorf("add successor: %w", err)
	case rows == 0:
		return apikey.ErrExists
	}
	return nil
}

func (d keys) CancelRotation(ctx context.Context, t tenant.ID, id string, at time.Time, by string) (now *apikey.Key, err error) {
	err = d.changes(ctx, func(tx tx, revision int64) error {
		old, err := tx.key(t, id)
		if err != nil {
			return err
		}
		if err := old.Cancellable(at); err != nil {
			return err
		}
		var later sql.NullString
		if err := tx.one(`SELECT replaced_by FROM api_key WHERE id = $1`, []any{old.ReplacedBy}, &later); err != nil {
			return fmt.Errorf("read successor: %w", err)
		}
		if later.Valid { // two keys of the family would live on side by side
			return fmt.Errorf("its successor %s by %s: %w", old.ReplacedBy, later.String, apikey.ErrReplaced)
		}
		_, err1 := tx.exec(`UPDATE api_key SET revoked_at = $2, revoked_by = $3, reason = 'rotation cancelled', revision = $4
			WHERE id = $1 AND revoked_at IS NULL`, old.ReplacedBy, micros(at), by, revision)
		_, err2 := tx.exec(`UPDATE api_key SET replaced_by = NULL, retire_at = NULL, revision = $2 WHERE id = $1`, id, revision)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("cancel rotation: %w", err)
		}
		now, err = tx.key(t, id)
		return err
	})
	return orNil(now, err)
}
