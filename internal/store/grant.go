package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Grants returns the store of what people allowed.
func (d *DB) Grants() grant.Store { return grants{d} }

type grants struct{ *DB }

const grantColumns = `id, tenant, client, subject, resource, scopes, offline, redirect, jkt, flow, auth_time, idp_issuer, idp_subject,
	challenge, bound, code, code_expires, generation, rotated, created, last_used, expires, idle, revoked, reason, revoked_by`

// scanGrant returns grant.ErrNotFound when there is no row.
func scanGrant(s scanner) (*grant.Record, error) {
	var r grant.Record
	var scopes, code string
	var offline int64
	var authTime, codeExpires, rotated, created, used, expires, idle, revoked sql.NullInt64
	err := s.Scan(&r.ID, &r.Tenant, &r.Client, &r.Subject, &r.Resource, &scopes, &offline, &r.Redirect, &r.Key, &r.Flow, &authTime,
		&r.Identity.Issuer, &r.Identity.Subject, &r.Challenge, &r.Bound, &code, &codeExpires, &r.Generation, &rotated, &created, &used,
		&expires, &idle, &revoked, &r.Reason, &r.By)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, grant.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read grant: %w", err)
	}
	if err := errors.Join(json.Unmarshal([]byte(scopes), &r.Scopes), unhex(r.Code[:], code)); err != nil {
		return nil, fmt.Errorf("read grant %s: %w", r.ID, err)
	}
	r.Offline = offline == 1
	r.AuthTime, r.CodeExpires, r.Rotated, r.Created = moment(authTime), moment(codeExpires), moment(rotated), moment(created)
	r.LastUsed, r.Expires, r.Idle, r.Revoked = moment(used), moment(expires), moment(idle), moment(revoked)
	return &r, nil
}

func scanPlainGrant(s scanner) (*grant.Grant, error) {
	r, err := scanGrant(s)
	if err != nil {
		return nil, err
	}
	return &r.Grant, nil
}

const insertGrant = `INSERT INTO oauth_grant (` + grantColumns + `)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, NULL, $18, NULL, $19, $20, NULL, '', ''
	FROM tenant WHERE id = $2 AND state <> 'deleted'`

