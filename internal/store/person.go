package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Login returns the store of people.
func (d *DB) Login() login.Store { return people{d} }

type people struct{ *DB }

const (
	userColumns = `u.id, u.tenant, u.username, u.name, u.email, u.vouched, u.teams, u.roles, u.state, u.created, u.seen`
	linkColumns = `l.user_id, l.provider, l.issuer, l.subject, l.email, l.teams, l.roles, l.created, l.used`
)

// bare are columns without their table's name in front: SQLite wants it so after RETURNING.
func bare(columns string) string {
	return regexp.MustCompile(`\b[a-z]\.`).ReplaceAllString(columns, "")
}

// userRow is a row of userColumns on its way to a user.
type userRow struct {
	u             login.User
	username      sql.NullString
	teams, roles  string
	created, seen sql.NullInt64
}

func (r *userRow) dest() []any {
	return []any{&r.u.ID, &r.u.Tenant, &r.username, &r.u.Name, &r.u.Email, &r.u.Vouched, &r.teams, &r.roles, &r.u.State, &r.created, &r.seen}
}

func (r *userRow) user() (*login.User, error) {
	r.u.Username, r.u.Created, r.u.LastSeen = r.username.String, moment(r.created), moment(r.seen)
	if err := errors.Join(texts(r.teams, &r.u.Groups), texts(r.roles, &r.u.Roles)); err != nil {
		return nil, fmt.Errorf("read user %s: %w", r.u.ID, err)
	}
	return &r.u, nil
}

// texts reads a list as it is stored; an empty one is nil.
func texts(stored string, into *[]string) error {
	if stored == "" {
		return nil
	}
	return json.Unmarshal([]byte(stored), into)
}

// stored is a list as it is stored.
func stored(list []string) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

func scanUser(s scanner) (*login.User, error) {
	var r userRow
	if err := s.Scan(r.dest()...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, login.ErrNotFound
		}
		return nil, fmt.Errorf("read user: %w", err)
	}
	return r.user()
}

// identity is a link and whose it is.
type identity struct {
	user string
	login.Link
}

func scanIdentity(s scanner) (*identity, error) {
	var o identity
	var teams, roles string
	var created, used sql.NullInt64
	if err := s.Scan(&o.user, &o.Provider, &o.Issuer, &o.Subject, &o.Email, &teams, &roles, &created, &used); err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	o.Created, o.LastUsed = moment(created), moment(used)
	if err := errors.Join(texts(teams, &o.Groups), texts(roles, &o.Roles)); err != nil {
		return nil, fmt.Errorf("read identity of %s: %w", o.user, err)
	}
	return &o, nil
}

// known adds their links to a user.
func known(ctx context.Context, q querier, u *login.User) error {
	return each(ctx, q, scanIdentity, func(o *identity) { u.Links = append(u.Links, o.Link) },
		`SELECT `+linkColumns+` FROM login_link l WHERE l.user_id = $1 ORDER BY l.created, l.issuer, l.subject`, u.ID)
}

func (d people) CreateUser(ctx context.Context, t tenant.ID, u *login.User, password string) error {
	return d.writes(ctx, func(w tx) error {
		if u.Username != "" { // one that a deleted tenant's user had is free
			if _, err := w.exec(`UPDATE login_user SET username = NULL WHERE username = $1
				AND EXISTS (SELECT 1 FROM tenant WHERE id = login_user.tenant AND state = 'deleted')`, u.Username); err != nil {
				return fmt.Errorf("free a username: %w", err)
			}
		}
		if err := w.addUser(t, u); err != nil || password == "" {
			return err
		}
		return w.setSecrets(&login.Enrolment{User: u.ID, Password: password, At: u.Created})
	})
}

