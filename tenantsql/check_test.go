package tenantsql_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/tenantsql"
)

const policy = ` USING (tenant = NULLIF(current_setting('app.tenant', true), ''))`

// TestCheck opens the door in every way that is known, and wants each to be told.
func TestCheck(t *testing.T) {
	connect, _ := postgres(t)
	doors(t, connect("root", false))
	for _, tt := range checks {
		err := tenantsql.Check(t.Context(), connect(tt.role, true), tt.table)
		switch {
		case strings.Contains(tt.table, ";"):
			if err == nil {
				t.Errorf("%s: want an error", tt.table)
			}
		case tt.want == "" && err != nil:
			t.Errorf("%s on %s: %v", tt.role, tt.table, err)
		case tt.want != "" && (!errors.Is(err, tenantsql.ErrOpen) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s on %s: got %v, want %s", tt.role, tt.table, err, tt.want)
		}
	}
	if err := tenantsql.Check(t.Context(), connect("app", true)); err == nil {
		t.Error("want an error of no tables")
	}
	err := tenantsql.Check(t.Context(), connect("app", true), "good", "without", "wide")
	if err == nil || !strings.Contains(err.Error(), `"without"`) || !strings.Contains(err.Error(), `"wide"`) {
		t.Errorf("got %v, want all that is found", err)
	}
	// Who was SET ROLE to is not who may go on: the session's own role counts.
	db := connect("root", true)
	apply(t, db, `SET ROLE app`)
	if err := tenantsql.Check(t.Context(), db, "good"); !errors.Is(err, tenantsql.ErrOpen) {
		t.Errorf("got %v for a superuser that has put on another role", err)
	}
}

// checks are what to find of a table for a role.
var checks = []struct {
	role, table string
	want        string // in the error; empty: it holds
}{
	{"app", "good", ""},
	{"app", "forced", ""},
	{"app", "nopolicy", ""},
	{"app", "restricted", ""},
	{"app", "public.good", ""},
	{"app", "parted", ""}, // the partition cannot be asked for
	{"owner", "forced", ""},
	{"owner", "good", `FORCE ROW LEVEL SECURITY`},
	{"root", "good", `the role "root" is a superuser`},
	{"root", "forced", `the role "root" is a superuser`},
	{"bypass", "good", `the role "bypass" has BYPASSRLS`},
	{"member", "good", `the role "bypass" has BYPASSRLS, and the connection may become it`},
	{"chief", "good", `the role "root" is a superuser, and the connection may become it`},
	{"app", "without", `the table "without" has no row-level security`},
	{"app", "emptied", `the table "emptied" may be emptied`},
	{"app", "wide", `the table "wide" has the policy support`},
	{"app", "widewrite", `the table "widewrite" has the policy w`},
	{"app", "widecheck", `the table "widecheck" has the policy tenant`},
	{"app", "seen", `the table "seen" is no table`},
	{"app", "parted2", `the table "part2" has no row-level security`},
	{"app", "nowhere", `there is no table "nowhere"`},
	{"app", "good; DROP TABLE good", ``},
}

// doors makes roles and tables, some of them open.
func doors(t *testing.T, root *sql.DB) {
	t.Helper()
	apply(t, root,
		`CREATE ROLE owner LOGIN`, `CREATE ROLE app LOGIN`, `CREATE ROLE bypass LOGIN BYPASSRLS`, `CREATE ROLE member LOGIN`, `CREATE ROLE chief LOGIN NOINHERIT`,
		`GRANT bypass TO member`, `GRANT root TO chief`, `GRANT ALL ON SCHEMA public TO owner`)
	table := func(name string, more ...string) {
		t.Helper()
		apply(t, root, append([]string{`CREATE TABLE ` + name + ` (tenant text, body text)`, `ALTER TABLE ` + name + ` OWNER TO owner`,
			`GRANT SELECT, INSERT, UPDATE, DELETE ON ` + name + ` TO app, bypass, member, chief`}, more...)...)
	}
	closed := func(name string) []string {
		return []string{`ALTER TABLE ` + name + ` ENABLE ROW LEVEL SECURITY`, `CREATE POLICY tenant ON ` + name + policy}
	}
	table("good", closed("good")...)
	table("forced", append(closed("forced"), `ALTER TABLE forced FORCE ROW LEVEL SECURITY`)...)
	table("without")
	table("nopolicy", `ALTER TABLE nopolicy ENABLE ROW LEVEL SECURITY`) // shows nobody anything
	table("emptied", append(closed("emptied"), `GRANT TRUNCATE ON emptied TO app`)...)
	table("wide", append(closed("wide"), `CREATE POLICY support ON wide USING (true)`)...)
	table("widewrite", append(closed("widewrite"), `CREATE POLICY w ON widewrite FOR INSERT WITH CHECK (true)`)...)
	table("widecheck", `ALTER TABLE widecheck ENABLE ROW LEVEL SECURITY`, `CREATE POLICY tenant ON widecheck`+policy+` WITH CHECK (true)`)
	table("restricted", append(closed("restricted"), `CREATE POLICY r ON restricted AS RESTRICTIVE USING (body <> '')`)...)
	apply(t, root, `CREATE VIEW seen AS SELECT * FROM good`, `GRANT SELECT ON seen TO app`,
		`CREATE TABLE parted (tenant text, body text) PARTITION BY LIST (tenant)`, `CREATE TABLE part PARTITION OF parted DEFAULT`,
		`GRANT SELECT ON parted TO app`)
	apply(t, root, closed("parted")...)
	apply(t, root, `CREATE TABLE parted2 (tenant text, body text) PARTITION BY LIST (tenant)`, `CREATE TABLE part2 PARTITION OF parted2 DEFAULT`,
		`GRANT SELECT ON parted2, part2 TO app`)
	apply(t, root, closed("parted2")...)
}
