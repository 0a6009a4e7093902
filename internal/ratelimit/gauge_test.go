package ratelimit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestGaugeHoldsNoMoreThanTheLimit(t *testing.T) {
	var g Gauge
	var releases []func()
	for range 3 {
		release, ok := g.Take("a", 3)
		if !ok {
			t.Fatal("refused below the limit")
		}
		releases = append(releases, release)
	}
	if _, ok := g.Take("a", 3); ok {
		t.Error("took a fourth of three")
	}
	if _, ok := g.Take("b", 3); !ok {
		t.Error("another name was refused")
	}
	if _, ok := g.Take("c", -1); ok {
		t.Error("a negative limit let one in")
	}
	releases[0]()
	releases[0]() // a second time is not somebody else's
	if n := g.Held("a"); n != 2 {
		t.Errorf("held: got %d, want 2", n)
	}
	release, ok := g.Take("a", 0) // no limit, but counted
	if !ok || g.Held("a") != 3 {
		t.Errorf("without a limit: got %v, %d held", ok, g.Held("a"))
	}
	if _, ok := g.Take("a", 3); ok {
		t.Error("what was taken without a limit did not count when there was one")
	}
	for _, r := range append(releases, release) {
		r()
	}
	if g.Held("a") != 0 {
		t.Errorf("held at the end: %d", g.Held("a"))
	}
}

func TestA195ParallelHoldersAreAtMostTheLimit(t *testing.T) {
	var g Gauge
	var held, most, got atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 500 {
				release, ok := g.Take("a", 5)
				if !ok {
					continue
				}
				got.Add(1)
				n := held.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				held.Add(-1)
				release()
			}
		})
	}
	wg.Wait()
	if most.Load() > 5 || got.Load() == 0 {
		t.Errorf("at once: %d, want at most 5; in all %d", most.Load(), got.Load())
	}
}

func TestAHoldIsReleasedOnce(t *testing.T) {
	var g Gauge
	first, _ := g.Hold("a", 2)
	_, _ = g.Hold("a", 2)
	first.Release()
	first.Release()
	if n := g.Held("a"); n != 1 {
		t.Errorf("held: got %d, want 1", n)
	}
}

func TestGaugeForgetsNamesThatHoldNothing(t *testing.T) {
	var g Gauge
	for i := range 100_000 {
		h, _ := g.Hold(strconv.Itoa(i), 1)
		h.Release()
		h.Release()
	}
	for i := range g.shards {
		if n := len(g.shards[i].held); n > 0 {
			t.Fatalf("shard %d remembers %d names", i, n)
		}
	}
}

func TestGaugeHoldAllocatesNothing(t *testing.T) {
	var g Gauge
	_, _ = g.Hold("somebody", 1)
	if n := testing.AllocsPerRun(1000, func() {
		h, _ := g.Hold("a name", 2)
		h.Release()
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
