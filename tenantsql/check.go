package tenantsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrOpen says that row-level security does not hold the connected role.
var ErrOpen = errors.New("row-level security does not hold")

// Query asks a database: *sql.DB, *sql.Conn and *sql.Tx.
type Query interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Each row of these queries tells why a table would be open; $1 is its name. Whom
// a role may become counts as the role: SQL can say SET ROLE.
const roles = `
	SELECT CASE WHEN r.rolsuper THEN 'is a superuser' ELSE 'has BYPASSRLS' END
	       || CASE WHEN r.rolname = session_user THEN '' ELSE ', and the connection may become it' END, r.rolname
	FROM pg_roles r
	WHERE (r.rolsuper OR r.rolbypassrls)
	  AND (r.rolname IN (current_user, session_user) OR pg_has_role(session_user, r.oid, 'MEMBER'))`

// A table and all of its partitions: whoever asks for a partition by its name is
// held by the partition's policies, not by the table's.
const relations = `
	WITH RECURSIVE relation(oid) AS (
	    SELECT to_regclass($1)::oid
	    UNION SELECT i.inhrelid FROM pg_inherits i JOIN relation ON i.inhparent = relation.oid
	), reached AS (
	    SELECT c.*, c.oid = to_regclass($1)::oid AS named FROM pg_class c JOIN relation ON c.oid = relation.oid
	    WHERE c.oid = to_regclass($1)::oid
	       OR has_table_privilege(session_user, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
	       OR has_any_column_privilege(session_user, c.oid, 'SELECT, INSERT, UPDATE')
	)`

var tables = []string{
	relations + `SELECT 'is no table but a view or the like: the tables behind it would be asked for its owner', relname FROM reached WHERE relkind NOT IN ('r', 'p')`,
	relations + `SELECT 'has no row-level security: ALTER TABLE … ENABLE ROW LEVEL SECURITY', relname FROM reached WHERE relkind IN ('r', 'p') AND NOT relrowsecurity`,
	relations + `SELECT 'belongs to the connection''s role, which is not held: ALTER TABLE … FORCE ROW LEVEL SECURITY, or better another owner', relname
	              FROM reached WHERE pg_has_role(session_user, relowner, 'MEMBER') AND NOT relforcerowsecurity`,
	relations + `SELECT 'may be emptied by the connection''s role: REVOKE TRUNCATE', relname
	              FROM reached WHERE has_table_privilege(session_user, reached.oid, 'TRUNCATE') AND NOT pg_has_role(session_user, relowner, 'MEMBER')`,
	// Permissive policies are joined by OR: the widest decides.
	relations + `SELECT 'has the policy ' || quote_ident(p.polname) || ', which does not ask for app.tenant', relname
	              FROM reached JOIN pg_policy p ON p.polrelid = reached.oid
	              WHERE p.polpermissive AND (
	                  p.polcmd <> 'a' AND coalesce(pg_get_expr(p.polqual, p.polrelid), '') NOT LIKE '%current_setting(''app.tenant''%'
	                  OR p.polcmd IN ('a', 'w', '*') AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid), '')
	                     NOT LIKE '%current_setting(''app.tenant''%')`,
}

// Check says whether row-level security holds what db connects as on each of the
// tables, partitions included: to be asked at start, and to be taken as a reason
// not to. Its error wraps [ErrOpen] and tells all that it found. It looks at the
// policies for whether they ask for the tenant, not at what they make of it.
func Check(ctx context.Context, db Query, names ...string) error {
	if len(names) == 0 {
		return errors.New("tenantsql.Check: name the tables that hold what is the tenants'")
	}
	found, err := ask(ctx, db, "role", roles)
	if err != nil {
		return err
	}
	for _, name := range names {
		there, err := ask(ctx, db, "table", `SELECT 'is there', $1::text WHERE to_regclass($1) IS NOT NULL`, name)
		if err != nil {
			return err
		}
		if len(there) == 0 {
			found = append(found, fmt.Errorf("%w: there is no table %q", ErrOpen, name))
			continue
		}
		for _, query := range tables {
			more, err := ask(ctx, db, "table", query, name)
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
	}
	return errors.Join(found...)
}

// ask makes an error of each row.
func ask(ctx context.Context, db Query, kind, query string, args ...any) (found []error, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("check row-level security: %w", err)
	}
	defer rows.Close() //nolint:errcheck // only read; rows.Err tells
	for rows.Next() {
		var what, name string
		if err := rows.Scan(&what, &name); err != nil {
			return nil, fmt.Errorf("check row-level security: %w", err)
		}
		found = append(found, fmt.Errorf("%w: the %s %q %s", ErrOpen, kind, name, what))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("check row-level security: %w", err)
	}
	return found, nil
}
