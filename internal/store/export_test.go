package store

import (
	"context"
	"database/sql"
)

// QueryForTest asks the writing connection.
func (d *DB) QueryForTest(ctx context.Context, query string) *sql.Row {
	return d.write.QueryRowContext(ctx, query)
}

// BreakForTest has the store judge an error of its disk.
func (d *DB) BreakForTest(err error) error { return d.judge(err) }
