package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Keys returns the keys' store.
func (d *DB) Keys() apikey.Store { return keys{d} }

type keys struct{ *DB }

const (
	keyColumns = `k.id, k.family, k.tenant, k.name, k.note, k.tools, k.networks, k.created, k.expires,
		k.rate, k.certificate, k.replaces, k.replaced_by, k.retire_at, k.revoked_at, k.revoked_by, k.reason, u.at, u.address, u.client, u.tool`
	selectKeys = `SELECT ` + keyColumns + ` FROM api_key k LEFT JOIN key_use u ON u.key = k.id`
	oneKey     = ` WHERE k.id = $1 AND ($2 = '' OR k.tenant = $2)`
)

// keyRow is a row of keyColumns on its way to a key.
type keyRow struct {
	k                                                  apikey.Key
	tools, networks, rate, certificate                 string
	created, expires, retireAt, revokedAt, at          sql.NullInt64
	replaces, replacedBy, address, usedClient, useTool sql.NullString
}

// dest lists where keyColumns go.
func (r *keyRow) dest() []any {
	return []any{
		&r.k.ID, &r.k.Family, &r.k.Tenant, &r.k.Name, &r.k.Note, &r.tools, &r.networks, &r.created, &r.expires,
		&r.rate, &r.certificate, &r.replaces, &r.replacedBy, &r.retireAt, &r.revokedAt, &r.k.RevokedBy, &r.k.Reason,
		&r.at, &r.address, &r.usedClient, &r.useTool,
	}
}

// key returns what was read. A row that cannot be understood is an error: half
// a list of networks would be too many.
func (r *keyRow) key() (*apikey.Key, error) {
	k := &r.k
	if err := errors.Join(
		json.Unmarshal([]byte(r.tools), &k.Tools), json.Unmarshal([]byte(r.networks), &k.Networks),
		readRate(&k.Limit, r.rate), unhex(k.Certificate[:], r.certificate),
	); err != nil {
		return nil, fmt.Errorf("read key %s: %w", k.ID, err)
	}
	k.Created, k.Expires = moment(r.created), moment(r.expires)
	k.RetireAt, k.RevokedAt = moment(r.retireAt), moment(r.revokedAt)
	k.Replaces, k.ReplacedBy = r.replaces.String, r.replacedBy.String
	if r.at.Valid {
		k.LastUsed = apikey.Use{KeyID: k.ID, At: moment(r.at), Client: r.usedClient.String, Tool: r.useTool.String}
		k.LastUsed.Address, _ = netip.ParseAddr(r.address.String) // only shown; unknown is the zero address
	}
	return k, nil
}

func scanKey(s scanner) (*apikey.Key, error) {
	var r keyRow
	if err := s.Scan(r.dest()...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, apikey.ErrNotFound
		}
		return nil, fmt.Errorf("read key: %w", err)
	}
	return r.key()
}

// key reads a key within a transaction, as the change before left it.
func (t tx) key(tn tenant.ID, id string) (*apikey.Key, error) {
	return scanKey(t.QueryRowContext(t.ctx, selectKeys+oneKey, id, string(tn)))
}

func (d keys) Get(ctx context.Context, t tenant.ID, id string) (*apikey.Key, error) {
	return scanKey(d.read.QueryRowContext(ctx, selectKeys+oneKey, id, string(t)))
}

func (d keys) List(ctx context.Context, t tenant.ID) ([]apikey.Key, error) {
	return list(ctx, d.read, scanKey,
		selectKeys+` WHERE ($1 = '' OR k.tenant = $1) ORDER BY k.created DESC, k.id`, string(t))
}

