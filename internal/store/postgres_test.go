package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	c := startCluster(t)
	storetest.Run(t, func(t *testing.T) *store.DB { return c.open(t, c.database(t)) })
}

// Replicas that start together on an empty database make one schema and one default tenant.
func TestPostgresReplicasStartTogether(t *testing.T) {
	c := startCluster(t)
	dsn := c.database(t)
	errs := make(chan error)
	const replicas = 4
	for range replicas {
		go func() {
			d, err := store.Open(context.Background(), store.Config{Postgres: dsn})
			if err == nil {
				err = d.Close()
			}
			errs <- err
		}()
	}
	for range replicas {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	d := c.open(t, dsn)
	all, err := d.Tenants().List(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("got tenants %v, %v, want the default one only", all, err)
	}
	st, err := d.Status(t.Context())
	if err != nil || st.Engine != "postgres" || st.Pending != 0 || st.Size == 0 || st.Tenants != 1 {
		t.Errorf("got status %+v, %v", st, err)
	}
}

// A database that was told to lose commits is told otherwise by our sessions.
func TestA207PostgresCommitsAreDurable(t *testing.T) {
	c := startCluster(t)
	dsn := c.database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.exec(t, `ALTER DATABASE `+strings.TrimPrefix(u.Path, "/")+` SET synchronous_commit = off`)
	d := c.open(t, dsn)
	var got string
	if err := d.QueryForTest(t.Context(), `SHOW synchronous_commit`).Scan(&got); err != nil || got != "on" {
		t.Errorf("got %q, %v, want on", got, err)
	}
}

func TestA206AcknowledgedRevocationSurvivesServerCrash(t *testing.T) {
	c := startCluster(t)
	dsn := c.database(t)
	for range 3 {
		d := c.open(t, dsn)
		k, _ := create(t, d)
		s, def := service(t, d)
		if _, err := s.Revoke(t.Context(), def, k.ID, "", ""); err != nil {
			t.Fatal(err)
		}
		c.control(t, "restart")
		again := c.open(t, dsn)
		if now, err := again.Keys().Get(t.Context(), def, k.ID); err != nil || now.RevokedAt.IsZero() {
			t.Errorf("got %+v, %v, want it revoked", now, err)
		}
	}
}

// cluster is a PostgreSQL server of the test's own, on a Unix socket only.
type cluster struct {
	socket string
	admin  *sql.DB
	made   atomic.Int64 // databases

	control func(t *testing.T, args ...string) // pg_ctl; it stops without saving anything
}

// open opens a database that the test's end closes.
func (c *cluster) open(t *testing.T, dsn string) *store.DB {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{Postgres: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// database makes an empty database and returns its connection string.
func (c *cluster) database(t *testing.T) string {
	t.Helper()
	name := fmt.Sprint("test", c.made.Add(1))
	c.exec(t, `CREATE DATABASE `+name)
	return c.dsn(name)
}

func (c *cluster) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := c.admin.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) dsn(name string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("tester"), Path: "/" + name, RawQuery: url.Values{
		"host": {c.socket}, "sslmode": {"disable"},
	}.Encode()}).String()
}

// startCluster starts a server that the test's end stops. Without PostgreSQL
// the test is skipped, and fails where everything has to run.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	bin := postgresBin()
	if bin == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	// Not t.TempDir: a socket's path may have 107 bytes only, and the account
	// that runs the server has to reach it.
	dir, err := os.MkdirTemp("", "gatehouse-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	who := server(t, dir)
	data := filepath.Join(dir, "data")
	run(t, who, filepath.Join(bin, "initdb"), "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	c := &cluster{socket: dir, control: func(t *testing.T, args ...string) {
		t.Helper()
		run(t, who, filepath.Join(bin, "pg_ctl"), append([]string{"-D", data, "-w", "-m", "immediate", "-l", filepath.Join(dir, "log"),
			"-o", "-c listen_addresses='' -c unix_socket_directories=" + dir + " -c fsync=on -c max_connections=100"}, args...)...)
	}}
	c.control(t, "start")
	t.Cleanup(func() { c.control(t, "stop") })
	if c.admin, err = sql.Open("pgx", c.dsn("postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.admin.Close() })
	return c
}

// postgresBin returns the directory of the server's programs, or nothing.
func postgresBin() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p)
	}
	return ""
}

// server gives dir to the account that runs the server: PostgreSQL refuses root.
func server(t *testing.T, dir string) *syscall.SysProcAttr {
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
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Stdout, cmd.Stderr, cmd.Dir = who, out, out, "/"
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, text)
	}
}
