package tenantsql_test

import (
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// postgres starts a server of the test's own, on a Unix socket only, which the
// test's end stops. Without PostgreSQL the test is skipped, and fails where
// everything has to run. connect connects as a role, on at most one connection if one.
func postgres(t *testing.T) (connect func(role string, one bool) *sql.DB, dsn func(role string) string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	bin := filepath.Dir(found[len(found)-1])
	// Not t.TempDir: a socket's path may have 107 bytes only, and the account
	// that runs the server has to reach it.
	dir, err := os.MkdirTemp("", "gatehouse-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who := account(t, dir)
	data := filepath.Join(dir, "data")
	run(t, who, filepath.Join(bin, "initdb"), "-D", data, "-U", "root", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	control := func(args ...string) {
		run(t, who, filepath.Join(bin, "pg_ctl"), append([]string{"-D", data, "-w", "-m", "immediate", "-l", filepath.Join(dir, "log"),
			"-o", "-c listen_addresses='' -c unix_socket_directories=" + dir + " -c fsync=off -c max_connections=50"}, args...)...)
	}
	control("start")
	t.Cleanup(func() { control("stop") })
	dsn = func(role string) string {
		return (&url.URL{Scheme: "postgres", User: url.User(role), Path: "/postgres", RawQuery: url.Values{"host": {dir}, "sslmode": {"disable"}}.Encode()}).String()
	}
	return func(role string, one bool) *sql.DB {
		t.Helper()
		db, err := sql.Open("pgx", dsn(role))
		if err != nil {
			t.Fatal(err)
		}
		if one {
			db.SetMaxOpenConns(1)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}, dsn
}

// account gives dir to the account that runs the server: PostgreSQL refuses root.
func account(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u = &user.User{Uid: "65534", Gid: "65534"}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil || os.Chown(dir, uid, gid) != nil {
		t.Fatalf("give %s to %+v", dir, u)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// run runs a program to its end. Its output goes to a file: a server that it
// starts would keep a pipe open.
func run(t *testing.T, who *syscall.SysProcAttr, name string, args ...string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // only for a message
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Stdout, cmd.Stderr, cmd.Dir = who, out, out, "/"
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, text)
	}
}

func apply(t *testing.T, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}
