package store

import (
	"context"
	"database/sql"
	"sync"
)

// prepared are the statements that are asked all the time. To read one takes
// SQLite longer than to run it; PostgreSQL's driver remembers them by itself.
type prepared struct{ statements sync.Map } // text → *sql.Stmt

// row is QueryRowContext for a query whose text never changes.
func (d *DB) row(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := d.statement(ctx, query) //nolint:sqlclosecheck // it is closed with the pool
	if stmt == nil || err != nil {
		return d.read.QueryRowContext(ctx, query, args...) // it says the same, to whoever reads the row
	}
	return stmt.QueryRowContext(ctx, args...)
}

// statement returns a query prepared; nil: it does not need that.
func (d *DB) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if d.path == "" {
		return nil, nil //nolint:nilnil // as it says
	}
	known, ok := d.asked.statements.Load(query)
	if !ok {
		stmt, err := d.read.PrepareContext(ctx, query) // it is closed with the pool
		if err != nil {
			return nil, err
		}
		if known, ok = d.asked.statements.LoadOrStore(query, stmt); ok {
			_ = stmt.Close() //nolint:sqlclosecheck // somebody was faster: not for later
		}
	}
	return known.(*sql.Stmt), nil //nolint:forcetypeassert // nothing else is in there
}

// often is a querier for queries whose text never changes.
type often struct{ *DB }

// QueryContext implements querier.
func (o often) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := o.statement(ctx, query) //nolint:sqlclosecheck // it is closed with the pool
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return o.read.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}
