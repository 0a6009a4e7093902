package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report gathers what happened: violations with the story before them, and numbers.
type report struct {
	s     *settings
	began time.Time

	mu     sync.Mutex
	story  []string // the latest faults
	found  []string // violations
	kinds  map[string]int
	counts map[string]int64
	rests  []measure
}

const (
	storyKept = 25
	foundKept = 20
)

func newReport(s *settings) *report {
	return &report{s: s, began: time.Now(), kinds: map[string]int{}, counts: map[string]int64{}}
}

// count adds to a number of the summary.
func (r *report) count(name string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[name] += n
}

// tell adds to the story.
func (r *report) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := fmt.Sprintf("%8s  %s", time.Since(r.began).Round(time.Millisecond), fmt.Sprintf(format, args...))
	r.story = append(r.story, line)
	if len(r.story) > storyKept {
		r.story = r.story[1:]
	}
	if r.s.verbose {
		r.print("%s\n", line)
	}
}

// fail notes a violation. The first ones are told at once, with what led to them.
func (r *report) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	r.kinds[format]++
	if len(r.found) >= foundKept || r.kinds[format] > 3 { // counted, and no longer told
		r.counts["violations not told"]++
		return
	}
	r.found = append(r.found, text)
	r.print("✗ %s  %s\n  seed %d; what led to it:\n", time.Since(r.began).Round(time.Millisecond), text, r.s.seed)
	if len(r.found) <= 3 {
		r.print("    %s\n", strings.Join(r.story, "\n    "))
	}
}

func (r *report) print(format string, args ...any) { _, _ = fmt.Fprintf(r.s.out, format, args...) }

// violations returns what was found.
func (r *report) violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.found)
}

// progress prints a line every half minute until stop is closed.
func (r *report) progress(stop <-chan struct{}, extra func() string) {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	var before int64
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		r.mu.Lock()
		calls := r.counts["good answers"]
		r.print("%6s  %d good answers (%d/s), %d refusals, %d faults, %d restarts, %d violations; %s\n",
			time.Since(r.began).Round(time.Second), calls, (calls-before)/30, r.sum("refused "), r.sum("fault "),
			r.counts["starts"]-1, len(r.found), extra())
		before = calls
		r.mu.Unlock()
	}
}

// sum adds up the numbers whose names begin so; the caller holds the lock.
func (r *report) sum(prefix string) (n int64) {
	for name, v := range r.counts {
		if strings.HasPrefix(name, prefix) {
			n += v
		}
	}
	return n
}

// summary prints everything, and returns an error when something was found.
func (r *report) summary() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.print("\nseed %d, %s\n", r.s.seed, time.Since(r.began).Round(time.Second))
	for _, name := range slices.Sorted(maps.Keys(r.counts)) {
		r.print("  %-34s %d\n", name, r.counts[name])
	}
	for _, m := range r.rests {
		r.print("  at rest  %s\n", m)
	}
	if len(r.found) == 0 {
		r.print("✓ no violation\n")
		return nil
	}
	for _, v := range r.found {
		r.print("✗ %s\n", v)
	}
	return fmt.Errorf("%d violations (seed %d)", len(r.found), r.s.seed)
}
