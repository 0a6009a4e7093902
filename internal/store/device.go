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
)

// Devices returns the store of devices that wait for a person.
func (d *DB) Devices() grant.DeviceStore { return devices{d} }

type devices struct{ *DB }

const deviceColumns = `id, client, scopes, resource, offline, flow, code, user_code, created, expires, asked, pace, decided, of_grant`

func scanDevice(s scanner) (*grant.DeviceRecord, error) {
	var r grant.DeviceRecord
	var scopes, code, userCode string
	var offline, pace int64
	var created, expires, asked, decided sql.NullInt64
	var of sql.NullString
	err := s.Scan(&r.ID, &r.Client, &scopes, &r.Resource, &offline, &r.Flow, &code, &userCode, &created, &expires, &asked, &pace, &decided, &of)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, grant.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read device: %w", err)
	}
	if err := errors.Join(json.Unmarshal([]byte(scopes), &r.Scopes), unhex(r.Code[:], code), unhex(r.UserCode[:], userCode)); err != nil {
		return nil, fmt.Errorf("read device %s: %w", r.ID, err)
	}
	r.Offline, r.Grant, r.Interval = offline == 1, of.String, time.Duration(pace)*time.Microsecond
	r.Created, r.Expires, r.Asked, r.Decided = moment(created), moment(expires), moment(asked), moment(decided)
	return &r, nil
}

func (d devices) Begin(ctx context.Context, r *grant.DeviceRecord) error {
	scopes, err := json.Marshal(r.Scopes)
	if err != nil {
		return fmt.Errorf("write scopes: %w", err)
	}
	rows, err := d.alone(ctx, `INSERT INTO oauth_device (id, client, scopes, resource, offline, flow, code, user_code, created, expires, pace)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`, []any{
		r.ID, r.Client, string(scopes), r.Resource, bit(r.Offline), r.Flow, hex.EncodeToString(r.Code[:]), hex.EncodeToString(r.UserCode[:]),
		micros(r.Created), micros(r.Expires), r.Interval.Microseconds(),
	}, nil)
	switch {
	case err != nil:
		return fmt.Errorf("keep a device: %w", err)
	case rows == 0:
		return grant.ErrRaced
	}
	return nil
}

func (d devices) Device(ctx context.Context, id string) (*grant.DeviceRecord, error) {
	return scanDevice(d.row(ctx, `SELECT `+deviceColumns+` FROM oauth_device WHERE id = $1`, id))
}

func (d devices) ByUserCode(ctx context.Context, mac [32]byte) (*grant.Device, error) {
	r, err := scanDevice(d.row(ctx, `SELECT `+deviceColumns+` FROM oauth_device WHERE user_code = $1`, hex.EncodeToString(mac[:])))
	if err != nil {
		return nil, err
	}
	return &r.Device, nil
}

// Decide takes the decision first: of two, the second finds it taken and makes no grant.
func (d devices) Decide(ctx context.Context, id string, at time.Time, allowed *grant.Record) error {
	return d.writes(ctx, func(t tx) error {
		rows, err := t.exec(`UPDATE oauth_device SET decided = $2 WHERE id = $1 AND decided IS NULL AND expires > $2`, id, micros(at))
		switch {
		case err != nil:
			return fmt.Errorf("decide on a device: %w", err)
		case rows == 0:
			return grant.ErrSpent
		case allowed == nil:
			return nil
		}
		values, err := grantValues(allowed.Tenant, allowed)
		if err != nil {
			return err
		}
		if rows, err = t.exec(insertGrant, values...); err != nil {
			return fmt.Errorf("keep a grant: %w", err)
		} else if rows == 0 {
			return tenant.ErrNotFound
		}
		if _, err := t.exec(`UPDATE oauth_device SET of_grant = $2 WHERE id = $1`, id, allowed.ID); err != nil {
			return fmt.Errorf("give a device its grant: %w", err)
		}
		return nil
	})
}

// slowest is how long a device has to wait at most.
const slowest = time.Minute

// Ask judges by the time that was there before, in the statement that sets the
// new one: of two questions at once the second is early. A question that is in
// time finds its row, one that is too early does not.
func (d devices) Ask(ctx context.Context, id string, at time.Time, more time.Duration) (early bool, err error) {
	rows, err := d.alone(ctx, `UPDATE oauth_device SET asked = $2 WHERE id = $1 AND asked + pace <= $2`, []any{id, micros(at)}, nil)
	if err != nil {
		return false, fmt.Errorf("note a device's question: %w", err)
	}
	if rows == 1 {
		return false, nil
	}
	if _, err := d.alone(ctx, `UPDATE oauth_device SET pace = CASE WHEN pace < $3 THEN pace + $2 ELSE pace END WHERE id = $1`,
		[]any{id, more.Microseconds(), slowest.Microseconds()}, nil); err != nil {
		return false, fmt.Errorf("slow a device down: %w", err)
	}
	return true, nil
}

func (d devices) Sweep(ctx context.Context, before time.Time) (int64, error) {
	return d.sweep(ctx, `DELETE FROM oauth_device WHERE id IN (SELECT id FROM oauth_device WHERE expires < $1 LIMIT $2)`, micros(before))
}
