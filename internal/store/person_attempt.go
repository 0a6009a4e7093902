package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

func (d people) SpendChallenge(ctx context.Context, hash string, until time.Time) (bool, error) {
	return d.once(ctx, `INSERT INTO login_challenge (hash, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING`, hash, micros(until))
}

// Attempt is one statement, so that of many at once no more are counted than may be made.
func (d people) Attempt(ctx context.Context, bucket string, at time.Time, p login.Pace) (wait time.Duration, err error) {
	now := at.UnixMicro()
	doublings := 0
	for p.First<<doublings < p.Most {
		doublings++
	}
	err = d.writes(ctx, func(w tx) error {
		var waits int64
		err := w.one(`INSERT INTO login_attempt AS a (bucket, tries, waits, tried) VALUES ($1, 1, $2, $2)
			ON CONFLICT (bucket) DO UPDATE SET
				tries = CASE WHEN a.tried < $3 THEN 1 ELSE a.tries + 1 END,
				waits = CAST($2 AS bigint) + CASE WHEN a.tried < $3 OR a.tries < $4 THEN 0
					WHEN a.tries - $4 >= $5 THEN CAST($6 AS bigint)
					ELSE CAST($7 AS bigint) << CAST(a.tries - $4 AS integer) END,
				tried = $2
			WHERE a.waits <= $2 RETURNING waits`,
			[]any{bucket, now, at.Add(-p.Calm).UnixMicro(), int64(p.Free), int64(doublings), p.Most.Microseconds(), p.First.Microseconds()}, &waits)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := w.one(`SELECT waits FROM login_attempt WHERE bucket = $1`, []any{bucket}, &waits); err != nil {
			return err
		}
		wait = max(time.Duration(waits-now)*time.Microsecond, time.Second)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count an attempt: %w", err)
	}
	return wait, nil
}

func (d people) Forgive(ctx context.Context, bucket string, n int) error {
	query, args := `DELETE FROM login_attempt WHERE bucket = $1`, []any{bucket}
	if n > 0 {
		query, args = `UPDATE login_attempt SET tries = tries - $2 WHERE bucket = $1 AND tries > $2`, append(args, int64(n))
	}
	_, err := d.once(ctx, query, args...)
	return err
}

func (d people) SweepLogin(ctx context.Context, before time.Time) error {
	const most = 5000 // at a time: others want to write too
	for _, one := range []struct{ table, key, ends string }{
		{"login_session", "hash", "expires"}, {"login_invitation", "hash", "expires"}, {"login_challenge", "hash", "expires"}, {"login_attempt", "bucket", "tried"},
	} {
		for {
			var n int64
			err := d.writes(ctx, func(w tx) (err error) {
				n, err = w.exec(`DELETE FROM `+one.table+` WHERE `+one.key+` IN (SELECT `+one.key+` FROM `+one.table+` WHERE `+one.ends+` < $1 LIMIT $2)`, micros(before), most)
				return err
			})
			if err != nil {
				return fmt.Errorf("sweep %s: %w", one.table, err)
			}
			if n < most {
				break
			}
		}
	}
	return nil
}
