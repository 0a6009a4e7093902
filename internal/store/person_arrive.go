package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// errRaced says that somebody else made the row a moment ago.
var errRaced = errors.New("another was faster")

// Arrive tries again when another has made the identity a moment ago.
func (d people) Arrive(ctx context.Context, l *login.Link, fresh *login.User, link bool) (u *login.User, err error) {
	const most = 4
	for range most {
		err = d.writes(ctx, func(w tx) error {
			u, err = w.arrive(l, fresh, link)
			return err
		})
		if !errors.Is(err, errRaced) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return u, known(ctx, d.read, u)
}

func (t tx) arrive(l *login.Link, fresh *login.User, link bool) (*login.User, error) {
	teams, err1 := stored(l.Groups)
	roles, err2 := stored(l.Roles)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	var id string
	err := t.one(`UPDATE login_link SET provider = $3, email = $4, teams = $5, roles = $6, used = $7 WHERE issuer = $1 AND subject = $2 RETURNING user_id`,
		[]any{l.Issuer, l.Subject, l.Provider, l.Email, teams, roles, micros(l.LastUsed)}, &id)
	if err == nil {
		u, err := t.back(id, l, fresh)
		if !errors.Is(err, tenant.ErrNotFound) {
			return u, err
		}
	} else if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("find identity: %w", err)
	}
	id = ""
	if link {
		if id, err = t.namesake(fresh); err != nil {
			return nil, err
		}
	}
	if id == "" {
		if err := t.addUser(fresh.Tenant, fresh); err != nil {
			return nil, err
		}
		id = fresh.ID
	}
	rows, err := t.exec(`INSERT INTO login_link (issuer, subject, user_id, provider, email, teams, roles, created, used)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		l.Issuer, l.Subject, id, l.Provider, l.Email, teams, roles, micros(l.Created), micros(l.LastUsed))
	switch {
	case err != nil:
		return nil, fmt.Errorf("add identity: %w", err)
	case rows == 0:
		return nil, errRaced
	}
	return scanUser(t.QueryRowContext(t.ctx, `SELECT `+userColumns+` FROM login_user u WHERE u.id = $1`, id))
}

// back returns a user who was here before, with what their only provider says of
// them now. An identity of a deleted tenant is forgotten: tenant.ErrNotFound.
func (t tx) back(id string, l *login.Link, fresh *login.User) (*login.User, error) {
	var state tenant.State
	if err := t.one(`SELECT t.state FROM tenant t JOIN login_user u ON u.tenant = t.id WHERE u.id = $1`, []any{id}, &state); err != nil {
		return nil, fmt.Errorf("find the tenant of a user: %w", err)
	}
	if state == tenant.Deleted {
		if _, err := t.exec(`DELETE FROM login_link WHERE issuer = $1 AND subject = $2 AND user_id = $3`, l.Issuer, l.Subject, id); err != nil {
			return nil, fmt.Errorf("forget an identity: %w", err)
		}
		return nil, tenant.ErrNotFound
	}
	if _, err := t.exec(`UPDATE login_user SET name = $2, email = $3, vouched = $4
		WHERE id = $1 AND tenant = $5 AND username IS NULL AND (SELECT count(*) FROM login_link WHERE user_id = $1) = 1`,
		id, fresh.Name, fresh.Email, fresh.Vouched, string(fresh.Tenant)); err != nil {
		return nil, fmt.Errorf("update user: %w", err)
	}
	u, err := scanUser(t.QueryRowContext(t.ctx, `SELECT `+userColumns+` FROM login_user u WHERE u.id = $1`, id))
	switch {
	case err != nil:
		return nil, err
	case u.Tenant != fresh.Tenant:
		return nil, &login.TenantError{User: id}
	case u.State == login.Disabled:
		return nil, login.ErrDisabled
	}
	return u, nil
}

// namesake returns the id of the only user who has an address from somebody who
// is authoritative for it; empty: there is none, or more than one. One who is
// disabled is found too: they do not come back by another door.
func (t tx) namesake(fresh *login.User) (string, error) {
	all, err := list(t.ctx, t, scanUser, `SELECT `+userColumns+` FROM login_user u WHERE u.tenant = $1 AND u.email = $2 AND u.vouched LIMIT 2`,
		string(fresh.Tenant), fresh.Email)
	switch {
	case err != nil:
		return "", err
	case fresh.Email == "" || len(all) != 1:
		return "", nil
	case all[0].State == login.Disabled:
		return "", login.ErrDisabled
	}
	return all[0].ID, nil
}
