package apikey

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// watch is one context that ends with a key's right, in the list of its entry.
type watch struct {
	entry      *entry
	prev, next *watch
	on         bool // in the list
	cancel     context.CancelCauseFunc
}

// Watch returns a context that ends when ctx does or when the right that a
// stands for does, with a *gatehouse.Error as its cause: the key is revoked,
// expired, at the end of its overlap, its tenant suspended (codes as Verify's),
// its tools, networks or certificate changed (GH-1014), or the store away for too long.
// Call end with nil when done, or earlier with a cause to end it; it is safe to
// call it twice.
func (v *Verifier) Watch(ctx context.Context, a *Active) (watched context.Context, end func(cause error)) {
	watched, cancel := context.WithCancelCause(ctx)
	e := a.entry
	if e == nil {
		cancel(notAccepted("an identity that no key was verified for is watched"))
		return watched, cancel
	}
	w := &watch{entry: e, cancel: cancel}
	if !v.enlist(w) {
		return watched, cancel
	}
	// Whoever applies a change first moves the epoch and then looks who is
	// listed. So if the epoch is still the entry's, a change to come will find
	// this watch; if it is not, one may have come by between Verify and now.
	if epoch := v.epoch.Load(); e.epoch.Load() != epoch {
		v.revalidate(ctx, e, epoch)
	}
	return watched, w.stop
}

// enlist puts w in its entry's list. It ends w and returns false when the
// entry's right has ended already.
func (v *Verifier) enlist(w *watch) bool {
	e := w.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead != nil {
		w.cancel(e.dead)
		return false
	}
	w.on, w.next = true, e.first
	if e.first != nil {
		e.first.prev = w
	}
	e.first = w
	if !e.listed {
		e.listed = true
		v.watched.add(e)
	}
	return true
}

// stop takes w off the list and ends its context; a nil cause is context.Canceled.
func (w *watch) stop(cause error) {
	e := w.entry
	e.mu.Lock()
	if w.on {
		w.on = false
		if w.prev != nil {
			w.prev.next = w.next
		} else {
			e.first = w.next
		}
		if w.next != nil {
			w.next.prev = w.prev
		}
		w.prev, w.next = nil, nil
	}
	e.mu.Unlock()
	w.cancel(cause)
}

// revalidate brings an entry up to an epoch, or ends it.
func (v *Verifier) revalidate(ctx context.Context, e *entry, epoch uint64) {
	now, err := v.lookup(ctx, e.active.KeyID)
	switch {
	case now == e:
		e.epoch.Store(epoch)
	case err != nil:
		v.end(e, lost(e.active.KeyID, err))
	case now.record == nil:
		v.end(e, lost(e.active.KeyID, ErrNotFound))
	default:
		v.settle(e, now.record, epoch)
	}
}

// settle ends an entry unless a newer record of its key still gives the same right.
func (v *Verifier) settle(e *entry, r *Record, epoch uint64) {
	if err := judge(r, v.now()); err != nil {
		v.end(e, err)
		return
	}
	if !sameRights(e.record, r) {
		v.end(e, &gatehouse.Error{Code: "GH-1014", Status: 503, Description: "The rights of this key have changed. Try again."})
		return
	}
	e.mu.Lock()
	e.latest = r
	e.mu.Unlock()
	e.epoch.Store(epoch)
}

// end ends the right of an entry and every context that watches it. It does so
// under the lock: whoever finds the entry dead knows that its watches are too.
func (v *Verifier) end(e *entry, why *gatehouse.Error) {
	e.mu.Lock()
	if e.dead == nil {
		e.dead = why
	}
	for w := e.first; w != nil; w = w.next {
		w.on = false
		w.cancel(why)
	}
	e.first = nil
	if e.listed {
		e.listed = false
		v.watched.remove(e)
	}
	e.mu.Unlock()
	v.known.remove(e.id) // whoever comes next gets a new one, which may live
}

// sweep ends what the passing of time has ended, and takes entries that nobody
// watches off the registry.
func (v *Verifier) sweep() {
	now := v.now()
	stale := v.stale(now)
	for _, e := range v.watched.list() {
		e.mu.Lock()
		if e.first == nil {
			e.listed = false
			v.watched.remove(e)
			e.mu.Unlock()
			continue
		}
		why := judge(e.latest, now)
		e.mu.Unlock()
		if why == nil {
			why = stale
		}
		if why != nil {
			v.end(e, why)
		}
	}
}

// stale is the refusal of a verifier that has known nothing new for too long; nil: it does.
func (v *Verifier) stale(now time.Time) *gatehouse.Error {
	fresh := v.fresh.Load()
	if fresh != nil && now.Sub(*fresh) <= maxStale {
		return nil
	}
	return away(errors.New("the store has not been answering"))
}

// Healthy says why nobody can be judged at present; nil: they can.
func (v *Verifier) Healthy() error {
	if e := v.stale(v.now()); e != nil {
		return e.Cause
	}
	return nil
}

// registry holds the entries that are watched, or were until lately. Entries
// lock themselves before they lock it.
type registry struct {
	mu  sync.Mutex
	all map[*entry]struct{}
}

func (r *registry) add(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*entry]struct{}{}
	}
	r.all[e] = struct{}{}
}

func (r *registry) remove(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, e)
}

func (r *registry) list() []*entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.all))
}
