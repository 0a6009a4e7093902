//go:build linux

package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the children: the test binary starts itself, and a variable
// says what it is to be.
func TestMain(m *testing.M) {
	if double, ok := doubles[os.Getenv("DOUBLE")]; ok {
		double()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// doubles are servers that behave in ways we care about.
var doubles = map[string]func(){
	"report":   report,
	"echo":     func() { eachLine(func(l string) { say(map[string]string{"line": l}) }) },
	"die":      func() { fmt.Fprintln(os.Stderr, "first"); fmt.Fprintln(os.Stderr, "no such \x1b[31mfile"); os.Exit(1) },
	"stubborn": stubborn,
	"family":   family,
	"long": func() {
		say("ready")
		chunk := bytes.Repeat([]byte("x"), 1<<16)
		for {
			_, _ = os.Stdout.Write(chunk)
		}
	},
	"chatty": func() {
		fmt.Println("Server running\x07")
		fmt.Println("{broken")
		fmt.Print("\x00\xff\n\n")
		say("after")
		hold()
	},
	"half":   func() { say("whole"); fmt.Print(`{"half":`) },
	"mute":   func() { say("ready"); os.Stdout.Close(); hold() },
	"flood":  flood,
	"deaf":   func() { say("ready"); time.Sleep(time.Hour) },
	"parent": parent,
	"hidden": hidden,
	"peep":   peep,
}

func say(v any) {
	b, _ := json.Marshal(map[string]any{"said": v})
	_, _ = os.Stdout.Write(append(b, '\n'))
}

func eachLine(do func(string)) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		do(in.Text())
	}
}

func hold() { eachLine(func(string) {}) }

type reported struct {
	Args, Env, FDs, Groups []string
	Dir, Umask, Status     string
	UID, GID, Group, PID   int
}

func report() {
	r := reported{Args: os.Args[1:], Env: os.Environ(), UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Group: syscall.Getpgrp()}
	r.Dir, _ = os.Getwd()
	for _, fd := range [...]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "50"} {
		if to, err := os.Readlink("/proc/self/fd/" + fd); err == nil && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup") { // Go's own
			r.FDs = append(r.FDs, fd)
		}
	}
	ids, _ := os.Getgroups()
	for _, id := range ids {
		r.Groups = append(r.Groups, strconv.Itoa(id))
	}
	mask := syscall.Umask(0)
	r.Umask = fmt.Sprintf("%03o", mask)
	b, _ := os.ReadFile("/proc/self/status")
	r.Status = string(b)
	say(r)
	hold()
}

// stubborn ends neither when its input does nor when asked to.
func stubborn() {
	signal.Ignore(syscall.SIGTERM)
	say(os.Getpid())
	time.Sleep(time.Hour)
}

// family leaves a stubborn relative that holds its standard output.
func family() {
	child := exec.Command(os.Args[0])
	child.Env = []string{"DOUBLE=stubborn"}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if child.Start() != nil {
		os.Exit(3)
	}
	hold()
}

func flood() {
	line := strings.Repeat("noise ", 2000) + "\n"
	for range 2000 {
		fmt.Fprint(os.Stderr, line)
	}
	say("done")
	hold()
}

// parent is a gatehouse about to be killed.
func parent() {
	c, err := Start(context.Background(), Spec{
		Command: []string{os.Args[0]}, Env: map[string]string{"DOUBLE": "stubborn"},
		Log: slog.New(slog.DiscardHandler), Receive: func(m []byte) { fmt.Println(string(m)) },
	})
	if err != nil {
		os.Exit(3)
	}
	<-c.Done()
}

// hidden is a gatehouse that conceals itself from a curious child.
func hidden() {
	if os.Getenv("CONCEAL") == "yes" && Conceal() != nil {
		os.Exit(3)
	}
	done := make(chan struct{})
	c, err := Start(context.Background(), Spec{
		Command: []string{os.Args[0]}, Env: map[string]string{"DOUBLE": "peep"},
		Log: slog.New(slog.DiscardHandler), Receive: func(m []byte) { fmt.Println(string(m)); close(done) },
	})
	if err != nil {
		os.Exit(3)
	}
	<-done
	c.Stop()
}

func peep() {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(os.Getppid()) + "/environ")
	say(fmt.Sprint(err == nil && bytes.Contains(b, []byte("MASTER_KEY"))))
	hold()
}

// watched is a child under test with what it said and what was logged.
type watched struct {
	*Child
	said chan []byte
	log  *logged
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, double string, change func(*Spec)) *watched {
	t.Helper()
	w := &watched{said: make(chan []byte, 1000), log: &logged{}}
	s := Spec{
		Name: "files", Command: []string{self(t)}, Env: map[string]string{"DOUBLE": double}, Grace: 200 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Receive: func(m []byte) { w.said <- m },
	}
	if change != nil {
		change(&s)
	}
	c, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	w.Child = c
	return w
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// hear returns the next thing the child says.
func hear[T any](t *testing.T, said <-chan []byte) T {
	t.Helper()
	var v struct {
		Said T `json:"said"`
	}
	select {
	case m := <-said:
		if err := json.Unmarshal(m, &v); err != nil {
			t.Fatalf("child said %.200q: %v", m, err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the child says nothing")
	}
	return v.Said
}

// alive says whether a process exists and is no zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(b, []byte(") "))
	return len(rest) > 0 && !slices.Contains([]byte("ZX"), rest[0])
}

func ended(t *testing.T, c *Child) *ExitError {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the child does not end")
	}
	var e *ExitError
	if !errors.As(c.Err(), &e) {
		t.Fatalf("got %v, want an ExitError", c.Err())
	}
	return e
}
