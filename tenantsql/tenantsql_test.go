package tenantsql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/tenantsql"
)

// recipe is the SQL of the documentation: what is shown there is what is tested.
func recipe(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/how-to/tenants-in-your-server.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```sql\n")
	text, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("the page has no SQL")
	}
	return text
}

// notes are the notes that a query gets to see.
func notes(t *testing.T, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) []string {
	t.Helper()
	rows, err := q.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	var all []string
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s.String)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

const all = `SELECT body FROM note ORDER BY body`

// TestTenantsOnPostgres tries to get at the notes of another tenant.
func TestTenantsOnPostgres(t *testing.T) {
	connect, _ := postgres(t)
	apply(t, connect("root", false), recipe(t))
	db := connect("app", true) // one connection, which each transaction gets after the other
	if err := tenantsql.Check(t.Context(), db, "note"); err != nil {
		t.Fatal(err)
	}
	write := func(tenant, body string) error {
		return tenantsql.InTx(t.Context(), db, tenant, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO note (tenant, body) VALUES ($1, $2)`, tenant, body)
			return err
		})
	}
	for _, tenant := range []string{"ada", "bob", "it's ''; --", "$1", "null"} {
		if err := write(tenant, "of "+tenant); err != nil {
			t.Fatalf("%s: %v", tenant, err)
		}
	}
	see := func(how, tenant string) {
		t.Helper()
		err := tenantsql.InTx(t.Context(), db, tenant, func(tx *sql.Tx) error {
			if got := notes(t, tx, all); !slices.Equal(got, []string{"of " + tenant}) {
				t.Errorf("%s: %s sees %q", how, tenant, got)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if got := notes(t, db, all); len(got) > 0 {
			t.Errorf("%s: afterwards the connection sees %q", how, got)
		}
	}
	see("at first", "ada")
	see("at first", "it's ''; --")
	t.Run("writing for another", func(t *testing.T) { writing(t, db, see) })
	t.Run("connections used again", func(t *testing.T) { reuse(t, db, see) })
	t.Run("names", func(t *testing.T) { names(t, db) })
	t.Run("prepared", func(t *testing.T) { prepared(t, db, see) })
	t.Run("at once", func(t *testing.T) { atOnce(t, connect("app", false)) })
	t.Run("by the caller", func(t *testing.T) { byCaller(t, db) })
	if err := write("bob", "more"); err != nil {
		t.Error(err)
	}
}

// writing tries to put rows, or move one's own, into another tenant, and to change theirs.
func writing(t *testing.T, db *sql.DB, see func(string, string)) {
	for _, query := range []string{
		`INSERT INTO note (tenant, body) VALUES ('bob', 'of eve')`,
		`INSERT INTO note (tenant, body) SELECT 'bob', body FROM note`,
		`UPDATE note SET tenant = 'bob'`,
		`INSERT INTO note (tenant, body) VALUES ('bob', 'of bob') ON CONFLICT (tenant, body) DO UPDATE SET body = 'of eve'`,
	} {
		err := tenantsql.InTx(t.Context(), db, "ada", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), query)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "row-level security") {
			t.Errorf("%s: got %v", query, err)
		}
	}
	for _, query := range []string{`UPDATE note SET body = 'x' WHERE tenant = 'bob'`, `DELETE FROM note WHERE tenant = 'bob'`, `DELETE FROM note WHERE body LIKE '%bob%'`} {
		err := tenantsql.InTx(t.Context(), db, "ada", func(tx *sql.Tx) error {
			res, err := tx.ExecContext(t.Context(), query)
			if err != nil {
				return err
			}
			if n, _ := res.RowsAffected(); n != 0 {
				t.Errorf("%s: changed %d rows", query, n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, query := range []string{
		`TRUNCATE note`, `SET ROLE root`, `SET ROLE owner`, `SET SESSION AUTHORIZATION root`, `ALTER TABLE note DISABLE ROW LEVEL SECURITY`,
		`ALTER TABLE note NO FORCE ROW LEVEL SECURITY`, `DROP POLICY tenant ON note`, `ALTER ROLE app BYPASSRLS`, `COPY note TO '/tmp/x'`,
		`CREATE POLICY open ON note USING (true)`, `CREATE VIEW v AS SELECT * FROM note`, `SET row_security = off; SELECT * FROM note`,
	} {
		err := tenantsql.InTx(t.Context(), db, "ada", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), query)
			return err
		})
		if err == nil {
			t.Errorf("%s: could", query)
		}
	}
	see("after writing", "bob")
	see("after writing", "ada")
}

// reuse wants nothing of a transaction to be left on its connection, however it ended.
func reuse(t *testing.T, db *sql.DB, see func(string, string)) {
	boom := errors.New("boom")
	if err := tenantsql.InTx(t.Context(), db, "bob", func(*sql.Tx) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	see("after a rollback", "ada")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = tenantsql.InTx(t.Context(), db, "bob", func(*sql.Tx) error { panic("boom") })
	}()
	see("after a panic", "ada")
	left := make(chan struct{})
	go func() {
		defer close(left)
		_ = tenantsql.InTx(context.Background(), db, "bob", func(*sql.Tx) error { runtime.Goexit(); return nil })
	}()
	<-left
	see("after Goexit", "ada")
	ctx, cancel := context.WithCancel(t.Context())
	if err := tenantsql.InTx(ctx, db, "bob", func(tx *sql.Tx) error {
		cancel()
		_, err := tx.ExecContext(ctx, `SELECT 1`)
		return err
	}); err == nil {
		t.Error("want an error of a context that ended")
	}
	see("after a cancelled context", "ada")
	if err := tenantsql.InTx(t.Context(), db, "bob", func(tx *sql.Tx) error { return tx.Commit() }); err == nil {
		t.Error("want an error of who commits by themselves")
	}
	see("after a commit of its own", "ada")
	if err := tenantsql.InTx(t.Context(), db, "ada", func(tx *sql.Tx) error {
		for _, q := range []string{`SAVEPOINT a`, `SELECT set_config('app.tenant', 'bob', true)`, `ROLLBACK TO a`} {
			if _, err := tx.ExecContext(t.Context(), q); err != nil {
				return err
			}
		}
		if got := notes(t, tx, all); !slices.Equal(got, []string{"of ada"}) {
			t.Errorf("after a nested transaction: got %q", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	leftOver(t, db, see)
}

// leftOver wants a setting that somebody has left on the connection to count for
// nothing in a transaction of ours.
func leftOver(t *testing.T, db *sql.DB, see func(string, string)) {
	apply(t, db, `SET app.tenant = 'bob'`)
	if err := tenantsql.InTx(t.Context(), db, "ada", func(tx *sql.Tx) error {
		if got := notes(t, tx, all); !slices.Equal(got, []string{"of ada"}) {
			t.Errorf("with a setting left over: got %q", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	apply(t, db, `RESET app.tenant`)
	see("after RESET", "bob")
}

// names tries to say more than a name.
func names(t *testing.T, db *sql.DB) {
	for _, bad := range []string{"", "a\x00b", "\xff", strings.Repeat("a", 257)} {
		err := tenantsql.InTx(t.Context(), db, bad, func(*sql.Tx) error { t.Error("it was begun"); return nil })
		if !errors.Is(err, tenantsql.ErrTenant) {
			t.Errorf("%q: got %v, want ErrTenant", bad, err)
		}
	}
	for _, odd := range []string{
		"bob'", `bob", true); SELECT set_config('app.tenant', 'bob`, "bob', true), set_config('app.tenant', 'bob", "x' OR '1'='1", "bob ", " bob", "BOB", "bob\t", "bob%", "b_b", "*",
		"bob\u200b", "bób", strings.Repeat("b", 256), "'; DROP TABLE note; --", "${bob}", "NULL", "DEFAULT",
	} {
		if err := tenantsql.InTx(t.Context(), db, odd, func(tx *sql.Tx) error {
			if got := notes(t, tx, all); len(got) > 0 {
				t.Errorf("%q sees %q", odd, got)
			}
			var is string
			if err := tx.QueryRowContext(t.Context(), `SELECT current_setting('app.tenant')`).Scan(&is); err != nil || is != odd {
				t.Errorf("got %q, %v, want %q", is, err, odd)
			}
			return nil
		}); err != nil {
			t.Errorf("%q: %v", odd, err)
		}
	}
}

// prepared wants a statement that was prepared for one tenant to be about the next.
func prepared(t *testing.T, db *sql.DB, see func(string, string)) {
	s, err := db.PrepareContext(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()     //nolint:errcheck // only read
	for n := range 12 { // a plan is kept from the sixth time on
		tenant := []string{"ada", "bob"}[n%2]
		if err := tenantsql.InTx(t.Context(), db, tenant, func(tx *sql.Tx) error {
			var got string
			if err := tx.StmtContext(t.Context(), s).QueryRowContext(t.Context()).Scan(&got); err != nil || got != "of "+tenant { //nolint:sqlclosecheck // it is closed with the transaction
				t.Errorf("%s: got %q, %v", tenant, got, err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	see("after prepared statements", "ada")
}

func atOnce(t *testing.T, db *sql.DB) {
	db.SetMaxOpenConns(4)
	var all sync.WaitGroup
	for n := range 8 {
		tenant := []string{"ada", "bob"}[n%2]
		all.Go(func() {
			for range 50 {
				err := tenantsql.InTx(t.Context(), db, tenant, func(tx *sql.Tx) error {
					var got string
					if err := tx.QueryRowContext(t.Context(), `SELECT string_agg(body, ',') FROM note`).Scan(&got); err != nil || got != "of "+tenant { //nolint:sqlclosecheck // it is closed with the transaction
						return fmt.Errorf("%s sees %q, %w", tenant, got, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func byCaller(t *testing.T, db *sql.DB) {
	ctx := gatehouse.NewContext(t.Context(), &gatehouse.Identity{Subject: "a", Tenant: "bob"})
	if err := tenantsql.For(ctx, db, func(tx *sql.Tx) error {
		if got := notes(t, tx, all); !slices.Equal(got, []string{"of bob"}) {
			t.Errorf("got %q", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for want, ctx := range map[string]context.Context{
		"GH-1001": t.Context(), "GH-1206": gatehouse.NewContext(t.Context(), &gatehouse.Identity{Subject: "a"}),
	} {
		var e *gatehouse.Error
		if err := tenantsql.For(ctx, db, func(*sql.Tx) error { t.Error("it was begun"); return nil }); !errors.As(err, &e) || e.Code != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
