package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Inspection is what can be seen of a database without opening it for writing.
type Inspection struct {
	Schema  int64 // its version
	Known   int64 // the newest that this program has
	Size    int64 // bytes on disk, the write-ahead log included
	Tenants int64 // that are not deleted
	Keys    int64 // that are not revoked
}

// Inspect looks through a SQLite database that a server may be using. No row is
// changed, and nothing is migrated. It returns fs.ErrNotExist, wrapped, when there
// is none, and ErrPermissions, ErrFileSystem, ErrCorrupt or ErrForeign when it is
// not fit to be trusted.
func Inspect(ctx context.Context, path string) (_ *Inspection, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if err := errors.Join(private(path, 0), private(filepath.Dir(path), fs.ModeDir)); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if err := lockable(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	how := []string{"_query_only=1"}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		how = append(how, "immutable=1") // nobody has it open: nothing is made beside it
	}
	db, err := sql.Open("sqlite", dsn(path, how...))
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := check(ctx, db); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	out := &Inspection{Size: sizeOf(path)}
	if out.Known, err = knownSchema(); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	for _, q := range []struct {
		sql  string
		dest *int64
	}{
		{`SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`, &out.Schema},
		{`SELECT count(*) FROM tenant WHERE state <> 'deleted'`, &out.Tenants},
		{`SELECT count(*) FROM api_key WHERE revoked_at IS NULL`, &out.Keys},
	} {
		if err := db.QueryRowContext(ctx, q.sql).Scan(q.dest); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("inspect: %w: %w", ErrForeign, err)
		}
	}
	return out, nil
}
