package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
)

// Secret returns the installation's secret of that name, 32 random bytes. The
// first to ask, of all replicas, makes it; everybody gets the same for good.
func (d *DB) Secret(ctx context.Context, name string) ([]byte, error) {
	value, err := d.secret(ctx, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return value, err
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails: the program ends instead
	if err := d.writes(ctx, func(t tx) error {
		_, err := t.exec(`INSERT INTO secret (name, value, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			name, hex.EncodeToString(fresh), micros(d.now()))
		return err
	}); err != nil {
		return nil, fmt.Errorf("make secret %s: %w", name, err)
	}
	return d.secret(ctx, name)
}

// secret returns sql.ErrNoRows, wrapped, when there is none of that name.
func (d *DB) secret(ctx context.Context, name string) ([]byte, error) {
	var value string
	if err := d.read.QueryRowContext(ctx, `SELECT value FROM secret WHERE name = $1`, name).Scan(&value); err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	b, err := hex.DecodeString(value)
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("secret %s: it is not 64 hexadecimal digits", name) // never with the value
	}
	return b, nil
}
