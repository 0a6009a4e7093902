//go:build linux

package process

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forNobody returns a copy of the test binary that every account can run.
func forNobody(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can run a server as somebody else")
		}
		t.Skip("only root can run a server as somebody else")
	}
	dir, err := os.MkdirTemp("", "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	from, err := os.Open(self(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	exe := filepath.Join(dir, "server")
	to, err := os.OpenFile(exe, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close(), os.Chmod(exe, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestUser(t *testing.T) {
	exe := forNobody(t)
	as := func(s *Spec) {
		s.Command, s.User = []string{exe}, "nobody"
		s.Environ = []string{"HOME=/root", "USER=root", "PATH=/bin"}
	}
	r := hear[reported](t, start(t, "report", as).said)
	if r.UID != 65534 || r.GID != 65534 || slices.Contains(r.Groups, "0") {
		t.Errorf("got uid %d, gid %d, groups %v", r.UID, r.GID, r.Groups)
	}
	want := []string{"DOUBLE=report", "HOME=/nonexistent", "LOGNAME=nobody", "PATH=/bin", "USER=nobody"}
	if !slices.Equal(r.Env, want) || r.Dir != "/" {
		t.Errorf("got environment %q in %s", r.Env, r.Dir)
	}
	dir := filepath.Dir(exe)
	r = hear[reported](t, start(t, "report", func(s *Spec) { as(s); s.Dir = dir }).said)
	if r.Dir != dir {
		t.Errorf("got directory %s, want %s", r.Dir, dir)
	}
}

func TestUserRefusals(t *testing.T) {
	exe := forNobody(t)
	private := filepath.Join(filepath.Dir(exe), "private") // beside it, as only a file of the same disk can be linked
	secret := filepath.Join(private, "server")
	if err := errors.Join(os.Mkdir(private, 0o700), os.Link(exe, secret)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, program, dir, user, want string
	}{
		{"an unknown account", exe, "", "no-such-account", `user "no-such-account"`},
		{"a directory it may not enter", exe, private, "nobody", "may not enter"},
		{"a directory that is not there", exe, "/nonexistent", "nobody", "working directory"},
		{"a program it may not run", secret, "", "nobody", `user "nobody" may not run`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Start(t.Context(), Spec{
				Name: "files", Command: []string{tt.program}, Dir: tt.dir, User: tt.user,
				Log: slog.New(slog.DiscardHandler), Receive: func([]byte) {},
			})
			if err == nil {
				c.Stop()
				t.Fatal("got a child, want a refusal")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestMissingProgram(t *testing.T) {
	_, err := Start(t.Context(), Spec{Command: []string{"/nonexistent/server"}, Log: slog.New(slog.DiscardHandler), Receive: func([]byte) {}})
	if !errors.Is(err, ErrNotFound) || errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
