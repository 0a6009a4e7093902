package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

func TestA198PanicWhileReadingAChild(t *testing.T) {
	var log bytes.Buffer
	l := &link{log: slog.New(slog.NewTextHandler(&log, nil)), up: make(chan struct{}), last: 1}
	l.calls = map[string]*pending{"1": {}} // no message and no box: a fault of ours
	close(l.up)
	l.receive([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	if !strings.Contains(log.String(), "panic") || !strings.Contains(log.String(), "stack") {
		t.Errorf("got log %q", log.String())
	}
}

// TestA125NoRoomWhileAChildStarts has a caller ask for one session more while
// its only one waits for a child that takes long to start.
func TestA125NoRoomWhileAChildStarts(t *testing.T) {
	now := time.Now()
	s := newStdio(Stdio{MaxPerCaller: 1, Process: process.Spec{Now: func() time.Time { return now }}})
	starting := &session{s: s, id: "1", owner: "o", used: now}
	if err := s.place(starting); err != nil {
		t.Fatal(err)
	}
	now = now.Add(evictAfter)
	if err := s.place(&session{s: s, id: "2", owner: "o", used: now}); err == nil {
		t.Error("got room, want a refusal: there is nothing yet that could end")
	}
	s.work.Wait()
}

// TestNobodyFillsAChild: one caller takes what is free, but in a crowd leaves
// room for others.
func TestNobodyFillsAChild(t *testing.T) {
	l := &link{calls: map[string]*pending{}}
	greedy := &inbox{owner: "greedy"}
	for len(l.calls) < maxPending && !l.full("greedy") {
		l.calls[strconv.Itoa(len(l.calls))] = &pending{box: greedy}
	}
	if got := len(l.calls); got != maxPending/2 {
		t.Errorf("got %d calls for one caller, want %d", got, maxPending/2)
	}
	if l.full("modest") {
		t.Error("got no room for anybody else")
	}
	for len(l.calls) < maxPending {
		l.calls[strconv.Itoa(len(l.calls))] = &pending{box: greedy}
	}
	if !l.full("modest") {
		t.Error("got room beyond the limit")
	}
}

func TestInboxBounds(t *testing.T) {
	severed := 0
	b := newInbox("", -1)
	b.slow(func() { severed++ })
	big := parcel{message: make([]byte, maxQueued)}
	if !b.put(big) {
		t.Fatal("the first message may have any size")
	}
	if b.put(parcel{message: []byte("{}")}) || b.put(parcel{}) || severed != 1 {
		t.Errorf("got more than the bound; severed %d times", severed)
	}
	if got, err := b.take(); len(got) != 1 || !errors.Is(err, errSlow) {
		t.Errorf("got %d messages, %v", len(got), err)
	}
	b = newInbox("", -1)
	for range maxHeld {
		b.put(parcel{})
	}
	if b.put(parcel{}) {
		t.Error("got more messages than the bound")
	}
	b = newInbox("", 1)
	if !b.put(parcel{final: &pending{}}) || b.put(parcel{}) || b.put(parcel{final: &pending{}}) {
		t.Error("something followed the last answer")
	}
}
