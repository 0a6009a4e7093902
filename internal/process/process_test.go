//go:build linux

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestA184EnvironmentLeakage(t *testing.T) {
	w := start(t, "report", func(s *Spec) {
		s.Environ = []string{"PATH=/bin", "HOME=/root", "LANG=C", "TZ=UTC", "MASTER_KEY=hunter2", "AWS_SECRET=x", "LD_PRELOAD=/evil.so", "path=/evil"}
		s.Env["API_TOKEN"] = "theirs"
		s.Env["TZ"] = "Europe/Berlin"
	})
	want := []string{"API_TOKEN=theirs", "DOUBLE=report", "HOME=/root", "LANG=C", "PATH=/bin", "TZ=Europe/Berlin"}
	if got := hear[reported](t, w.said).Env; !slices.Equal(got, want) {
		t.Errorf("got environment %q, want %q", got, want)
	}
	t.Setenv("MASTER_KEY", "hunter2")
	w = start(t, "report", func(s *Spec) { s.Env = map[string]string{"DOUBLE": "report"} })
	if got := hear[reported](t, w.said).Env; !slices.Equal(got, []string{"DOUBLE=report"}) {
		t.Errorf("got environment %q without any of ours", got)
	}
}

func TestA184ParentsEnvironment(t *testing.T) {
	exe := forNobody(t)
	for conceal, want := range map[string]string{"no": "true", "yes": "false"} {
		w := start(t, "hidden", func(s *Spec) {
			s.Command, s.User = []string{exe}, "nobody"
			s.Env["MASTER_KEY"], s.Env["CONCEAL"] = "hunter2", conceal
		})
		if got := hear[string](t, w.said); got != want {
			t.Errorf("concealed %s: a child could read the secret: got %s, want %s", conceal, got, want)
		}
	}
}

