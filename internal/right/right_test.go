package right_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/right"
)

func TestARightEndsForAllWhoWatchIt(t *testing.T) {
	var g right.Registry[string]
	var r, other right.Right
	one, stop, alive := g.Watch(t.Context(), &r, "r")
	two, stopTwo, _ := g.Watch(t.Context(), &r, "r")
	beside, stopBeside, _ := g.Watch(t.Context(), &other, "other")
	defer stop(nil)
	defer stopBeside(nil)
	if !alive || r.Dead() != nil {
		t.Fatal("a right that nobody ended is dead")
	}
	stopTwo(nil)
	stopTwo(errors.New("twice"))
	if !errors.Is(context.Cause(two), context.Canceled) {
		t.Errorf("released: got %v", context.Cause(two))
	}
	why, later := gatehouse.Refuse("GH-1", "first", nil), gatehouse.Refuse("GH-2", "second", nil)
	g.End(&r, why)
	g.End(&r, later)
	if context.Cause(one) != error(why) || r.Dead() != why {
		t.Errorf("got %v, want the first reason", context.Cause(one))
	}
	late, stopLate, alive := g.Watch(t.Context(), &r, "r")
	defer stopLate(nil)
	if alive || context.Cause(late) != error(why) {
		t.Errorf("a watch that comes too late: got %v, want what ended the right", context.Cause(late))
	}
	if beside.Err() != nil {
		t.Error("another right ended too")
	}
}

func TestRightsNobodyWatchesLeaveTheRegistry(t *testing.T) {
	var g right.Registry[int]
	rights := make([]right.Right, 100)
	for i := range rights {
		_, stop, _ := g.Watch(t.Context(), &rights[i], i)
		if i%2 == 0 {
			stop(nil)
		}
	}
	seen := 0
	g.Each(func(i int) {
		if seen++; i%2 == 0 {
			t.Errorf("%d is not watched any more", i)
		}
	})
	if seen != 50 || len(g.All()) != 50 {
		t.Errorf("got %d and %d, want 50", seen, len(g.All()))
	}
}

// Whatever the interleaving, a right that was ended has no live watch.
func TestNoWatchOutlivesItsRight(t *testing.T) {
	var g right.Registry[int]
	for range 200 {
		var r right.Right
		var wg sync.WaitGroup
		watches := make([]context.Context, 8)
		for i := range watches {
			wg.Go(func() {
				watched, stop, _ := g.Watch(t.Context(), &r, i)
				if i == 0 {
					stop(nil)
				}
				watches[i] = watched
			})
		}
		wg.Go(func() { g.Each(func(int) {}) })
		g.End(&r, gatehouse.Refuse("GH-1", "over", nil))
		wg.Wait()
		for _, w := range watches {
			if w.Err() == nil {
				t.Fatal("a watch lives on")
			}
		}
		if n := len(g.All()); n != 0 {
			t.Fatalf("%d rights stay in the registry", n)
		}
	}
}
