package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

const passkeyColumns = `p.credential, p.id, p.user_id, p.name, p.record, p.created, p.used`

func scanPasskey(s scanner) (*login.Passkey, error) {
	var p login.Passkey
	var created, used sql.NullInt64
	if err := s.Scan(&p.Credential, &p.ID, &p.User, &p.Name, &p.Record, &created, &used); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, login.ErrNotFound
		}
		return nil, fmt.Errorf("read passkey: %w", err)
	}
	p.Created, p.LastUsed = moment(created), moment(used)
	return &p, nil
}

func (d people) Secrets(ctx context.Context, id string) (*login.Secrets, error) {
	var s login.Secrets
	err := d.read.QueryRowContext(ctx, `SELECT COALESCE(s.password, ''), COALESCE(s.totp, ''), (SELECT count(*) FROM login_recovery WHERE user_id = u.id)
		FROM login_user u LEFT JOIN login_secret s ON s.user_id = u.id WHERE u.id = $1`, id).Scan(&s.Password, &s.TOTP, &s.Recovery)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, login.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read what a user has: %w", err)
	}
	s.Passkeys, err = list(ctx, d.read, scanPasskey, `SELECT `+passkeyColumns+` FROM login_passkey p WHERE p.user_id = $1 ORDER BY p.created, p.id`, id)
	return &s, err
}

func (d people) Enrol(ctx context.Context, e *login.Enrolment, most int) error {
	return d.writes(ctx, func(w tx) error {
		rows, err := w.exec(`UPDATE login_user SET state = state WHERE id = $1 AND state <> 'disabled'`, e.User) // the next of this user waits for us
		switch {
		case err != nil:
			return fmt.Errorf("set up an account: %w", err)
		case rows == 0:
			return login.ErrDisabled
		}
		if err := w.spends(e); err != nil {
			return err
		}
		if err := w.setSecrets(e); err != nil {
			return err
		}
		if e.Passkey != nil {
			if err := w.addPasskey(e.Passkey, most); err != nil {
				return err
			}
		}
		if e.EndSessions {
			if _, err := w.exec(`DELETE FROM login_session WHERE user_id = $1`, e.User); err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
		}
		return w.setRecovery(e)
	})
}

// spends takes away what an enrolment is made by.
func (t tx) spends(e *login.Enrolment) error {
	for _, one := range []struct {
		hash, query string
	}{
		{e.Invitation, `DELETE FROM login_invitation WHERE user_id = $1 AND hash = $2 AND expires > $3`},
		{e.Spends, `DELETE FROM login_recovery WHERE user_id = $1 AND hash = $2 AND $3 > 0`},
	} {
		if one.hash == "" {
			continue
		}
		rows, err := t.exec(one.query, e.User, one.hash, e.At.UnixMicro())
		switch {
		case err != nil:
			return fmt.Errorf("spend what an account is set up by: %w", err)
		case rows == 0:
			return login.ErrSpent
		}
	}
	return nil
}

// setSecrets sets a password and an authenticator, those that are given.
func (t tx) setSecrets(e *login.Enrolment) error {
	if e.Password == "" && e.TOTP == "" {
		return nil
	}
	_, err := t.exec(`INSERT INTO login_secret (user_id, password, totp, step, changed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (user_id) DO UPDATE SET changed = excluded.changed,
			password = CASE WHEN excluded.password <> '' THEN excluded.password ELSE login_secret.password END,
			step = CASE WHEN excluded.totp <> '' THEN excluded.step ELSE login_secret.step END,
			totp = CASE WHEN excluded.totp <> '' THEN excluded.totp ELSE login_secret.totp END`,
		e.User, e.Password, e.TOTP, e.Step, micros(e.At))
	if err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	return nil
}