// addUser adds a user without links.
func (t tx) addUser(of tenant.ID, u *login.User) error {
	teams, err1 := stored(u.Groups)
	roles, err2 := stored(u.Roles)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var there int
	switch err := t.one(`SELECT 1 FROM tenant WHERE id = $1 AND state <> 'deleted'`, []any{string(of)}, &there); {
	case errors.Is(err, sql.ErrNoRows):
		return tenant.ErrNotFound
	case err != nil:
		return fmt.Errorf("add user: %w", err)
	}
	rows, err := t.exec(`INSERT INTO login_user (id, tenant, username, name, email, vouched, teams, roles, state, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		u.ID, string(of), sql.NullString{String: u.Username, Valid: u.Username != ""}, u.Name, u.Email, u.Vouched, teams, roles, string(u.State), micros(u.Created))
	switch {
	case err != nil:
		return fmt.Errorf("add user: %w", err)
	case rows == 0:
		return login.ErrExists
	}
	return nil
}

func (d people) User(ctx context.Context, t tenant.ID, idOrName string) (*login.User, error) {
	u, err := scanUser(d.row(ctx, `SELECT `+userColumns+` FROM login_user u JOIN tenant t ON t.id = u.tenant
		WHERE (u.id = $1 OR u.username = $1) AND t.state <> 'deleted' AND ($2 = '' OR u.tenant = $2)`, idOrName, string(t)))
	if err != nil {
		return nil, err
	}
	return u, known(ctx, often(d), u)
}

func (d people) Users(ctx context.Context, t tenant.ID, after string, limit int) ([]login.User, error) {
	all, err := list(ctx, d.read, scanUser, `SELECT `+userColumns+` FROM login_user u JOIN tenant t ON t.id = u.tenant
		WHERE u.id > $1 AND t.state <> 'deleted' AND ($2 = '' OR u.tenant = $2) ORDER BY u.id LIMIT $3`, after, string(t), limit)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	at := map[string]int{}
	for i := range all {
		at[all[i].ID] = i
	}
	return all, each(ctx, d.read, scanIdentity, func(o *identity) {
		if i, ok := at[o.user]; ok {
			all[i].Links = append(all[i].Links, o.Link)
		}
	}, `SELECT `+linkColumns+` FROM login_link l WHERE l.user_id >= $1 AND l.user_id <= $2 ORDER BY l.created, l.issuer, l.subject`,
		all[0].ID, all[len(all)-1].ID)
}

// UpdateUser takes the user's row first, as SetState does.
func (d people) UpdateUser(ctx context.Context, t tenant.ID, id string, change func(*login.User) (*login.User, error)) (now *login.User, err error) {
	err = d.writes(ctx, func(w tx) error {
		u, err := scanUser(w.QueryRowContext(ctx, `UPDATE login_user SET state = state WHERE id = $1 AND ($2 = '' OR tenant = $2) RETURNING `+bare(userColumns), id, string(t)))
		if err == nil {
			u, err = change(u)
		}
		if err != nil {
			return err
		}
		teams, err1 := stored(u.Groups)
		roles, err2 := stored(u.Roles)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		now, err = scanUser(w.QueryRowContext(ctx, `UPDATE login_user SET name = $2, email = $3, vouched = $4, teams = $5, roles = $6
			WHERE id = $1 RETURNING `+bare(userColumns), id, u.Name, u.Email, u.Vouched, teams, roles))
		return err
	})
	if err != nil {
		return nil, err
	}
	return now, known(ctx, d.read, now)
}

// DeleteUser takes the user's row first, as SetState does.
func (d people) DeleteUser(ctx context.Context, t tenant.ID, id string) error {
	return d.writes(ctx, func(w tx) error {
		rows, err := w.exec(`UPDATE login_user SET state = 'disabled', username = NULL WHERE id = $1 AND ($2 = '' OR tenant = $2)`, id, string(t))
		switch {
		case err != nil:
			return fmt.Errorf("delete user: %w", err)
		case rows == 0:
			return login.ErrNotFound
		}
		for _, of := range [...]string{
			"login_session WHERE user_id", "login_invitation WHERE user_id", "login_recovery WHERE user_id", "login_passkey WHERE user_id",
			"login_secret WHERE user_id", "login_link WHERE user_id", "federation_token WHERE user_id", "oauth_consent WHERE person",
			"oauth_refusal WHERE person", "login_user WHERE id",
		} {
			if _, err := w.exec(`DELETE FROM `+of+` = $1`, id); err != nil {
				return fmt.Errorf("delete what a user has: %w", err)
			}
		}
		return nil
	})
}

// SetState takes the user's row first: whoever opens a session at the same moment
// has done so before, and it is ended, or comes after, and is refused.
func (d people) SetState(ctx context.Context, t tenant.ID, id string, s login.State) (u *login.User, ended int, err error) {
	err = d.writes(ctx, func(w tx) error {
		u, err = scanUser(w.QueryRowContext(ctx, `UPDATE login_user SET state = CASE WHEN $2 = 'active' AND seen IS NULL
				AND NOT EXISTS (SELECT 1 FROM login_secret s WHERE s.user_id = login_user.id AND s.password <> '') THEN 'invited' ELSE $2 END
			WHERE id = $1 AND ($3 = '' OR tenant = $3) RETURNING `+bare(userColumns), id, string(s), string(t)))
		if err != nil || s != login.Disabled {
			return err
		}
		n, err := w.exec(`DELETE FROM login_session WHERE user_id = $1`, id)
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		ended = int(n)
		if _, err = w.exec(`DELETE FROM login_invitation WHERE user_id = $1`, id); err != nil {
			return fmt.Errorf("end an invitation: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return u, ended, known(ctx, d.read, u)
}
