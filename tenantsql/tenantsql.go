// Package tenantsql runs queries on PostgreSQL for one tenant at a time: each
// transaction is told whose it is, and row-level security holds it to that.
// docs/how-to/tenants-in-your-server.md has the policies.
//
// What protects is the database, not this package: [Check] says at start whether
// it does. A transaction can be told another tenant by SQL that an attacker gets
// to write in it, since PostgreSQL lets every role set the setting. Keep what
// callers say in parameters; where they write SQL themselves, give each tenant
// a role of its own instead.
package tenantsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse"
)

// Setting is the setting that names the tenant. Policies compare with
//
//	NULLIF(current_setting('app.tenant', true), '')
//
// which is null, and equal to nothing, in every transaction that was not begun
// here: the setting is empty, not gone, once a connection has had one.
const Setting = "app.tenant"

// ErrTenant says that a text cannot be a tenant's name.
var ErrTenant = errors.New("no name of a tenant")

const maxName = 256 // bytes

// Begin begins transactions: *sql.DB and *sql.Conn.
type Begin interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// InTx runs do in a transaction of a tenant, and commits it if do returns nil.
// Else, and when do panics, it is rolled back. The setting ends with the
// transaction, so the connection can be used by anybody afterwards. do is not to
// commit or roll back itself, and not to keep tx.
//
// An error wraps [ErrTenant] when the tenant is empty or cannot be a name, that
// of do, or that of the database.
func InTx(ctx context.Context, db Begin, tenant string, do func(tx *sql.Tx) error) (err error) {
	switch {
	case tenant == "":
		return fmt.Errorf("%w: it is empty", ErrTenant)
	case len(tenant) > maxName || !utf8.ValidString(tenant) || strings.ContainsRune(tenant, 0):
		return fmt.Errorf("%w: %.64q", ErrTenant, tenant)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // do returned an error, panicked or left by Goexit
			err = errors.Join(err, rolledBack(tx.Rollback()))
		}
	}()
	var got string
	if err := tx.QueryRowContext(ctx, `SELECT set_config('`+Setting+`', $1, true)`, tenant).Scan(&got); err != nil {
		return fmt.Errorf("name the tenant: %w", err)
	}
	if got != tenant {
		return fmt.Errorf("name the tenant: the database has understood %q", got)
	}
	if err := do(tx); err != nil {
		return err
	}
	done = true
	return tx.Commit()
}

// rolledBack forgives that there is nothing left to roll back.
func rolledBack(err error) error {
	if errors.Is(err, sql.ErrTxDone) { // the context has ended it
		return nil
	}
	return err
}

// For is [InTx] for the tenant of the caller in ctx. Its error is a
// *gatehouse.Error when nobody is there (GH-1001), or they are of no tenant
// (GH-1206). Where several issuers may use one name for two tenants, make a name
// of both and call InTx.
func For(ctx context.Context, db Begin, do func(tx *sql.Tx) error) error {
	id, ok := gatehouse.FromContext(ctx)
	if !ok {
		return &gatehouse.Error{Code: "GH-1001", Status: http.StatusUnauthorized, Description: "No credentials.", Challenge: &gatehouse.Challenge{}}
	}
	if id.Tenant == "" {
		return &gatehouse.Error{Code: "GH-1206", Status: http.StatusForbidden, Description: "The credential names no tenant."}
	}
	return InTx(ctx, db, id.Tenant, do)
}
