// Package store keeps the rows behind the nouns' Store interfaces, in SQLite or
// in PostgreSQL, with one SQL text for both.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Config says where the rows are. Exactly one of SQLite and Postgres is set.
type Config struct {
	SQLite   string           // path of the database file; made, with its directory, if there is none
	Postgres string           // connection string (postgres://… or key=value)
	Now      func() time.Time // nil: time.Now
}

// Facts that callers branch on.
var (
	ErrCorrupt     = errors.New("the database is damaged")
	ErrPermissions = errors.New("other accounts can reach the database")
	ErrFileSystem  = errors.New("SQLite cannot lock reliably on this file system")
	ErrNewer       = errors.New("the database is of a newer Gatehouse")
	ErrExists      = errors.New("the file exists")
	ErrForeign     = errors.New("not a Gatehouse database")
	ErrPostgres    = errors.New("use pg_dump and pg_restore for PostgreSQL")
	ErrBroken      = errors.New("a write to disk went wrong; the database must be opened again")
)

// DB is an open database.
type DB struct {
	write *sql.DB // SQLite: one connection, so that writers queue here instead of meeting SQLITE_BUSY
	read  *sql.DB // the same pool as write on PostgreSQL
	path  string  // of the SQLite file; empty: PostgreSQL
	now   func() time.Time

	// broken is set when an fsync went wrong. The kernel may have dropped the
	// pages it could not write and call the next fsync a success, so nothing
	// may be reported as durable until the file was read again from scratch.
	broken atomic.Bool

	mostKeys atomic.Int64 // see BoundKeys
	revoked  atomic.Int64 // tokens that were revoked here; see revocations.room

	batches together // of SQLite
	asked   prepared // of SQLite
}

// Open connects, brings the schema up to date, and makes the default tenant.
//
// It returns ErrCorrupt, ErrPermissions, ErrFileSystem, ErrNewer or ErrForeign
// when the database is not fit to be trusted.
func Open(ctx context.Context, c Config) (*DB, error) {
	if (c.SQLite == "") == (c.Postgres == "") {
		return nil, errors.New("open store: give either a SQLite path or a PostgreSQL connection string")
	}
	d := &DB{path: c.SQLite, now: c.Now}
	if d.now == nil {
		d.now = time.Now
	}
	open := d.openSQLite
	if c.Postgres != "" {
		open = func(ctx context.Context) error { return d.openPostgres(ctx, c.Postgres) }
	}
	err := open(ctx)
	if err == nil {
		err = d.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), d.Close())
	}
	return d, nil
}

// prepare makes an open database fit for use.
func (d *DB) prepare(ctx context.Context) error {
	if err := d.migrate(ctx); err != nil {
		return err
	}
	return d.defaultTenant(ctx)
}

// Close waits for what is running and closes the database.
func (d *DB) Close() error {
	var errs []error
	if d.read != nil && d.read != d.write {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil { // last: closing it folds the write-ahead log into the file
		errs = append(errs, d.write.Close())
	}
	return errors.Join(errs...)
}

// tx is a transaction that writes.
type tx struct {
	*sql.Tx
	ctx context.Context
}

// one runs a query that returns at most one row and reads it into dest.
func (t tx) one(query string, args []any, dest ...any) error {
	return t.QueryRowContext(t.ctx, query, args...).Scan(dest...)
}

// exec runs a statement and returns how many rows it changed.
func (t tx) exec(query string, args ...any) (int64, error) {
	r, err := t.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// writes runs fn in a transaction that is on disk when writes returns nil.
func (d *DB) writes(ctx context.Context, fn func(tx) error) error {
	if d.broken.Load() {
		return ErrBroken
	}
	sqltx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(tx{sqltx, ctx}); err != nil {
		return d.judge(errors.Join(err, ignoreDone(sqltx.Rollback())))
	}
	if err := sqltx.Commit(); err != nil {
		return d.judge(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// changes is writes for a change of keys or tenants: fn is given the change's number.
func (d *DB) changes(ctx context.Context, fn func(t tx, revision int64) error) error {
	return d.writes(ctx, func(t tx) error {
		n, err := t.revise()
		if err != nil {
			return err
		}
		return fn(t, n)
	})
}

// revise returns the number of a change of keys, tenants or revocations. Whoever
// else wants one waits for the end of the transaction.
func (t tx) revise() (n int64, err error) {
	if err := t.one(`UPDATE revision SET current = current + 1 WHERE one = 1 RETURNING current`, nil, &n); err != nil {
		return 0, fmt.Errorf("next revision: %w", err)
	}
	return n, nil
}

// judge notes an error after which this process may not report anything as durable.
func (d *DB) judge(err error) error {
	if syncFailed(err) {
		d.broken.Store(true)
		return errors.Join(ErrBroken, err)
	}
	return err
}

// ignoreDone drops the error of rolling back what a cancelled context rolled back already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// list reads every row of a query.
func list[T any](ctx context.Context, q querier, scan func(scanner) (*T, error), query string, args ...any) (all []T, err error) {
	err = each(ctx, q, scan, func(one *T) { all = append(all, *one) }, query, args...)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// each calls do with every row of a query.
func each[T any](ctx context.Context, q querier, scan func(scanner) (*T, error), do func(*T), query string, args ...any) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return err
		}
		do(one)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

// micros is a time as it is stored; the zero time is null.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// moment is a stored time.
func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}
