package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain is also the server over stdio that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		if err := runChild(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}

var built struct {
	sync.Once
	dir string
	err error
	out []byte
}

// program builds Gatehouse once, with the race detector if we have it.
func program(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "soaked"); built.err != nil {
			return
		}
		built.out, built.err = exec.Command("go", building(filepath.Join(built.dir, "gatehouse"), raceDetector)...).CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build: %v\n%s", built.err, built.out)
	}
	return filepath.Join(built.dir, "gatehouse")
}

// short is a run for a test.
func short(t *testing.T, edit func(*settings)) (string, error) {
	t.Helper()
	var out bytes.Buffer
	s := defaults()
	s.seed, s.out, s.binary, s.race = 5, &out, program(t), raceDetector
	s.clients, s.pace, s.rest, s.life = 10, 400*time.Millisecond, time.Hour, 8*time.Second
	edit(&s)
	if err := s.check(nil); err != nil {
		t.Fatal(err)
	}
	err := soak(t.Context(), &s)
	return out.String(), err
}

// TestSoak is a run of some seconds: it keeps the long one from rotting.
func TestSoak(t *testing.T) {
	out, err := short(t, func(s *settings) {
		s.duration, s.rest, s.verbose = 22*time.Second, 12*time.Second, true
		s.faults = []string{"key.*", "tenant.*", "reload.rules", "reload.server", "process.term", "child.kill", "upstream.restart", "process.kill"}
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"good answers of extra", "good answers of old", "calls seen by notes", "calls seen by local", "calls seen by events",
		"told on a stream", "refused GH-1011", "sessions abandoned", "fault key.revoke", "rests", "lines of the trail",
		"codes redeemed", "refreshes", "lists with a token", "revocations"} {
		if !strings.Contains(out, want) {
			t.Errorf("the run has no %q:\n%s", want, out)
		}
	}
}

// TestSoakFindsLies has the servers behind, or the trail, tell what must not be.
func TestSoakFindsLies(t *testing.T) {
	for lie, want := range map[string]string{
		"revoked":  "it was acknowledged that \"key ",
		"identity": "wrong identity: ",
		"twice":    "2 times",
		"unknown":  "a call that nobody made",
		"trail":    "the trail has nothing of ",
	} {
		t.Run(lie, func(t *testing.T) {
			t.Parallel()
			out, err := short(t, func(s *settings) {
				s.seed = 6 // its trail is strict: what is missing is missed at once
				s.sabotage, s.slack, s.duration, s.clients = lie, 500*time.Millisecond, 6*time.Second, 4
				s.faults = []string{"key.revoke", "key.create"}
			})
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("got %v and no %q, want it found:\n%s", err, want, out)
			}
		})
	}
}
