package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// trail reads the audit trail as it grows, file after file, and compares it
// with what was seen.
type trail struct {
	w *world

	mu      sync.Mutex
	at      map[uint64]int64     // how far each file was read, by inode
	changes []expected           // acknowledged
	made    map[string]int       // changes in it of which we have not heard yet
	calls   map[string]expected  // carried out, by request
	heard   map[string]time.Time // requests that are in it
	counts  map[string]int64     // refusals and failures in it, by code
	due     map[string]int64     // refusals that callers got, by code
	recent  []refusal            // the latest of those
	kills   []time.Time
	torn    int // lines that are damaged
	owned   int // damaged lines that the trail itself speaks of
	lines   int64
}

// expected is what has to be in the trail.
type expected struct {
	what   string // "key.revoke ID" for a result, "key.create NOTE" for an intent, or the call
	since  time.Time
	strict bool
}

type refusal struct {
	code string
	at   time.Time
}

const (
	heardKeep  = 4 * time.Minute
	callLate   = time.Minute      // a call that is carried out is in the trail within
	window     = 11 * time.Second // in which refusals are counted before they are written
	killLoses  = 3 * time.Second  // of calls that were not strict
	inTrail    = "result"
	admin      = "admin"
	trailEvery = 2 * time.Second
)

func newTrail(w *world) *trail {
	return &trail{w: w, at: map[uint64]int64{}, calls: map[string]expected{}, heard: map[string]time.Time{}, made: map[string]int{}, counts: map[string]int64{}, due: map[string]int64{}}
}

// expectChange notes an acknowledged change: it is in the trail already.
func (t *trail) expectChange(action, subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what := action + " " + subject
	if t.made[what] > 0 { // read while the acknowledgement was on its way
		t.made[what]--
		return
	}
	t.changes = append(t.changes, expected{what: what, since: time.Now()})
}

// expectCall notes a call that was carried out. If the trail is strict, it is there already.
func (t *trail) expectCall(request, what string, strict bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.heard[request]; !ok {
		t.calls[request] = expected{what: what, since: time.Now(), strict: strict}
	}
}

// expectRefusal notes a refusal that a caller got.
func (t *trail) expectRefusal(code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recent = append(t.recent, refusal{code, time.Now()})
}

// killed notes that the process was: what was not on disk is lost, as documented.
func (t *trail) killed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.kills = append(t.kills, now)
	t.recent = slices.DeleteFunc(t.recent, func(r refusal) bool { return now.Sub(r.at) < window })
	for request, c := range t.calls {
		if !c.strict {
			delete(t.calls, request) // its event comes when it is answered
		}
	}
}

// record is what is looked at in a line.
type record struct {
	Kind, Action, Phase, Request, Outcome, Code, Key, Tenant string
	Count                                                    int64
	Detail                                                   map[string]string
}

// read reads what is new, and judges what had to be there before.
func (t *trail) read() {
	began := time.Now()
	there := map[uint64]bool{}
	for before := []string(nil); ; {
		files, err := t.files()
		if err != nil {
			t.w.report.fail("the trail cannot be found: %v", err)
			return
		}
		if slices.Equal(files, before) {
			break
		}
		for _, path := range files { // again when one was turned over meanwhile: its end has a new name
			t.file(path, there)
		}
		before = files
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for inode := range t.at {
		if !there[inode] {
			delete(t.at, inode)
		}
	}
	t.judge(began)
}

// files returns those of the trail, the oldest first.
func (t *trail) files() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(t.w.trailDir(), "audit.jsonl*"))
	slices.Sort(files)
	files = slices.DeleteFunc(files, func(p string) bool { return filepath.Ext(p) == ".lock" })
	if len(files) > 0 && filepath.Base(files[0]) == "audit.jsonl" { // is the newest
		files = append(files[1:], files[0])
	}
	return files, err
}

