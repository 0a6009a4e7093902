package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const sessionColumns = `s.id, s.user_id, s.provider, s.methods, s.signed_in, s.seen, s.expires, s.address, s.agent`

// sessionRow is a row of sessionColumns on its way to a session.
type sessionRow struct {
	s                       login.Session
	methods                 string
	signedIn, seen, expires sql.NullInt64
}

func (r *sessionRow) dest() []any {
	return []any{&r.s.ID, &r.s.User, &r.s.Provider, &r.methods, &r.signedIn, &r.seen, &r.expires, &r.s.Address, &r.s.Agent}
}

func (r *sessionRow) session() (*login.Session, error) {
	r.s.SignedIn, r.s.LastSeen, r.s.Expires = moment(r.signedIn), moment(r.seen), moment(r.expires)
	if err := texts(r.methods, &r.s.Methods); err != nil {
		return nil, fmt.Errorf("read session %s: %w", r.s.ID, err)
	}
	return &r.s, nil
}

func scanSession(s scanner) (*login.Session, error) {
	var r sessionRow
	if err := s.Scan(r.dest()...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, login.ErrNotFound
		}
		return nil, fmt.Errorf("read session: %w", err)
	}
	return r.session()
}

// OpenSession takes the user's row first: see SetState.
func (d people) OpenSession(ctx context.Context, r *login.SessionRecord, most int) error {
	methods, err := stored(r.Methods)
	if err != nil {
		return err
	}
	return d.writes(ctx, func(w tx) error {
		rows, err := w.exec(`UPDATE login_user SET seen = $2, state = 'active' WHERE id = $1 AND state <> 'disabled'
			AND EXISTS (SELECT 1 FROM tenant WHERE id = login_user.tenant AND state = 'active')`, r.User, micros(r.SignedIn))
		switch {
		case err != nil:
			return fmt.Errorf("open session: %w", err)
		case rows == 0:
			return login.ErrDisabled
		}
		if _, err := w.exec(`DELETE FROM login_session WHERE hash = $1`, r.Replaces); err != nil {
			return fmt.Errorf("replace session: %w", err)
		}
		if _, err := w.exec(`INSERT INTO login_session (hash, id, user_id, issuer, subject, provider, methods, signed_in, seen, expires, address, agent)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, r.Hash, r.ID, r.User, r.Issuer, r.Subject, r.Provider, methods,
			micros(r.SignedIn), micros(r.LastSeen), micros(r.Expires), r.Address, r.Agent); err != nil {
			return fmt.Errorf("open session: %w", err)
		}
		if _, err := w.exec(`DELETE FROM login_session WHERE user_id = $1 AND hash NOT IN
			(SELECT hash FROM login_session WHERE user_id = $1 ORDER BY signed_in DESC, id DESC LIMIT $2)`, r.User, most); err != nil {
			return fmt.Errorf("end the oldest sessions: %w", err)
		}
		return nil
	})
}

func (d people) Session(ctx context.Context, hash string, at, idle time.Time) (*login.Person, error) {
	var u userRow
	var s sessionRow
	var issuer, subject string
	err := d.row(ctx, `SELECT `+userColumns+`, `+sessionColumns+`, s.issuer, s.subject
		FROM login_session s JOIN login_user u ON u.id = s.user_id JOIN tenant t ON t.id = u.tenant
		WHERE s.hash = $1 AND s.expires > $2 AND s.seen > $3 AND u.state <> 'disabled' AND t.state = 'active'`,
		hash, micros(at), micros(idle)).Scan(append(append(u.dest(), s.dest()...), &issuer, &subject)...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, login.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read session: %w", err)
	}
	user, err1 := u.user()
	session, err2 := s.session()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := known(ctx, often(d), user); err != nil {
		return nil, err
	}
	p := &login.Person{User: *user, Session: *session}
	if issuer == "" {
		return p, nil
	}
	for _, l := range user.Links {
		if l.Issuer == issuer && l.Subject == subject {
			p.Identity = l
			return p, nil
		}
	}
	return nil, login.ErrNotFound // the identity is not theirs any more
}

func (d people) SeeSession(ctx context.Context, hash string, at time.Time) error {
	return d.writes(ctx, func(w tx) error {
		_, err := w.exec(`UPDATE login_session SET seen = $2 WHERE hash = $1 AND seen < $2`, hash, micros(at))
		return err
	})
}

func (d people) Sessions(ctx context.Context, t tenant.ID, user string, at time.Time) ([]login.Session, error) {
	const most = 1000
	return list(ctx, d.read, scanSession, `SELECT `+sessionColumns+` FROM login_session s JOIN login_user u ON u.id = s.user_id
		WHERE s.expires > $1 AND ($2 = '' OR s.user_id = $2) AND ($3 = '' OR u.tenant = $3) ORDER BY s.signed_in DESC, s.id DESC LIMIT $4`,
		micros(at), user, string(t), most)
}

func (d people) EndSession(ctx context.Context, t tenant.ID, idOrHash string) (s *login.Session, err error) {
	err = d.writes(ctx, func(w tx) error {
		s, err = scanSession(w.QueryRowContext(ctx, `DELETE FROM login_session WHERE (id = $1 OR hash = $1)
			AND ($2 = '' OR EXISTS (SELECT 1 FROM login_user WHERE id = login_session.user_id AND tenant = $2)) RETURNING `+bare(sessionColumns), idOrHash, string(t)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (d people) EndSessions(ctx context.Context, t tenant.ID, user string) (ended int, err error) {
	err = d.writes(ctx, func(w tx) error {
		rows, err := w.exec(`UPDATE login_user SET state = state WHERE id = $1 AND ($2 = '' OR tenant = $2)`, user, string(t))
		switch {
		case err != nil:
			return fmt.Errorf("end sessions: %w", err)
		case rows == 0:
			return login.ErrNotFound
		}
		n, err := w.exec(`DELETE FROM login_session WHERE user_id = $1`, user)
		ended = int(n)
		return err
	})
	return ended, err
}