func (t tx) addPasskey(p *login.Passkey, most int) error {
	var have int
	if err := t.one(`SELECT count(*) FROM login_passkey WHERE user_id = $1`, []any{p.User}, &have); err != nil {
		return fmt.Errorf("count passkeys: %w", err)
	}
	if have >= most {
		return login.ErrFull
	}
	rows, err := t.exec(`INSERT INTO login_passkey (credential, id, user_id, name, record, created) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		p.Credential, p.ID, p.User, p.Name, p.Record, micros(p.Created))
	switch {
	case err != nil:
		return fmt.Errorf("add passkey: %w", err)
	case rows == 0: // of anybody
		return login.ErrExists
	}
	return nil
}

func (t tx) setRecovery(e *login.Enrolment) error {
	if e.Recovery == nil {
		return nil
	}
	_, err := t.exec(`DELETE FROM login_recovery WHERE user_id = $1`, e.User)
	for _, hash := range e.Recovery {
		if err == nil {
			_, err = t.exec(`INSERT INTO login_recovery (user_id, hash) VALUES ($1, $2)`, e.User, hash)
		}
	}
	if err != nil {
		return fmt.Errorf("set recovery codes: %w", err)
	}
	return nil
}

// once runs a statement that does something once, and says whether it did.
func (d people) once(ctx context.Context, query string, args ...any) (done bool, err error) {
	err = d.writes(ctx, func(w tx) error {
		rows, err := w.exec(query, args...)
		done = rows > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("people: %w", err)
	}
	return done, nil
}

func (d people) SpendStep(ctx context.Context, id string, step int64) (bool, error) {
	return d.once(ctx, `UPDATE login_secret SET step = $2 WHERE user_id = $1 AND step < $2`, id, step)
}

func (d people) HasRecovery(ctx context.Context, id, hash string) (bool, error) {
	var n int
	err := d.read.QueryRowContext(ctx, `SELECT count(*) FROM login_recovery WHERE user_id = $1 AND hash = $2`, id, hash).Scan(&n)
	return n == 1, err
}

func (d people) SpendRecovery(ctx context.Context, id, hash string) (bool, error) {
	return d.once(ctx, `DELETE FROM login_recovery WHERE user_id = $1 AND hash = $2`, id, hash)
}

func (d people) Passkey(ctx context.Context, credential string) (*login.Passkey, error) {
	return scanPasskey(d.read.QueryRowContext(ctx, `SELECT `+passkeyColumns+` FROM login_passkey p WHERE p.credential = $1`, credential))
}

func (d people) UsePasskey(ctx context.Context, p *login.Passkey, was string) (bool, error) {
	return d.once(ctx, `UPDATE login_passkey SET record = $2, used = $3 WHERE credential = $1 AND record = $4`, p.Credential, p.Record, micros(p.LastUsed), was)
}

func (d people) RemovePasskey(ctx context.Context, id, passkey string) error {
	done, err := d.once(ctx, `DELETE FROM login_passkey WHERE user_id = $1 AND id = $2`, id, passkey)
	if err == nil && !done {
		err = login.ErrNotFound
	}
	return err
}

func (d people) Invite(ctx context.Context, i *login.Invitation, reset bool) error {
	return d.writes(ctx, func(w tx) error {
		rows, err := w.exec(`UPDATE login_user SET state = state WHERE id = $1 AND state <> 'disabled'`, i.User)
		switch {
		case err != nil:
			return fmt.Errorf("invite: %w", err)
		case rows == 0:
			return login.ErrDisabled
		}
		if reset {
			for _, table := range []string{"login_secret", "login_passkey", "login_recovery", "login_session"} {
				if _, err := w.exec(`DELETE FROM `+table+` WHERE user_id = $1`, i.User); err != nil {
					return fmt.Errorf("take away what a user has: %w", err)
				}
			}
		}
		if _, err := w.exec(`INSERT INTO login_invitation (user_id, id, hash, expires, created, made_by) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, hash = excluded.hash, expires = excluded.expires, created = excluded.created, made_by = excluded.made_by`,
			i.User, i.ID, i.Hash, micros(i.Expires), micros(i.Created), i.By); err != nil {
			return fmt.Errorf("invite: %w", err)
		}
		return nil
	})
}

func (d people) Invitation(ctx context.Context, hash string, at time.Time) (*login.Invitation, error) {
	var i login.Invitation
	var expires, created sql.NullInt64
	err := d.read.QueryRowContext(ctx, `SELECT id, hash, user_id, expires, created, made_by FROM login_invitation WHERE hash = $1 AND expires > $2`, hash, micros(at)).
		Scan(&i.ID, &i.Hash, &i.User, &expires, &created, &i.By)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, login.ErrSpent
	case err != nil:
		return nil, fmt.Errorf("read invitation: %w", err)
	}
	i.Expires, i.Created = moment(expires), moment(created)
	return &i, nil
}