// programs lays out directories of programs, good and bad, and returns the good one.
func programs(t *testing.T, dir string) string {
	t.Helper()
	for path, mode := range map[string]os.FileMode{
		"good/npx": 0o755, "plain/npx": 0o644, "loose/npx": 0o777, "shared/npx": 0o755, "sticky/npx": 0o755,
	} {
		file := filepath.Join(dir, path)
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("#!/bin/true\n"), 0o600), os.Chmod(file, mode))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.Chmod(filepath.Join(dir, "shared"), 0o777), os.Chmod(filepath.Join(dir, "sticky"), 0o777|os.ModeSticky),
		os.Symlink(filepath.Join(dir, "loose/npx"), filepath.Join(dir, "good/link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "good/npx")
}

func TestA185PathAndBinarySwap(t *testing.T) {
	dir := t.TempDir()
	good := programs(t, dir)
	in := func(names ...string) string {
		for i, n := range names {
			if n != "" && n != "." && n != "rel" {
				names[i] = filepath.Join(dir, n)
			}
		}
		return strings.Join(names, ":")
	}
	t.Chdir(filepath.Join(dir, "good")) // where "." would find it
	tests := []struct {
		name, program, path, want string
	}{
		{"the first directory that has it", "npx", in("empty", "good", "sticky"), good},
		{"a file that cannot be executed", "npx", in("plain", "good"), good},
		{"a dot in PATH", "npx", in(".", "sticky"), filepath.Join(dir, "sticky/npx")},
		{"an empty entry in PATH", "npx", in("", "sticky"), filepath.Join(dir, "sticky/npx")},
		{"only relative entries in PATH", "npx", in(".", "", "rel"), ""},
		{"an empty PATH", "npx", "", ""},
		{"a program that everybody can write", "npx", in("loose", "good"), ""},
		{"a directory that everybody can write", "npx", in("shared", "good"), ""},
		{"a link to a program that everybody can write", "link", in("good"), ""},
		{"a relative path, from the configuration's directory", "good/npx", "", good},
		{"a relative path that leads nowhere", "./npx", "", ""},
		{"an absolute path", good, "", good},
		{"a directory", dir, "", ""},
		{"no name", "", in("good"), ""},
		{"a NUL", "npx\x00", in("good"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Resolve(tt.program, tt.path, dir)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestA185SwapAfterTheCheck(t *testing.T) {
	good := programs(t, t.TempDir())
	if err := os.Chmod(good, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Spec{Command: []string{good}, Log: slog.New(slog.DiscardHandler), Receive: func([]byte) {}})
	if err == nil {
		t.Error("got a child, want a refusal")
	}
}

func TestA186ShellAndArgumentInjection(t *testing.T) {
	args := []string{"; id", "$(id)", "`id`", "a\nb", "--eval=x", "-c", "alias.x=!sh", "@file", `"^&`, "", "${HOME}", "*"}
	w := start(t, "report", func(s *Spec) { s.Command = append(s.Command, args...) })
	if got := hear[reported](t, w.said).Args; !slices.Equal(got, args) {
		t.Errorf("got arguments %q, want %q", got, args)
	}
	for _, command := range [][]string{nil, {"npx"}, {"./npx"}, {self(t), "a\x00b"}} {
		if _, err := Start(t.Context(), Spec{Command: command, Log: slog.New(slog.DiscardHandler), Receive: func([]byte) {}}); err == nil {
			t.Errorf("got a child of %q, want a refusal", command)
		}
	}
}

func TestA187NewlineFraming(t *testing.T) {
	w := start(t, "echo", nil)
	for _, m := range []string{"{}\n{\"method\":\"tools/call\"}", "{}\r{}", "{\n}", "\n"} {
		if err := w.Send(t.Context(), []byte(m)); err == nil {
			t.Errorf("%q was sent, want a refusal", m)
		}
	}
	const line = `{"text":"a b\u2028","n":1}`
	if err := w.Send(t.Context(), []byte(line)); err != nil {
		t.Fatal(err)
	}
	if got := hear[map[string]string](t, w.said)["line"]; got != line {
		t.Errorf("got %q, want %q", got, line)
	}
}

func TestSendKeepsLinesWhole(t *testing.T) {
	w := start(t, "echo", nil)
	const callers, each = 20, 20
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				m := fmt.Sprintf("%d-%d-%s", i, j, strings.Repeat("x", 10000))
				if err := w.Send(t.Context(), []byte(m)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]bool{}
	for range callers * each {
		line := hear[map[string]string](t, w.said)["line"]
		head, tail, _ := strings.Cut(line, "-x")
		if len(tail) != 9999 || seen[head] {
			t.Fatalf("got line %.40q of %d bytes, or twice", line, len(line))
		}
		seen[head] = true
	}
	wg.Wait()
}

func TestSendToAChildThatDoesNotRead(t *testing.T) {
	w := start(t, "deaf", nil)
	hear[string](t, w.said)
	ctx, cancel := context.WithCancel(t.Context())
	if err := w.Send(ctx, []byte(`"`+strings.Repeat("x", 1<<20)+`"`)); err != nil {
		t.Fatal(err) // the writer has it, and waits
	}
	failed := make(chan error)
	go func() { failed <- w.Send(ctx, []byte("{}")) }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	w.Stop()
	if err := w.Send(t.Context(), []byte("{}")); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v after Stop, want ErrEnded", err)
	}
}

func TestA188OutputAbuse(t *testing.T) {
	t.Run("a line without end", func(t *testing.T) {
		w := start(t, "long", func(s *Spec) { s.MaxLine = 1 << 20 })
		hear[string](t, w.said)
		if e := ended(t, w.Child); !strings.Contains(e.Error(), "more than the allowed size") {
			t.Errorf("got %q", e)
		}
		if log := w.log.String(); !strings.Contains(log, "GH-2302") || len(log) > 4096 {
			t.Errorf("log has %d bytes: %.300s", len(log), log)
		}
	})
	t.Run("lines that are no messages", func(t *testing.T) {
		w := start(t, "chatty", nil)
		if got := hear[string](t, w.said); got != "after" {
			t.Errorf("got %q first, want the only message", got)
		}
		log := w.log.String()
		for _, want := range []string{"GH-2302", "files", `Server running\\a`, "stdout is the protocol; log to stderr."} {
			if !strings.Contains(log, want) {
				t.Errorf("log lacks %q: %s", want, log)
			}
		}
		if n := strings.Count(log, "GH-2302"); n != 1 {
			t.Errorf("reported %d times, want once", n)
		}
	})
	t.Run("a flood on standard error", func(t *testing.T) {
		w := start(t, "flood", nil)
		if got := hear[string](t, w.said); got != "done" {
			t.Errorf("got %q: standard error was not drained", got)
		}
		if log := w.log.String(); len(log) > 4<<20 {
			t.Errorf("log has %d bytes of 24 MB", len(log))
		}
	})
	t.Run("standard output closed early", func(t *testing.T) {
		w := start(t, "mute", nil)
		hear[string](t, w.said)
		w.Stop()
		ended(t, w.Child)
	})
	t.Run("half a line, then death", func(t *testing.T) {
		w := start(t, "half", nil)
		if got := hear[string](t, w.said); got != "whole" {
			t.Errorf("got %q", got)
		}
		ended(t, w.Child)
		if len(w.said) != 0 {
			t.Errorf("got half a message: %q", <-w.said)
		}
	})
}

func TestA191DescriptorsUmaskPrivilegesGroup(t *testing.T) {
	fd, err := syscall.Open("/etc/passwd", syscall.O_RDONLY, 0) // not close-on-exec, as if inherited
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Dup2(fd, 50); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(50)
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	w := start(t, "report", nil)
	r := hear[reported](t, w.said)
	if !slices.Equal(r.FDs, []string{"0", "1", "2"}) {
		t.Errorf("got descriptors %v, want the standard ones", r.FDs)
	}
	if r.Umask != "077" {
		t.Errorf("got umask %s, want 077", r.Umask)
	}
	if !strings.Contains(r.Status, "NoNewPrivs:\t1") {
		t.Error("the child may gain privileges")
	}
	if r.Group != r.PID || r.PID != w.PID() {
		t.Errorf("got pid %d in group %d, want a group of its own", r.PID, r.Group)
	}
	if mask := syscall.Umask(0o022); mask != 0o022 {
		t.Errorf("our own umask became %03o", mask)
	}
	if b, _ := os.ReadFile("/proc/self/status"); !strings.Contains(string(b), "NoNewPrivs:\t0") {
		t.Error("we gave up privileges ourselves")
	}
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	for _, double := range []string{"stubborn", "family"} {
		t.Run(double, func(t *testing.T) {
			w := start(t, double, nil)
			pid := hear[int](t, w.said)
			if !alive(pid) {
				t.Fatal("the process is not there to begin with")
			}
			w.Stop()
			if alive(pid) || alive(w.PID()) {
				t.Errorf("process %d or %d is still there", pid, w.PID())
			}
			w.Stop() // again is the same
		})
	}
}

func TestOrphansOfACrash(t *testing.T) {
	w := start(t, "family", nil)
	pid := hear[int](t, w.said)
	if err := syscall.Kill(w.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := ended(t, w.Child); e.How != "was ended by killed" {
		t.Errorf("got %q", e.How)
	}
	if alive(pid) {
		t.Errorf("process %d outlived its server", pid)
	}
}

func TestChildEndsWhenWeAreKilled(t *testing.T) {
	cmd := exec.Command(self(t))
	cmd.Env = []string{"DOUBLE=parent"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var v struct{ Said int }
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &v) != nil || !alive(v.Said) {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out) // ends when the child no longer holds it
	_ = cmd.Wait()
	for range 1000 {
		if !alive(v.Said) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("process %d outlived us", v.Said)
}

func TestExitSaysWhy(t *testing.T) {
	w := start(t, "die", func(s *Spec) {
		began := time.Unix(1000, 0)
		s.Now = func() time.Time { now := began; began = began.Add(400 * time.Millisecond); return now }
		s.Command = append(s.Command, "--token=canary")
	})
	e := ended(t, w.Child)
	e.After = 400 * time.Millisecond
	want := `"process.test …" exited with 1 after 0.4 s. Its last lines: first / no such \x1b[31mfile`
	if e.Error() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
	if log := w.log.String(); !strings.Contains(log, "server=files") || strings.Contains(log, "canary") || strings.Contains(log, "\x1b") {
		t.Errorf("got log %q", log)
	}
}
