package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// together runs single statements that write. Those that come while SQLite waits
// for the disk share the next transaction, and so its fsync: with many at once
// the disk is asked a few times, not once for each. Nobody is made to wait for
// company. PostgreSQL does the same by itself.
type together struct {
	mu         sync.Mutex
	waiting    []*deed
	running    bool
	statements sync.Map // text → *sql.Stmt
}

// deed is one statement that stands or falls by itself.
type deed struct {
	query string
	args  []any
	scan  func(scanner) error // reads the one row that it returns; nil: rows are counted
	rows  int64
	err   error
	done  chan struct{}
}

const (
	togetherMost = 256              // statements in one transaction
	togetherWait = 10 * time.Second // for a transaction; then it is rolled back
)

// alone runs a statement whose effect is on disk when it returns nil. It may be
// one of several in a transaction, but what becomes of it does not depend on
// them: a statement that breaks a rule is undone alone. With scan it reads the
// one row that the statement returns; sql.ErrNoRows if there is none.
//
// When ctx ends it is not known what became of it.
func (d *DB) alone(ctx context.Context, query string, args []any, scan func(scanner) error) (rows int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if d.broken.Load() {
		return 0, ErrBroken
	}
	one := &deed{query: query, args: args, scan: scan, done: make(chan struct{})}
	if d.path == "" {
		if err := one.run(ctx, d.write.QueryRowContext, d.write.ExecContext); err != nil {
			return 0, err
		}
		return one.rows, nil
	}
	w := &d.batches
	w.mu.Lock()
	w.waiting = append(w.waiting, one)
	if !w.running {
		w.running = true
		go d.drain()
	}
	w.mu.Unlock()
	<-one.done
	return one.rows, one.err
}

// drain does what waits until nothing does.
func (d *DB) drain() {
	w := &d.batches
	for {
		w.mu.Lock()
		n := min(len(w.waiting), togetherMost)
		now := w.waiting[:n:n]
		w.waiting = w.waiting[n:]
		if n == 0 {
			w.waiting, w.running = nil, false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if err := d.commit(now); err != nil {
			for _, one := range now {
				one.rows, one.err = 0, err // also of those that looked well
			}
		}
		for _, one := range now {
			close(one.done)
		}
	}
}

// commit runs statements in one transaction. Its error is that of all of them.
func (d *DB) commit(all []*deed) error {
	ctx, cancel := context.WithTimeout(context.Background(), togetherWait) // whoever asked may leave: others are on board
	defer cancel()
	for _, one := range all { // before the transaction: it has the only connection
		if err := d.prepareOnce(ctx, one.query); err != nil {
			return d.judge(fmt.Errorf("prepare: %w", err))
		}
	}
	t, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, one := range all {
		kept, _ := d.batches.statements.Load(one.query)
		stmt := t.StmtContext(ctx, kept.(*sql.Stmt)) //nolint:forcetypeassert // nothing else is in there
		one.err = one.run(ctx, func(ctx context.Context, _ string, args ...any) *sql.Row {
			return stmt.QueryRowContext(ctx, args...)
		}, func(ctx context.Context, _ string, args ...any) (sql.Result, error) {
			return stmt.ExecContext(ctx, args...)
		})
		// A statement that breaks a rule was undone by itself. After anything else
		// nobody knows what is left of the transaction.
		if one.err != nil && !errors.Is(one.err, sql.ErrNoRows) && sqliteCode(one.err) != sqlite3.SQLITE_CONSTRAINT {
			return d.judge(errors.Join(one.err, ignoreDone(t.Rollback())))
		}
	}
	if err := t.Commit(); err != nil {
		return d.judge(errors.Join(fmt.Errorf("commit: %w", err), ignoreDone(t.Rollback())))
	}
	return nil
}

func (d *DB) prepareOnce(ctx context.Context, query string) error {
	if _, ok := d.batches.statements.Load(query); ok {
		return nil
	}
	stmt, err := d.write.PrepareContext(ctx, query) // it is closed with the pool
	if err != nil {
		return err
	}
	d.batches.statements.Store(query, stmt)
	return nil
}

func (o *deed) run(ctx context.Context, row func(context.Context, string, ...any) *sql.Row, exec func(context.Context, string, ...any) (sql.Result, error)) error {
	if o.scan != nil {
		return o.scan(row(ctx, o.query, o.args...))
	}
	r, err := exec(ctx, o.query, o.args...)
	if err != nil {
		return err
	}
	o.rows, err = r.RowsAffected()
	return err
}
