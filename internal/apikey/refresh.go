package apikey

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

// Changed makes every change that was reported as done take effect here. When
// it returns, no right that was taken away is honoured, and every context that
// [Verifier.Watch] gave out for one has ended.
func (v *Verifier) Changed() {
	v.now()
	_ = v.copy.Update(context.Background(), func(err error) { // it has logged it
		// Something changed and nobody can say what. So nothing that is in
		// memory holds, and everybody has to be looked up anew.
		v.epoch.Add(1)
		v.forget(func(cacheKey, *entry) bool { return true })
		for _, e := range v.watched.All() {
			v.end(e, away(err))
		}
	})
}

// Run keeps v fresh, ends what expires, and writes down uses, until ctx ends.
// It returns when the last uses are written.
func (v *Verifier) Run(ctx context.Context) {
	v.now()
	var wg sync.WaitGroup
	wg.Go(func() { v.copy.Run(ctx) })
	wg.Go(func() { fresh.Every(ctx, fresh.PollEvery/2, v.sweep) })
	wg.Go(func() { fresh.Every(ctx, 10*time.Second, func() { v.Flush(ctx) }) })
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	v.Flush(last)
}

// ready returns an error when what is in memory is too old to judge by.
func (v *Verifier) ready(ctx context.Context, now time.Time) error {
	if v.invalid != nil {
		return fmt.Errorf("verify keys: %w", v.invalid)
	}
	return v.copy.Ready(ctx, now)
}

// ask asks for changes and applies them.
func (v *Verifier) ask(ctx context.Context, since int64) (revision int64, err error) {
	c, err := v.Source.Changes(ctx, since)
	if err != nil {
		return 0, err
	}
	if c.All || c.Revision != since {
		v.apply(ctx, c)
	}
	return c.Revision, nil
}

// apply makes changes take effect. The order matters: the epoch moves, so that
// nothing read before is kept; what is kept is dropped; who is listed is judged.
func (v *Verifier) apply(ctx context.Context, c *Changes) {
	epoch := v.epoch.Add(1)
	changed := make(map[cacheKey]bool, len(c.Keys))
	for _, id := range c.Keys {
		k := keyOf(id)
		changed[k] = true
		v.known.Remove(k)
		v.unknown.Remove(k)
	}
	touched := func(_ cacheKey, e *entry) bool {
		if c.All || changed[e.id] || e.record == nil {
			return c.All || changed[e.id]
		}
		_, ok := c.Tenants[e.record.Key.Tenant]
		return ok
	}
	if c.All || len(c.Tenants) > 0 {
		v.forget(touched)
	}
	for _, e := range v.watched.All() {
		if touched(e.id, e) {
			v.rejudge(ctx, e, c, epoch)
		}
	}
}

// forget drops entries from memory.
func (v *Verifier) forget(gone func(cacheKey, *entry) bool) {
	v.known.RemoveIf(gone)
	v.unknown.RemoveIf(gone)
}

// rejudge ends a watched entry unless it gives the same right after the changes.
func (v *Verifier) rejudge(ctx context.Context, e *entry, c *Changes, epoch uint64) {
	if s, ok := c.Tenants[e.record.Key.Tenant]; ok { // needs no look-up, and a tenant may have many
		if err := judgeTenant(s, e.record.Key.Tenant); err != nil {
			v.end(e, err)
			return
		}
	}
	r, err := v.Source.Lookup(ctx, e.active.KeyID)
	if err != nil {
		v.end(e, lost(e.active.KeyID, err))
		return
	}
	v.settle(e, r, epoch)
}

// lost is the refusal for a key whose record could not be read again.
func lost(id string, err error) *gatehouse.Error {
	if e, ok := errors.AsType[*gatehouse.Error](err); ok {
		return e
	}
	if errors.Is(err, ErrNotFound) {
		return notAccepted("no key has the id %s any more", id)
	}
	return away(err)
}
