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

// Backup writes a consistent copy of the database to a new file, mode 0600,
// while the server runs. When it returns nil the copy was checked and is on
// disk. It returns ErrExists when the file is there, ErrPostgres on PostgreSQL.
func (d *DB) Backup(ctx context.Context, to string) error {
	if d.path == "" {
		return fmt.Errorf("backup: %w", ErrPostgres)
	}
	// The file is made before SQLite fills it: with our mode, and only if nobody has it.
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("backup to %s: %w", to, ErrExists)
	case err != nil:
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), os.Remove(to))
	}
	if err := d.copyTo(ctx, to); err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), os.Remove(to))
	}
	return nil
}

// copyTo fills an empty file with the database as it is now.
func (d *DB) copyTo(ctx context.Context, to string) error {
	if _, err := d.write.ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := syncFile(to); err != nil {
		return err
	}
	return fit(ctx, to)
}

// fit returns ErrCorrupt, ErrForeign or ErrNewer unless the file is a sound
// Gatehouse database that this program can open.
func fit(ctx context.Context, path string) (err error) {
	// immutable: nobody else has the file, so no lock, log or journal is made beside it.
	db, err := sql.Open("sqlite", dsn(path, "_query_only=1", "immutable=1"))
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := check(ctx, db); err != nil {
		return err
	}
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema
		WHERE type = 'table' AND name IN ('goose_db_version', 'revision', 'tenant', 'api_key', 'key_use', 'secret')`).
		Scan(&tables); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if tables != 6 {
		return ErrForeign
	}
	var version, known int64
	if err := db.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&version); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if known, err = knownSchema(); err != nil {
		return err
	}
	if version > known {
		return fmt.Errorf("%w: schema %d, this program knows %d", ErrNewer, version, known)
	}
	return nil
}

// syncFile makes a file and its name durable.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
}