// grantValues are the parameters of insertGrant.
func grantValues(t tenant.ID, r *grant.Record) ([]any, error) {
	scopes, err := json.Marshal(r.Scopes)
	if err != nil {
		return nil, fmt.Errorf("write scopes: %w", err)
	}
	code := ""
	if r.Code != [32]byte{} {
		code = hex.EncodeToString(r.Code[:])
	}
	return []any{
		r.ID, string(t), r.Client, r.Subject, r.Resource, string(scopes), bit(r.Offline), r.Redirect, r.Key, r.Flow, micros(r.AuthTime),
		r.Identity.Issuer, r.Identity.Subject, r.Challenge, r.Bound, code, micros(r.CodeExpires), micros(r.Created), micros(r.Expires), micros(r.Idle),
	}, nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (d grants) Create(ctx context.Context, t tenant.ID, r *grant.Record) error {
	values, err := grantValues(t, r)
	if err != nil {
		return err
	}
	rows, err := d.alone(ctx, insertGrant, values, nil)
	switch {
	case err != nil:
		return fmt.Errorf("keep a grant: %w", err)
	case rows == 0:
		return tenant.ErrNotFound
	}
	return nil
}

func (d grants) Find(ctx context.Context, id string) (*grant.Record, error) {
	return scanGrant(d.row(ctx, `SELECT `+grantColumns+` FROM oauth_grant WHERE id = $1`, id))
}

// one runs a statement that returns a grant.
func (d grants) one(ctx context.Context, none error, query string, args ...any) (g *grant.Grant, err error) {
	_, err = d.alone(ctx, query, args, func(s scanner) (err error) {
		g, err = scanPlainGrant(s)
		if errors.Is(err, grant.ErrNotFound) {
			return sql.ErrNoRows
		}
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (d grants) Redeem(ctx context.Context, t tenant.ID, id string, s grant.Start) (*grant.Grant, error) {
	return d.one(ctx, grant.ErrSpent, `UPDATE oauth_grant SET generation = 1, rotated = $3, last_used = $3, expires = $4, idle = $5, jkt = $6
		WHERE id = $1 AND tenant = $2 AND generation = 0 AND revoked IS NULL AND code_expires > $3 RETURNING `+grantColumns,
		id, string(t), micros(s.At), micros(s.Expires), micros(s.Idle), s.Key)
}

func (d grants) Rotate(ctx context.Context, t tenant.ID, id string, from int64, at, idle time.Time) (*grant.Grant, error) {
	return d.one(ctx, grant.ErrRaced, `UPDATE oauth_grant SET generation = generation + 1, rotated = $4, last_used = $4, idle = $5
		WHERE id = $1 AND tenant = $2 AND generation = $3 AND generation > 0 AND offline = 1 AND revoked IS NULL
		AND expires > $4 AND (idle IS NULL OR idle > $4) RETURNING `+grantColumns,
		id, string(t), from, micros(at), micros(idle))
}

// Revoke ends access tokens in the same transaction: there is no moment at which
// the grant is over and they are good.
func (d grants) Revoke(ctx context.Context, t tenant.ID, ids []string, e grant.End) (ended []grant.Grant, err error) {
	err = d.writes(ctx, func(x tx) error {
		ended = nil
		if over, err := x.grantsOver(t, ids); err != nil || over {
			return err // of many who end one grant at once, as a thief can, the first alone waits for the disk
		}
		revision, err := x.revise()
		if err != nil {
			return err
		}
		for _, id := range ids {
			g, err := scanPlainGrant(x.QueryRowContext(ctx, `UPDATE oauth_grant SET revoked = $3, reason = $4, revoked_by = $5
				WHERE id = $1 AND tenant = $2 AND revoked IS NULL RETURNING `+grantColumns,
				id, string(t), micros(e.At), e.Reason, e.By))
			if errors.Is(err, grant.ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			if _, err := revocations(d).revoke(x, revision, &token.Revocation{
				ID: id, Target: token.Target{Kind: token.KindGrant, Issuer: e.Issuer, Value: id},
				Expires: e.Tokens, Created: e.At, By: e.By, Reason: e.Reason,
			}); err != nil {
				return err
			}
			ended = append(ended, *g)
		}
		if len(ended) == 0 { // somebody was faster since
			return errNothing
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNothing) {
		return nil, err
	}
	return ended, nil
}

// grantsOver says whether none of these grants can be ended any more.
func (t tx) grantsOver(of tenant.ID, ids []string) (bool, error) {
	for _, id := range ids {
		var n int64
		err := t.one(`SELECT count(*) FROM oauth_grant WHERE id = $1 AND tenant = $2 AND revoked IS NULL`, []any{id, string(of)}, &n)
		if err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}

// errNothing undoes a transaction that has changed nothing but the revision.
var errNothing = errors.New("nothing was changed")

func (d grants) List(ctx context.Context, f grant.Filter) ([]grant.Grant, error) {
	return list(ctx, d.read, scanPlainGrant, `SELECT `+grantColumns+` FROM oauth_grant
		WHERE ($1 = '' OR tenant = $1) AND ($2 = '' OR subject = $2) AND ($3 = '' OR client = $3)
		AND (CAST($4 AS bigint) IS NULL OR revoked IS NULL AND expires > $4 AND (idle IS NULL OR idle > $4))
		ORDER BY created DESC, id LIMIT $5`, string(f.Tenant), f.Subject, f.Client, micros(f.Active), f.Limit)
}

// Sweep looks for what is over where it keeps no writer waiting: of a million
// grants it sees each.
func (d grants) Sweep(ctx context.Context, now, over time.Time) (deleted int64, err error) {
	const most, done = 500, `(generation = 0 AND expires < $1 OR expires < $2 OR idle < $2 OR revoked < $2)`
	for {
		ids, err := list(ctx, d.read, func(s scanner) (*string, error) {
			var id string
			return &id, s.Scan(&id)
		}, `SELECT id FROM oauth_grant WHERE `+done+` LIMIT $3`, micros(now), micros(over), most)
		if err != nil {
			return deleted, fmt.Errorf("sweep grants: %w", err)
		}
		if err := d.writes(ctx, func(t tx) error {
			for _, id := range ids {
				n, err := t.exec(`DELETE FROM oauth_grant WHERE id = $3 AND `+done, micros(now), micros(over), id)
				if err != nil {
					return err
				}
				deleted += n
			}
			return nil
		}); err != nil {
			return deleted, fmt.Errorf("sweep grants: %w", err)
		}
		if len(ids) < most {
			return deleted, nil
		}
	}
}

// sweep deletes, a few at a time: others want to write too. The statement's last
// parameter is how many.
func (d *DB) sweep(ctx context.Context, query string, args ...any) (deleted int64, err error) {
	const most = 2000
	for {
		n, err := d.alone(ctx, query, append(args[:len(args):len(args)], most), nil)
		if err != nil {
			return deleted, fmt.Errorf("sweep: %w", err)
		}
		if deleted += n; n < most {
			return deleted, nil
		}
	}
}
