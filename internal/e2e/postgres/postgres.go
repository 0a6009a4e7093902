// Package postgres runs a PostgreSQL server of a test's own, with as many
// databases as it wants.
package postgres

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// Server is a PostgreSQL server that listens on a Unix socket only, and waits
// for the disk as one in production does.
type Server struct {
	bin, dir string // of its programs; of its data and its socket
	who      *syscall.SysProcAttr
	admin    *sql.DB
	made     atomic.Int64 // databases
}

// Start starts a server that the test's end stops. Without PostgreSQL the test
// is skipped, and fails where everything has to run.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{bin: programs()}
	if s.bin == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed")
		}
		t.Skip("PostgreSQL is not installed")
	}
	// Not t.TempDir: a socket's path may have 107 bytes only, and the account
	// that runs the server has to reach it.
	var err error
	if s.dir, err = os.MkdirTemp("", "gatehouse-pg-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	s.who = account(t, s.dir)
	s.run(t, "initdb", "-D", s.data(), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	s.Control(t, "start")
	t.Cleanup(func() { s.Control(t, "stop") })
	if s.admin, err = sql.Open("pgx", s.dsn("postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.admin.Close() })
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Control calls pg_ctl: start, stop or restart. A server that stops saves nothing.
func (s *Server) Control(t testing.TB, args ...string) {
	t.Helper()
	s.run(t, "pg_ctl", append([]string{"-D", s.data(), "-w", "-m", "immediate", "-l", filepath.Join(s.dir, "log"),
		"-o", "-c listen_addresses='' -c unix_socket_directories=" + s.dir + " -c fsync=on -c max_connections=100"}, args...)...)
}

// Database makes an empty database and returns its connection string.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", s.made.Add(1))
	s.Exec(t, `CREATE DATABASE `+name)
	return s.dsn(name)
}

// Exec runs a statement as the server's owner.
func (s *Server) Exec(t testing.TB, query string) {
	t.Helper()
	if _, err := s.admin.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// Socket is the path at which the server listens.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

func (s *Server) dsn(name string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("tester"), Path: "/" + name, RawQuery: url.Values{
		"host": {s.dir}, "sslmode": {"disable"},
	}.Encode()}).String()
}

// programs returns the directory of the server's programs, or nothing.
func programs() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p)
	}
	return ""
}

// account gives dir to the account that runs the server: PostgreSQL refuses root.
func account(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u = &user.User{Uid: "65534", Gid: "65534"}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil || os.Chown(dir, int(uid), int(gid)) != nil {
		t.Fatalf("give %s to %+v", dir, u)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// run runs one of the programs to its end. Its output goes to a file: a server
// that it starts would keep a pipe open.
func (s *Server) run(t testing.TB, name string, args ...string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(filepath.Join(s.bin, name), args...) //nolint:gosec // programs of PostgreSQL
	cmd.SysProcAttr, cmd.Stdout, cmd.Stderr, cmd.Dir = s.who, out, out, "/"
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
}
