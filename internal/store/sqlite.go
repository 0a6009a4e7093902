package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is how many reads SQLite serves at once; more only queue for the processor.
const readers = 8

// openSQLite opens the file at d.path after making sure that it can be trusted.
func (d *DB) openSQLite(ctx context.Context) error {
	path, err := filepath.Abs(d.path)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	d.path = path
	if err := claim(path); err != nil {
		return err
	}
	// FULL: in write-ahead logging NORMAL may lose commits when the power fails,
	// and a revocation that was reported would be undone.
	if d.write, err = sql.Open("sqlite", dsn(path,
		"_txlock=immediate", "_synchronous=FULL", "_journal_mode=WAL")); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	d.write.SetMaxOpenConns(1)
	if err := check(ctx, d.write); err != nil {
		return err
	}
	if d.read, err = sql.Open("sqlite", dsn(path, "_query_only=1")); err != nil {
		return fmt.Errorf("open for reading: %w", err)
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	d.read.SetConnMaxIdleTime(5 * time.Minute)
	return nil
}

// dsn names a SQLite file, with what every connection has and what this one adds.
func dsn(path string, more ...string) string {
	all := append([]string{"_busy_timeout=5000", "_foreign_keys=1", "_dqs=0", "_defensive=1", "mode=rw"}, more...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(all, "&")
}

// check has SQLite look through the file: a damaged index could make a revoked
// key look as if it had never been revoked.
func check(ctx context.Context, db *sql.DB) error {
	var verdict string
	err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict)
	switch {
	case sqliteCode(err) == sqlite3.SQLITE_CORRUPT, sqliteCode(err) == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return fmt.Errorf("check the file: %w", err)
	case verdict != "ok":
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	return nil
}

// coded is SQLite's error: the lowest byte of its code is the kind.
type coded interface {
	error
	Code() int
}

// sqliteCode returns the kind of SQLite's error in err, or zero.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[coded](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// syncFailed reports whether err means that data may not have reached the disk
// although a later attempt could claim so.
func syncFailed(err error) bool {
	e, ok := errors.AsType[coded](err)
	return ok && (e.Code() == sqlite3.SQLITE_IOERR_FSYNC || e.Code() == sqlite3.SQLITE_IOERR_DIR_FSYNC)
}