// file reads what is new in one file. A line without its end is left for the next time.
func (t *trail) file(path string, there map[uint64]bool) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // turned over just now; the next look finds it by its new name
	}
	if err != nil {
		t.w.report.fail("the trail cannot be read: %v", err)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.w.report.fail("the trail cannot be read: %v", err)
		return
	}
	inode := info.Sys().(*syscall.Stat_t).Ino //nolint:forcetypeassert // this is Linux
	t.mu.Lock()
	defer t.mu.Unlock()
	there[inode] = true
	if _, err := f.Seek(t.at[inode], io.SeekStart); err != nil {
		t.w.report.fail("the trail cannot be read: %v", err)
		return
	}
	for in := bufio.NewReaderSize(f, 64<<10); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		t.at[inode] += int64(len(line))
		t.line(line)
	}
}

// line takes in one line.
func (t *trail) line(line []byte) {
	t.lines++
	if t.w.s.sabotage == "trail" && bytes.Contains(line, []byte(`"kind":"admin"`)) {
		return
	}
	var e record
	if err := json.Unmarshal(line, &e); err != nil {
		t.torn++
		if t.torn > len(t.kills) {
			t.w.report.fail("the trail has a damaged line, and nobody was killed: %.300q", line)
		}
		return
	}
	if m := wholeKey.Find(line); m != nil {
		t.w.report.fail("the trail has a key in it: %s", m)
	}
	if e.Request != "" {
		delete(t.calls, e.Request)
		t.heard[e.Request] = time.Now()
	}
	switch {
	case e.Kind == admin && e.Phase == "intent" && e.Detail["note"] != "":
		t.found(e.Action + " " + e.Detail["note"])
	case e.Kind == admin && e.Action == "audit.torn":
		t.owned++
	case e.Kind == admin && e.Phase == inTrail && e.Outcome == "ok":
		subject := e.Key
		if subject == "" {
			subject = e.Tenant
		}
		t.found(e.Action + " " + subject)
	case e.Code != "" && e.Kind != admin:
		t.counts[e.Code] += max(e.Count, 1)
	}
}

// found notes that a change is in the trail.
func (t *trail) found(what string) {
	if i := slices.IndexFunc(t.changes, func(x expected) bool { return x.what == what }); i >= 0 {
		t.changes = slices.Delete(t.changes, i, i+1)
		return
	}
	if len(t.made) > 10000 { // of those that nobody waits for
		clear(t.made)
	}
	t.made[what]++
}

// judge says what is not in the trail and had to be before began.
func (t *trail) judge(began time.Time) {
	for _, c := range t.changes {
		if c.since.Before(began) {
			t.w.report.fail("the trail has nothing of %s, which was acknowledged %s ago", c.what, began.Sub(c.since).Round(time.Millisecond))
		}
	}
	t.changes = slices.DeleteFunc(t.changes, func(x expected) bool { return x.since.Before(began) })
	for request, c := range t.calls {
		switch age := began.Sub(c.since); {
		case c.strict && age > 0:
			t.w.report.fail("the trail is strict and has nothing of a call that was carried out %s ago: %s, request %s", age.Round(time.Millisecond), c.what, request)
		case age > callLate:
			t.w.report.fail("the trail has nothing of a call that was carried out %s ago: %s, request %s", age.Round(time.Second), c.what, request)
		default:
			continue
		}
		delete(t.calls, request)
	}
	late := began.Add(-window - t.w.s.slack)
	t.recent = slices.DeleteFunc(t.recent, func(r refusal) bool {
		if r.at.Before(late) {
			t.due[r.code]++
			return true
		}
		return false
	})
	for code, due := range t.due {
		if got := t.counts[code]; got < due {
			t.w.report.fail("the trail counts %d answers with %s, callers got %d", got, code, due)
			t.due[code] = got
		}
	}
	for request, at := range t.heard {
		if began.Sub(at) > heardKeep {
			delete(t.heard, request)
		}
	}
}

// follow reads until stop is closed, and then to the end.
func (t *trail) follow(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(trailEvery):
			t.read()
		}
	}
}

// finish reads to the end: every damaged line is one that the trail speaks of itself.
func (t *trail) finish() {
	t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.torn > t.owned {
		t.w.report.fail("the trail has %d damaged lines, and speaks of %d", t.torn, t.owned)
	}
	t.w.report.count("lines of the trail", t.lines)
	t.w.report.count("damaged lines of the trail", int64(t.torn))
}
