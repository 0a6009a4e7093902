package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("GATEHOUSE_AUDIT_VICTIM"); path != "" {
		fmt.Fprintln(os.Stderr, victim(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victim writes events for as long as it lives, in files of a few lines each,
// and says which were acknowledged.
func victim(path string) error {
	l, err := Open(Config{Path: path, MaxSize: 2000, Keep: 100_000, Patience: time.Minute})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 3 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d.%d.%d", os.Getpid(), w, i)
				if err := l.Write(context.Background(), call("w"+name)); err != nil {
					failed <- err
				}
				if err := l.Durable(context.Background(), call("d"+name)); err != nil {
					failed <- err
				}
				fmt.Println("d" + name)
			}
		}()
	}
	return <-failed
}

func TestA172AcknowledgedEventsSurviveKill(t *testing.T) {
	cycles := 40
	if testing.Short() {
		cycles = 8
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	acked := map[string]bool{}
	for cycle := range cycles {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GATEHOUSE_AUDIT_VICTIM="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil || cmd.Start() != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acked[lines.Text()] = true
			if n == 5+cycle*7%60 { // in the midst of the next ones
				_ = cmd.Process.Signal(syscall.SIGKILL)
			}
		}
		_ = cmd.Wait()
	}
	got := named(events(t, path))
	for name := range acked {
		if got[name] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", name, got[name])
		}
	}
	for name, n := range got {
		if n > 1 && name != "" {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	t.Logf("%d acknowledged, %d in the trail", len(acked), len(got))
}

// faulty is a disk with errors.
type faulty struct {
	sink
	mu    sync.Mutex
	wrong map[string]error
}

func (f *faulty) set(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = map[string]error{what: err}
}

func (f *faulty) get(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wrong[what]
}

func (f *faulty) write(b []byte) (int, error) {
	if err := f.get("write"); err != nil {
		return 0, err
	}
	return f.sink.write(b)
}

func (f *faulty) sync(again bool) error {
	if err := f.get("sync"); err != nil {
		return fmt.Errorf("%w: %w", errDoubtful, err)
	}
	return f.sink.sync(again)
}

// startFaulty opens a trail over a disk that can be made to fail.
func startFaulty(t *testing.T) (*Log, *faulty, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := prepare(Config{Path: path, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	disk := &faulty{sink: l.sink}
	l.sink = disk
	go l.run()
	t.Cleanup(func() { _ = l.Close() })
	return l, disk, path
}

func TestA211WhatWasWrittenBeforeAFailedSyncIsOwnedUpTo(t *testing.T) {
	l, disk, path := startFaulty(t)
	if err := l.Durable(t.Context(), call("first")); err != nil {
		t.Fatal(err)
	}
	disk.set("sync", syscall.EIO)
	if err := l.Write(t.Context(), call("unsynced")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return l.Healthy() != nil }) // the sync now and then
	if err := l.Durable(t.Context(), call("refused")); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want an I/O error", err)
	}
	disk.set("", nil)
	eventually(t, func() bool { return l.Healthy() == nil })
	if err := l.Durable(t.Context(), call("again")); err != nil {
		t.Fatal(err)
	}
	actions := map[string]string{}
	for _, e := range events(t, path) {
		actions[e.Action] = e.Detail["events"]
	}
	if actions["audit.doubtful"] != "1" || actions["audit.gap"] != "1" {
		t.Errorf("got %v", actions)
	}
}

// slow is a disk whose syncs end when they are let.
type slow struct {
	sink
	gate chan struct{}
}

func (s *slow) sync(again bool) error {
	<-s.gate
	return s.sink.sync(again)
}

func TestA207DurableMeansSynced(t *testing.T) {
	l, err := prepare(Config{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	disk := &slow{sink: l.sink, gate: make(chan struct{})}
	l.sink = disk
	go l.run()
	done := make(chan error)
	go func() { done <- l.Durable(t.Context(), call("x")) }()
	select {
	case err := <-done:
		t.Errorf("returned %v before the sync", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(disk.gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestA171AcceptedEventsAreWrittenWhenTheDiskIsBack(t *testing.T) {
	l, disk, path := startFaulty(t)
	disk.set("write", syscall.EIO)
	accepted := 0
	for l.Write(t.Context(), call(fmt.Sprint(accepted))) == nil {
		accepted++
	}
	if err := l.Durable(t.Context(), call("refused")); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want an I/O error", err)
	}
	disk.set("", nil)
	eventually(t, func() bool { return l.Healthy() == nil })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n := named(events(t, path))
	for i := range accepted {
		if n[fmt.Sprint(i)] != 1 {
			t.Fatalf("%d of %d was accepted and is there %d times", i, accepted, n[fmt.Sprint(i)])
		}
	}
}
