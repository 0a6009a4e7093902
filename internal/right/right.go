// Package right ends what somebody is doing when they may no longer do it: the
// right of a credential, those who watch it, and who is told when it ends.
package right

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/gatehouse-mcp/gatehouse"
)

// Right is what a credential stands for, until it ends. The zero value is a
// right that nobody watches. It is not copied once it is in use.
type Right struct {
	mu     sync.Mutex
	first  *watch           // of the list of those who watch
	listed bool             // in a registry
	dead   *gatehouse.Error // why it ended; nil: it has not
}

// watch is one context that ends with a right, in the list of it.
type watch struct {
	right      *Right
	prev, next *watch
	on         bool // in the list
	cancel     context.CancelCauseFunc
}

// Registry holds the rights that are watched, or were until lately, each with
// what is needed to judge it. The zero value is empty. Rights lock themselves
// before they lock it.
type Registry[T any] struct {
	mu  sync.Mutex
	all map[*Right]T
}

// Watch returns a context that ends when ctx does or when the right r does, with
// the *gatehouse.Error that [Registry.End] was given as its cause. Call end with
// nil when done, or earlier with a cause to end it; calling it twice is fine.
//
// What may have taken the right away between its being judged and this call was
// not told to this watch. So whoever watches judges once more afterwards, unless
// it knows that nothing changed; alive is false if that is of no use any more.
func (g *Registry[T]) Watch(ctx context.Context, r *Right, what T) (watched context.Context, end func(cause error), alive bool) {
	watched, cancel := context.WithCancelCause(ctx)
	w := &watch{right: r, cancel: cancel}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead != nil {
		cancel(r.dead)
		return watched, cancel, false
	}
	w.on, w.next = true, r.first
	if r.first != nil {
		r.first.prev = w
	}
	r.first = w
	if !r.listed {
		r.listed = true
		g.add(r, what)
	}
	return watched, w.stop, true
}

// stop takes w off the list and ends its context; a nil cause is context.Canceled.
func (w *watch) stop(cause error) {
	r := w.right
	r.mu.Lock()
	if w.on {
		w.on = false
		if w.prev != nil {
			w.prev.next = w.next
		} else {
			r.first = w.next
		}
		if w.next != nil {
			w.next.prev = w.prev
		}
		w.prev, w.next = nil, nil
	}
	r.mu.Unlock()
	w.cancel(cause)
}

// End ends a right and every context that watches it, for the first reason that
// is given. It does so under the lock: whoever finds the right dead knows that
// its watches are too.
func (g *Registry[T]) End(r *Right, why *gatehouse.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead == nil {
		r.dead = why
	}
	for w := r.first; w != nil; w = w.next {
		w.on = false
		w.cancel(why)
	}
	r.first = nil
	if r.listed {
		r.listed = false
		g.remove(r)
	}
}

// Dead returns why a right ended; nil: it has not.
func (r *Right) Dead() *gatehouse.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dead
}

// Each calls fn with every right that is watched, and takes those that nobody
// watches any more off the list.
func (g *Registry[T]) Each(fn func(T)) {
	for r, what := range g.list() {
		r.mu.Lock()
		idle := r.first == nil
		if idle && r.listed {
			r.listed = false
			g.remove(r)
		}
		r.mu.Unlock()
		if !idle {
			fn(what)
		}
	}
}

// All returns what is in the registry, also what was watched until lately.
func (g *Registry[T]) All() []T { return slices.Collect(maps.Values(g.list())) }

func (g *Registry[T]) add(r *Right, what T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[*Right]T{}
	}
	g.all[r] = what
}

func (g *Registry[T]) remove(r *Right) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.all, r)
}

func (g *Registry[T]) list() map[*Right]T {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.all)
}