func (d keys) Create(ctx context.Context, t tenant.ID, r *apikey.Record) error {
	k := &r.Key
	tools, networks, err := lists(k.Tools, k.Networks)
	if err != nil {
		return err
	}
	return d.changes(ctx, func(tx tx, revision int64) error {
		var one int
		err := tx.one(`SELECT 1 FROM tenant WHERE id = $1 AND state <> 'deleted'`, []any{string(t)}, &one)
		if errors.Is(err, sql.ErrNoRows) {
			return tenant.ErrNotFound
		} else if err != nil {
			return fmt.Errorf("read tenant: %w", err)
		}
		rows, err := tx.exec(`INSERT INTO api_key (id, family, tenant, name, note, tools, networks, digest, pepper,
			created, expires, rate, certificate, revision)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`,
			k.ID, k.Family, string(t), k.Name, k.Note, tools, networks, hex.EncodeToString(r.Digest[:]), r.Pepper,
			micros(k.Created), micros(k.Expires), rateText(k.Limit), thumbText(k.Certificate), revision)
		switch {
		case err != nil:
			return err
		case rows == 0:
			return apikey.ErrExists
		}
		return d.bounded(tx, t, k.Created)
	})
}

// unhex reads a hash that is there or empty.
func unhex(dest []byte, digits string) error {
	if digits == "" {
		return nil
	}
	if n, err := hex.Decode(dest, []byte(digits)); err != nil || n != len(dest) {
		return errors.New("a thumbprint is not 64 hexadecimal digits")
	}
	return nil
}

// readRate reads a rate that is there or empty.
func readRate(dest *unit.Rate, text string) (err error) {
	if text != "" {
		*dest, err = unit.ParseRate(text)
	}
	return err
}

// rateText is a rate as it is stored; none is empty.
func rateText(r unit.Rate) string {
	if r.Zero() {
		return ""
	}
	return r.String()
}

// thumbText is a thumbprint as it is stored; none is empty.
func thumbText(p apikey.Thumbprint) string {
	if p.Zero() {
		return ""
	}
	return hex.EncodeToString(p[:])
}

// lists writes a key's lists as JSON; none is an empty list.
func lists(tools []string, networks []netip.Prefix) (string, string, error) {
	a, err := json.Marshal(append([]string{}, tools...))
	if err != nil {
		return "", "", fmt.Errorf("write tools: %w", err)
	}
	b, err := json.Marshal(append([]netip.Prefix{}, networks...))
	if err != nil {
		return "", "", fmt.Errorf("write networks: %w", err)
	}
	return string(a), string(b), nil
}

func (d keys) Update(ctx context.Context, t tenant.ID, id string, c apikey.Change) (now *apikey.Key, err error) {
	err = d.changes(ctx, func(tx tx, revision int64) error {
		k, err := tx.key(t, id)
		switch {
		case err != nil:
			return err
		case !k.RevokedAt.IsZero():
			return apikey.ErrRevoked
		}
		over := k.State(d.now()) == apikey.StateExpired
		c.Apply(k)
		tools, networks, err := lists(k.Tools, k.Networks)
		if err != nil {
			return err
		}
		if _, err := tx.exec(`UPDATE api_key SET name = $2, note = $3, tools = $4, networks = $5, expires = $6,
			rate = $7, certificate = $8, revision = $9 WHERE id = $1`, id, k.Name, k.Note, tools, networks,
			micros(k.Expires), rateText(k.Limit), thumbText(k.Certificate), revision); err != nil {
			return fmt.Errorf("update key: %w", err)
		}
		now = k
		if over { // it may be honoured again
			return d.bounded(tx, k.Tenant, d.now())
		}
		return nil
	})
	return orNil(now, err)
}

func (d keys) Revoke(ctx context.Context, t tenant.ID, id string, at time.Time, by, reason string) (now *apikey.Key, err error) {
	err = d.changes(ctx, func(tx tx, revision int64) (err error) {
		rows, err := tx.exec(`UPDATE api_key SET revoked_at = $3, revoked_by = $4, reason = $5, revision = $6
			WHERE id = $1 AND ($2 = '' OR tenant = $2) AND revoked_at IS NULL`,
			id, string(t), micros(at), by, reason, revision)
		if err != nil {
			return fmt.Errorf("revoke key: %w", err)
		}
		now, err = tx.key(t, id)
		if err == nil && rows == 0 {
			err = apikey.ErrRevoked
		}
		return err
	})
	if errors.Is(err, apikey.ErrRevoked) {
		return now, err
	}
	return orNil(now, err)
}

// orNil returns no value beside an error.
func orNil[T any](v *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
