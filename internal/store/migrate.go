package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies the migrations that are missing, each in a transaction.
//
// A database one version ahead is let pass: during a rolling upgrade the old
// program runs for a while beside the new one, and a migration must leave it working.
func (d *DB) migrate(ctx context.Context) error {
	p, err := d.provider()
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read the schema's version: %w", err)
	case current > target+1:
		return fmt.Errorf("%w: schema %d, this program knows %d", ErrNewer, current, target)
	case current == target+1:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema from %d to %d: %w", current, target, err)
	}
	return nil
}

// knownSchema returns the version of the newest migration of this program.
func knownSchema() (version int64, err error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	return goose.NumericComponent(files[len(files)-1].Name()) // ReadDir sorts
}

func (d *DB) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.path == "" {
		// Replicas that start together migrate one after the other.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, fmt.Errorf("migration lock: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.write, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// Status is what a database says of itself.
type Status struct {
	Engine   string // "sqlite" or "postgres"
	Path     string // of the SQLite file; empty: PostgreSQL
	Size     int64  // bytes on disk, the write-ahead log included
	Schema   int64  // version of the schema
	Pending  int    // migrations not yet applied
	Revision int64  // changes of keys and tenants so far
	Tenants  int64  // that are not deleted
	Keys     int64  // that are not revoked
	At       time.Time
}

// Status reads the database's own figures.
func (d *DB) Status(ctx context.Context) (*Status, error) {
	s := &Status{Engine: "sqlite", Path: d.path, At: d.now().UTC()}
	p, err := d.provider()
	if err != nil {
		return nil, err
	}
	list, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	for _, m := range list {
		if m.State == goose.StatePending {
			s.Pending++
		}
	}
	if s.Schema, err = p.GetDBVersion(ctx); err != nil {
		return nil, fmt.Errorf("schema version: %w", err)
	}
	size := `SELECT 0`
	if d.path == "" {
		s.Engine, size = "postgres", `SELECT pg_database_size(current_database())`
	}
	for _, q := range []struct {
		sql  string
		dest *int64
	}{
		{size, &s.Size},
		{`SELECT current FROM revision WHERE one = 1`, &s.Revision},
		{`SELECT count(*) FROM tenant WHERE state <> 'deleted'`, &s.Tenants},
		{`SELECT count(*) FROM api_key WHERE revoked_at IS NULL`, &s.Keys},
	} {
		if err := d.read.QueryRowContext(ctx, q.sql).Scan(q.dest); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
	}
	if d.path != "" {
		s.Size = sizeOf(d.path)
	}
	return s, nil
}
