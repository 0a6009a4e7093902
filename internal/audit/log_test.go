package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// start opens a trail in a directory of its own, patient with a busy machine.
func start(t testing.TB, change func(*Config)) (*Log, string) {
	t.Helper()
	cfg := Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Patience: 30 * time.Second}
	if change != nil {
		change(&cfg)
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, cfg.Path
}

// events reads all of a trail from its files, the oldest first.
func events(t testing.TB, path string) (out []*Event) {
	t.Helper()
	old, err := fullFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(old, full{path: path}) {
		text, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			e, err := Parse(line)
			if err != nil {
				t.Logf("damaged line: %q", line)
				continue
			}
			out = append(out, e)
		}
	}
	return out
}

// named counts events by name.
func named(list []*Event) map[string]int {
	n := map[string]int{}
	for _, e := range list {
		n[e.Name]++
	}
	return n
}

func call(name string) *Event {
	return &Event{Time: time.Now(), Kind: config.AuditToolCall, Name: name}
}

func TestDurableEventsAreInTheFileWhenItReturns(t *testing.T) {
	l, path := start(t, nil)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			name := fmt.Sprint(i)
			if err := l.Durable(t.Context(), call(name)); err != nil {
				t.Error(err)
			}
			text, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(text, []byte(`"name":"`+name+`"`)) {
				t.Errorf("%s is not there: %v", name, err)
			}
		})
	}
	all.Wait()
}

func TestWrittenEventsAreThereAfterClose(t *testing.T) {
	l, path := start(t, nil)
	const n = 50_000 // more than the queue holds
	for i := range n {
		if err := l.Write(t.Context(), call(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := events(t, path)
	if len(got) != n {
		t.Fatalf("got %d events, want %d", len(got), n)
	}
	for i, e := range got {
		if e.Name != fmt.Sprint(i) {
			t.Fatalf("event %d is %s: out of order", i, e.Name)
		}
	}
	if err := l.Write(t.Context(), call("late")); !errors.Is(err, ErrUnwritable) {
		t.Errorf("after Close: got %v", err)
	}
}

func TestWrittenEventsReachTheFileBySoon(t *testing.T) {
	l, path := start(t, nil)
	if err := l.Write(t.Context(), call("soon")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return named(events(t, path))["soon"] == 1 })
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never happened")
		}
	}
}

func TestIncludeChoosesKinds(t *testing.T) {
	l, path := start(t, func(c *Config) { c.Include = []string{config.AuditToolCall} })
	for _, kind := range append(config.AuditKinds(), "new kind") {
		if err := l.Durable(t.Context(), &Event{Time: time.Now(), Kind: kind, Name: kind}); err != nil {
			t.Fatal(err)
		}
	}
	got := named(events(t, path))
	for kind, want := range map[string]int{"auth_failed": 1, "admin": 1, "tool_call": 1, "call": 0, "denied": 0, "stream": 0, "new kind": 1} {
		if got[kind] != want {
			t.Errorf("%s: got %d events, want %d", kind, got[kind], want)
		}
	}
}

func TestStrictWritesAreDurable(t *testing.T) {
	l, path := start(t, func(c *Config) { c.Strict = true })
	if err := l.Write(t.Context(), call("strict")); err != nil {
		t.Fatal(err)
	}
	if named(events(t, path))["strict"] != 1 {
		t.Error("not in the file")
	}
}

func TestA171HungSinkIsAnErrorWithinASecondAndRecovers(t *testing.T) {
	r, w := io.Pipe()
	l, err := Open(Config{Stdout: w})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	if err := l.Durable(t.Context(), call("hung")); !errors.Is(err, ErrUnwritable) {
		t.Fatalf("got %v, want ErrUnwritable", err)
	}
	if d := time.Since(began); d < patience || d > 10*patience {
		t.Errorf("waited %v", d)
	}
	eventually(t, func() bool { return l.Healthy() != nil })
	began = time.Now()
	if err := l.Durable(t.Context(), call("refused")); !errors.Is(err, ErrUnwritable) || time.Since(began) > patience {
		t.Errorf("got %v after %v, want ErrUnwritable at once", err, time.Since(began))
	}
	if err := l.Write(t.Context(), call("kept")); err != nil || time.Since(began) > patience {
		t.Errorf("got %v after %v, want what was done already to be kept at once", err, time.Since(began))
	}
	var out lockedBuffer
	go io.Copy(&out, r)
	eventually(t, func() bool { return l.Healthy() == nil })
	if err := l.Durable(t.Context(), call("again")); err != nil {
		t.Error(err)
	}
	eventually(t, func() bool { return strings.Contains(out.String(), "again") })
	text := out.String()
	for _, want := range []string{`"name":"hung"`, `"name":"kept"`, `"action":"audit.gap"`, `"events":"1"`, `"name":"again"`} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%d × %s in %s", strings.Count(text, want), want, text)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestFullQueueWaitsAsLongAsTheCallerDoes(t *testing.T) {
	_, w := io.Pipe()
	l, err := Open(Config{Stdout: w, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close(); _ = l.Close() }()
	ctx, stop := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	done := make(chan error)
	go func() {
		for {
			if err := l.Write(ctx, call("x")); err != nil {
				done <- err
				return
			}
		}
	}()
	eventually(t, func() bool { return l.Stats().Queued == maxQueue })
	stop(gone)
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if n := l.Stats().Queued; n > maxQueue {
		t.Errorf("%d events in the queue, want at most %d", n, maxQueue)
	}
}

// Room that others always take first is none: whoever waits is told in time,
// even if nothing else ends the waiting.
func TestWriteWaitsNoLongerThanItsPatience(t *testing.T) {
	l, err := prepare(Config{Stdout: io.Discard, Patience: time.Second}) // nobody writes
	if err != nil {
		t.Fatal(err)
	}
	l.events = maxQueue
	over := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				l.mu.Lock()
				l.makeRoom()
				l.mu.Unlock()
			}
		}
	})
	got := make(chan error, 1)
	go func() { got <- l.Write(context.Background(), &Event{Kind: config.AuditCall}) }()
	select {
	case err := <-got:
		if !errors.Is(err, ErrUnwritable) {
			t.Errorf("got %v, want ErrUnwritable", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it still waits")
		l.mu.Lock()
		l.events = 0
		l.mu.Unlock()
		<-got
	}
	close(over)
	others.Wait()
}

func TestChangeTakesKindsAndSizesOfAnOpenTrail(t *testing.T) {
	l, path := start(t, nil)
	write := func(name string) {
		t.Helper()
		if err := l.Durable(t.Context(), call(name)); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	l.Change(Config{Include: []string{config.AuditDenied}})
	write("between")
	l.Change(Config{MaxSize: 1, Keep: 1})
	for range 4 {
		write("after")
	}
	files, err := Files(path)
	if err != nil || len(files) != 3 || l.Stats().Turned != 4 {
		t.Errorf("got %v, %d files begun, %v, want one kept, the last and the lock", files, l.Stats().Turned, err)
	}
	if s := l.Stats(); s.Written != 5 {
		t.Errorf("got %d events written, want 5: not the one between", s.Written)
	}
}
