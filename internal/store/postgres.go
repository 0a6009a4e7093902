package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres connects to a server. Its one pool serves readers and writers.
func (d *DB) openPostgres(ctx context.Context, dsn string) error {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("connection string: %w", err) // pgx blots out the password
	}
	d.write = d.pool(c)
	d.read = d.write
	var durable string
	if err := d.write.QueryRowContext(ctx, `SHOW synchronous_commit`).Scan(&durable); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if durable != "off" {
		return nil
	}
	// A revocation that was reported must survive the server's crash; this
	// database was told not to care, so every session of ours says otherwise.
	if err := d.write.Close(); err != nil {
		return fmt.Errorf("reconnect: %w", err)
	}
	c.RuntimeParams["synchronous_commit"] = "on"
	d.write = d.pool(c)
	d.read = d.write
	return nil
}

func (d *DB) pool(c *pgx.ConnConfig) *sql.DB {
	p := stdlib.OpenDB(*c)
	p.SetMaxOpenConns(16)
	p.SetMaxIdleConns(16)
	p.SetConnMaxIdleTime(5 * time.Minute)
	return p
}
