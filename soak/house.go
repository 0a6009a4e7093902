package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// house is the Gatehouse that is soaked: a process, which comes and goes, over
// a state that stays.
type house struct {
	w      *world
	binary string

	mu     sync.Mutex // of what a restart changes
	cmd    *exec.Cmd
	done   chan error
	admin  string // address of the listener for operators
	stderr *watched
	lives  int
	since  time.Time // of this life
}

const upWait = 90 * time.Second // for a start on a loaded machine

// building are the arguments of go that make the program. checkptr, which comes
// with the race detector, would take half of the time of SQLite, which is C that
// was translated to Go, and finds nothing there.
func building(out string, race bool) []string {
	args := []string{"build", "-o", out}
	if race {
		args = append(args, "-race", "-gcflags=modernc.org/...=-d=checkptr=0")
	}
	return append(args, "github.com/gatehouse-mcp/gatehouse/cmd/gatehouse")
}

// build makes the program, unless there is one.
func (h *house) build(ctx context.Context) error {
	if h.binary = h.w.s.binary; h.binary != "" {
		return nil
	}
	h.binary = filepath.Join(h.w.dir, "gatehouse")
	cmd := exec.CommandContext(ctx, "go", building(h.binary, h.w.s.race)...)
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=auto")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build gatehouse: %w\n%s", err, out)
	}
	return nil
}

// start runs the program and waits until it serves.
func (h *house) start(ctx context.Context) error {
	cmd := exec.Command(h.binary, "serve", "--json", "-c", h.w.file) //nolint:noctx // it ends by signals, as the plan says
	cmd.Env = append(os.Environ(), "HOME="+h.w.dir, "GORACE=halt_on_error=0", "GOTRACEBACK=all")
	out := &firstLine{got: make(chan []byte, 1)}
	log := &watched{report: h.w.report}
	cmd.Stdout, cmd.Stderr = out, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- cmd.Wait()
		close(done) // for whoever asks again: it has ended
	}()
	select {
	case line := <-out.got:
		var up struct{ Admin string }
		if err := json.Unmarshal(line, &up); err != nil {
			return fmt.Errorf("gatehouse serve said %q: %w", line, err)
		}
		h.mu.Lock()
		h.cmd, h.done, h.admin, h.stderr = cmd, done, up.Admin, log
		h.lives++
		h.since = time.Now()
		h.mu.Unlock()
		h.w.report.count("starts", 1)
		return nil
	case err := <-done:
		return fmt.Errorf("gatehouse serve ended before it served: %w\n%s", err, log.tail())
	case <-time.After(upWait):
		_ = cmd.Process.Kill()
		return fmt.Errorf("gatehouse serve is not ready after %s\n%s", upWait, log.tail())
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return ctx.Err()
	}
}

// kill ends the program at once, as a crash would.
func (h *house) kill() {
	h.mu.Lock()
	cmd, done := h.cmd, h.done
	h.mu.Unlock()
	_ = cmd.Process.Kill()
	<-done //nolint:errcheck // how it ended is as it was asked to
}

// stop ends the program as its operator would. It has its grace, and the end of its children.
func (h *house) stop() error {
	h.mu.Lock()
	cmd, done, log := h.cmd, h.done, h.stderr
	h.mu.Unlock()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("gatehouse ended with %w after SIGTERM\n%s", err, log.tail())
		}
		return nil
	case <-time.After(15*time.Second + 2*h.w.s.slack):
		_ = cmd.Process.Signal(syscall.SIGQUIT) // says where it hangs
		<-done                                  //nolint:errcheck // how it ended is as it was asked to
		return fmt.Errorf("gatehouse did not end after SIGTERM\n%s", log.tail())
	}
}

// stacks ends the program and tells what its goroutines were doing.
func (h *house) stacks() {
	h.mu.Lock()
	cmd, done, log := h.cmd, h.done, h.stderr
	h.mu.Unlock()
	log.mute()
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	<-done //nolint:errcheck // how it ended is as it was asked to
	h.w.report.print("what it was doing:\n%s\n", log.all())
}

// pid returns that of the program.
func (h *house) pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cmd.Process.Pid
}

// age is how long this life has lasted.
func (h *house) age() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.since)
}

// gone says whether the program ended by itself.
func (h *house) gone() bool { return errors.Is(syscall.Kill(h.pid(), 0), syscall.ESRCH) }

// door returns the admin door.
func (h *house) door(ctx context.Context) (*adminapi.Client, error) {
	way, err := adminapi.Dial(ctx, filepath.Join(h.w.dir, "state"))
	if err != nil {
		return nil, err
	}
	return &adminapi.Client{Transport: way}, nil
}

// operators asks the listener for operators.
func (h *house) operators(ctx context.Context, path string) (string, error) {
	h.mu.Lock()
	address := h.admin
	h.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return "", err
	}
	q.Close = true
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// firstLine hands on the first line that is written to it.
type firstLine struct {
	text []byte
	got  chan []byte
	over bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.over {
		return len(p), nil
	}
	f.text = append(f.text, p...)
	if line, _, ok := bytes.Cut(f.text, []byte("\n")); ok {
		f.over = true
		f.got <- line
	}
	return len(p), nil
}

// watched is the program's standard error. What must not be there is told at
// once; the end of it is kept.
type watched struct {
	report *report

	mu   sync.Mutex
	text []byte
	read int // so far, in whole lines
	told bool
}

const stderrKept = 256 << 10

func (o *watched) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	whole := max(o.read, bytes.LastIndexByte(o.text, '\n')+1)
	fresh := string(o.text[o.read:whole])
	o.read = whole
	for _, bad := range []string{"DATA RACE", "panic:", "goroutine 1 [", "msg=panic", "fatal error:"} {
		if i := strings.Index(fresh, bad); i >= 0 && !o.told {
			o.told = true
			o.report.fail("standard error has %q:\n%s", bad, fresh[max(0, i-200):])
		}
	}
	if m := wholeKey.FindString(fresh); m != "" && !o.told {
		o.told = true
		o.report.fail("standard error has a key in it: %s", m)
	}
	if len(o.text) > 2*stderrKept {
		drop := len(o.text) - stderrKept
		o.text = append([]byte(nil), o.text[drop:]...)
		o.read = max(0, o.read-drop)
	}
	return len(p), nil
}

// wholeKey is more of a key than its id, which may be seen.
var wholeKey = regexp.MustCompile(`gthk_[0-9A-Za-z]{12}[0-9A-Za-z_]+`)

// mute has it tell nothing any more.
func (o *watched) mute() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = true
}

func (o *watched) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *watched) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text[max(0, len(o.text)-4000):])
}
