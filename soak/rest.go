package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// measure is what Gatehouse holds while nobody calls.
type measure struct {
	life       int // which of its lives
	age        time.Duration
	goroutines int
	files      int // descriptors
	children   int
	zombies    int
	temporary  int // files in its directories that are no part of its state
	resident   int64
}

func (m measure) String() string {
	return fmt.Sprintf("life %d after %-6s %4d goroutines %4d files %3d children %d zombies %2d temporary files %5.1f MiB",
		m.life, m.age.Round(time.Second), m.goroutines, m.files, m.children, m.zombies, m.temporary, float64(m.resident)/(1<<20))
}

// Room that a measure may be above the base line of its life.
const (
	roomGoroutines = 12
	roomFiles      = 24       // connections to the database: two files each, up to nine
	roomResident   = 96 << 20 // the heap grows with traffic, and is given back slowly
	roomSlope      = 1 << 20  // bytes per minute, in a life with many rests
)

// measure takes the numbers of this moment.
func (h *house) measure(ctx context.Context) (measure, error) {
	text, err := h.operators(ctx, "/-/metrics")
	if err != nil {
		return measure{}, err
	}
	h.mu.Lock()
	m := measure{life: h.lives}
	h.mu.Unlock()
	m.goroutines = int(metric(text, "go_goroutines"))
	m.files = int(metric(text, "process_open_fds"))
	m.resident = int64(metric(text, "process_resident_memory_bytes"))
	if start := metric(text, "process_start_time_seconds"); start > 0 {
		m.age = time.Since(time.Unix(int64(start), 0))
	}
	if m.goroutines == 0 || m.files == 0 || m.resident == 0 {
		return m, errors.New("the metrics lack the numbers of the process")
	}
	for _, pid := range offspring(h.pid()) {
		if state(pid) == "Z" {
			m.zombies++
		} else {
			m.children++
		}
	}
	m.temporary = h.litter()
	return m, nil
}

// metric finds the value of a metric without labels.
func metric(text, name string) float64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil {
				return v
			}
		}
	}
	return 0
}

// offspring returns all children of a process, and theirs.
func offspring(pid int) []int {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var all []int
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(append(all, child), offspring(child)...)
			}
		}
	}
	return all
}

// state returns the letter of a process; empty: there is none.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	letter, _, _ := strings.Cut(rest, " ")
	return letter
}

// litter counts files that are no part of what is to stay.
func (h *house) litter() (n int) {
	known := []string{"gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm", "gatehouse.sock", "seal.key", "lock", "gatehouse.lock", "ballast"}
	for _, dir := range []string{filepath.Join(h.w.dir, "state"), h.w.trailDir()} {
		list, err := os.ReadDir(dir)
		if err != nil {
			return -1
		}
		for _, f := range list {
			if !slices.Contains(known, f.Name()) && !strings.HasPrefix(f.Name(), "audit.jsonl") {
				h.w.report.count("litter "+f.Name(), 1)
				n++
			}
		}
	}
	return n
}

// quiet waits until a life has come to rest, and says what is above its base line.
func (w *world) quiet(ctx context.Context, base measure) (m measure, err error) {
	if w.s.race { // its shadow of the memory is not given back
		base.resident += 512 << 20
	}
	still := 0 // looks since anything was given back
	for end := time.Now().Add(w.s.settle); ; sleep(ctx, time.Second) {
		last := m
		if m, err = w.house.measure(ctx); err != nil {
			return m, err
		}
		if still++; m.goroutines < last.goroutines || m.files < last.files || m.children < last.children {
			still = 0
		}
		if err = m.above(base); err == nil && still > 2 || time.Now().After(end) || ctx.Err() != nil {
			return m, err
		}
	}
}

// above says what of a measure is more than a base line allows; nil: nothing.
func (m measure) above(base measure) error {
	var all []error
	add := func(what string, got, most int64) {
		if got > most {
			all = append(all, fmt.Errorf("%d %s, at most %d", got, what, most))
		}
	}
	add("goroutines", int64(m.goroutines), int64(base.goroutines+roomGoroutines))
	add("file descriptors", int64(m.files), int64(base.files+roomFiles))
	add("children", int64(m.children), int64(base.children+1))
	add("zombies", int64(m.zombies), 0)
	add("temporary files", int64(m.temporary), int64(base.temporary))
	add("bytes resident", m.resident, base.resident+roomResident)
	return errors.Join(all...)
}

// baseline is a measure of a life that has done everything once, and nothing else.
func (w *world) baseline(ctx context.Context) (measure, error) {
	for _, server := range w.serving() { // what is made once, such as shared children, is there then
		if err := w.alive(ctx, server, 2*w.s.settle); err != nil {
			return measure{}, err
		}
	}
	w.canary.http.CloseIdleConnections()
	sleep(ctx, 2*time.Second)
	return w.house.measure(ctx)
}

// rest sends everybody away, looks whether anything is left of them, and lets them in again.
func (w *world) rest(ctx context.Context, t *traffic) *traffic {
	t.end()
	w.sweep(ctx)
	w.canary.http.CloseIdleConnections()
	m, err := w.quiet(ctx, w.base)
	if ctx.Err() != nil {
		return t
	}
	if err != nil {
		text, _ := w.house.operators(ctx, "/-/metrics")
		w.report.fail("something is left when everybody has gone: %v; base line %s; now %s\n%s", err, w.base, m, pick(text, "gatehouse_"))
		w.dump = true
	}
	w.report.mu.Lock()
	w.report.rests = append(w.report.rests, m)
	if len(w.report.rests) > 40 {
		w.report.rests = slices.Delete(w.report.rests, 10, 11)
	}
	w.report.mu.Unlock()
	w.report.count("rests", 1)
	w.slope(m)
	return w.begin(ctx)
}

// slope finds memory that grows slowly, over all the rests of one life.
func (w *world) slope(m measure) {
	if len(w.measures) > 0 && w.measures[0].life != m.life {
		w.measures = nil
	}
	w.measures = append(w.measures, m)
	if n := len(w.measures); n >= 6 {
		// The first ones fill caches and the heap, and a password that was tried a
		// moment ago took 19 MiB: of each half that is left the lowest counts.
		half := n/4 + (n-n/4)/2
		a, b := lowest(w.measures[n/4:half]), lowest(w.measures[half:])
		if per := float64(b.resident-a.resident) / (b.age - a.age).Minutes(); per > roomSlope && !w.s.race && b.resident-a.resident > 24<<20 {
			w.report.fail("memory at rest grows by %.0f bytes a minute: %s, then %s", per, a, b)
		}
	}
	if len(w.measures) > 1000 {
		w.measures = slices.Delete(w.measures, 1, 500)
	}
}

// lowest returns the measure with the least memory.
func lowest(of []measure) measure {
	return slices.MinFunc(of, func(a, b measure) int { return cmp.Compare(a.resident, b.resident) })
}

// pick returns the lines of a text that begin so.
func pick(text, prefix string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) && !strings.Contains(line, "{") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}
