package apikey

import (
	"context"

	"github.com/gatehouse-mcp/gatehouse"
)

// Watch returns a context that ends when ctx does or when the right that a
// stands for does, with a *gatehouse.Error as its cause: the key is revoked,
// expired, at the end of its overlap, its tenant suspended (codes as Verify's),
// its tools, networks or certificate changed (GH-1014), or the store away for too long.
// Call end with nil when done, or earlier with a cause to end it; it is safe to
// call it twice.
func (v *Verifier) Watch(ctx context.Context, a *Active) (watched context.Context, end func(cause error)) {
	e := a.entry
	if e == nil {
		watched, end = context.WithCancelCause(ctx)
		end(notAccepted("an identity that no key was verified for is watched"))
		return watched, end
	}
	watched, end, alive := v.watched.Watch(ctx, &e.right, e)
	if !alive {
		return watched, end
	}
	// Whoever applies a change first moves the epoch and then looks who is
	// listed. So if the epoch is still the entry's, a change to come will find
	// this watch; if it is not, one may have come by between Verify and now.
	if epoch := v.epoch.Load(); e.epoch.Load() != epoch {
		v.revalidate(ctx, e, epoch)
	}
	return watched, end
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
	e.latest.Store(r)
	e.epoch.Store(epoch)
}

// end ends the right of an entry and every context that watches it.
func (v *Verifier) end(e *entry, why *gatehouse.Error) {
	v.watched.End(&e.right, why)
	v.known.Remove(e.id) // whoever comes next gets a new one, which may live
}

// sweep ends what the passing of time has ended.
func (v *Verifier) sweep() {
	now := v.now()
	stale := v.copy.Stale(now)
	v.watched.Each(func(e *entry) {
		why := judge(e.latest.Load(), now)
		if why == nil {
			why = stale
		}
		if why != nil {
			v.end(e, why)
		}
	})
}

// Healthy says why nobody can be judged at present; nil: they can.
func (v *Verifier) Healthy() error {
	if e := v.copy.Stale(v.now()); e != nil {
		return e.Cause
	}
	return nil
}
