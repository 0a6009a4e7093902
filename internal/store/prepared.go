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
	if d.path == "" {
		return d.read.QueryRowContext(ctx, query, args...)
	}
	known, ok := d.asked.statements.Load(query)
	if !ok {
		stmt, err := d.read.PrepareContext(ctx, query) // it is closed with the pool
		if err != nil {
			return d.read.QueryRowContext(ctx, query, args...) // it says the same, to whoever reads the row
		}
		if known, ok = d.asked.statements.LoadOrStore(query, stmt); ok {
			_ = stmt.Close() // somebody was faster
		}
	}
	return known.(*sql.Stmt).QueryRowContext(ctx, args...) //nolint:forcetypeassert // nothing else is in there
}
