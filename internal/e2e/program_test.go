package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a program may take to come up on a loaded machine.
const patience = 60 * time.Second

// output collects what a program prints; safe for reading while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan struct{} // closed when the first line is complete
	once sync.Once
}

func newOutput() *output { return &output{line: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if bytes.IndexByte(p, '\n') >= 0 {
		defer o.once.Do(func() { close(o.line) })
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// program is a child of the test.
type program struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr *output
	done           chan error // what Wait returned
}

// start runs a program until the test ends; its output is shown if the test
// failed, which it does by a data race in the program.
func start(t testing.TB, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, stdout: newOutput(), stderr: newOutput(), done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- cmd.Wait() }()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
		}
		noRace(t, p.stderr.String())
		if t.Failed() {
			t.Logf("%s printed:\n%s%s", strings.Join(cmd.Args, " "), p.stdout, p.stderr)
		}
	})
	return p
}

// noRace wants no report of the race detector in an output.
func noRace(t testing.TB, out string) {
	t.Helper()
	if strings.Contains(out, "DATA RACE") {
		t.Errorf("there is a data race in the program:\n%s", out)
	}
}

// stop ends a program as its user would and returns how it ended. It may take 5 s.
func (p *program) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(5*time.Second + slack()):
		p.t.Error("still running 5 s after SIGTERM")
		_ = p.cmd.Process.Kill()
		return <-p.done
	}
}

// slack is what a loaded machine may add before a promise counts as broken.
func slack() time.Duration { return 10 * time.Second }

// ports are those that are handed out: below those that the kernel gives to
// whoever asks for any, which somebody else could get before they are used.
var ports = struct {
	mu   sync.Mutex
	next int
}{next: rand.IntN(20_000)}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	ports.mu.Lock()
	defer ports.mu.Unlock()
	for range 20_000 {
		ports.next = (ports.next + 1) % 20_000
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+ports.next))
		if err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// listening waits until a program accepts connections at the address.
func (p *program) listening(address string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("ended before it listened: %v", err)
		case <-ctx.Done():
			p.t.Fatalf("does not listen on %s", address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// gateway is a running `gatehouse up`.
type gateway struct {
	*program
	URL   string `json:"url"`
	Key   string `json:"key"` // empty on a second run over the same state
	KeyID string `json:"key_id"`
	State string `json:"state"`
	PID   int    `json:"pid"`
}

// up starts Gatehouse in front of what the arguments name, over a state of its own.
func up(t testing.TB, args ...string) *gateway {
	t.Helper()
	return upOver(t, stateDir(t), args...)
}

// stateDir returns a new directory with a path short enough for a socket.
func stateDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(inMemory(), "gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// upOver starts Gatehouse over the given state. When the test ends it must end
// well: exit 0 on SIGTERM, and no panic on its standard error.
func upOver(t testing.TB, state string, args ...string) *gateway {
	t.Helper()
	all := append([]string{"up", "--json", "--listen", "127.0.0.1:0", "--state", state}, args...)
	cmd := exec.Command(gatehouseBinary(t), all...)
	cmd.Env = append(os.Environ(), "HOME="+state)
	g := &gateway{program: start(t, cmd)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := g.stop(); err != nil {
				t.Errorf("ended with %v, want exit 0", err)
			}
		}
		for _, bad := range []string{"panic:", "goroutine 1 ["} {
			if strings.Contains(g.stderr.String(), bad) {
				t.Errorf("standard error has %q", bad)
			}
		}
	})
	select {
	case <-g.stdout.line:
	case err := <-g.done:
		g.done <- err
		t.Fatalf("gatehouse %s ended before it was ready: %v", strings.Join(all, " "), err)
	case <-time.After(patience):
		t.Fatal("gatehouse is not ready")
	}
	if err := json.Unmarshal([]byte(g.stdout.String()), g); err != nil {
		t.Fatalf("got %q, want one line of JSON: %v", g.stdout.String(), err)
	}
	return g
}
