package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// Changed makes every change that was reported as done take effect here. When
// it returns, no right that was taken away is honoured, and every context that
// [Verifier.Watch] gave out for one has ended.
func (v *Verifier) Changed() {
	v.now()
	v.refreshing.Lock()
	defer v.refreshing.Unlock()
	if err := v.poll(context.Background()); err != nil {
		// Something changed and nobody can say what. So nothing that is in
		// memory holds, and everybody has to be looked up anew.
		v.epoch.Add(1)
		v.forget(func(*entry) bool { return true })
		for _, e := range v.watched.list() {
			v.end(e, away(err))
		}
	}
}

// Run keeps v fresh, ends what expires, and writes down uses, until ctx ends.
// It returns when the last uses are written.
func (v *Verifier) Run(ctx context.Context) {
	v.now()
	v.running.Store(true)
	defer v.running.Store(false)
	var wg sync.WaitGroup
	wg.Go(func() {
		every(ctx, pollEvery, func() {
			v.refreshing.Lock()
			defer v.refreshing.Unlock()
			_ = v.poll(ctx) // it has logged it; time decides what follows
		})
	})
	wg.Go(func() { every(ctx, pollEvery/2, v.sweep) })
	wg.Go(func() { every(ctx, 10*time.Second, func() { v.Flush(ctx) }) })
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	v.Flush(last)
}

// every calls fn at once and then in intervals until ctx ends.
func every(ctx context.Context, interval time.Duration, fn func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for ctx.Err() == nil {
		fn()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// ready returns an error when what is in memory is too old to judge by. When
// nobody else keeps it fresh it does so itself.
func (v *Verifier) ready(ctx context.Context, now time.Time) error {
	if v.invalid != nil {
		return fmt.Errorf("verify keys: %w", v.invalid)
	}
	fresh := v.fresh.Load()
	if fresh != nil && (now.Sub(*fresh) < pollEvery || v.running.Load() && now.Sub(*fresh) <= maxStale) {
		return nil
	}
	if fresh == nil || !v.running.Load() {
		v.refreshing.Lock()
		if v.fresh.Load() == fresh { // else somebody did it while we waited
			_ = v.poll(ctx) // it has logged it; stale judges
		}
		v.refreshing.Unlock()
	}
	if err := v.stale(now); err != nil {
		return err
	}
	return nil
}

// poll asks for changes and applies them. It is called with refreshing locked.
func (v *Verifier) poll(ctx context.Context) error {
	// Whoever asks may leave: what was begun for everybody is carried through.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*pollEvery)
	defer cancel()
	asked := v.now()
	c, err := v.Source.Changes(ctx, v.revision)
	if err != nil {
		if !v.silent {
			v.silent = true
			v.log().Error("the key store does not answer", "error", err, "accepting_until", asked.Add(maxStale))
		}
		return fmt.Errorf("ask for changes: %w", err)
	}
	if v.silent {
		v.silent = false
		v.log().Info("the key store answers again")
	}
	if c.All || c.Revision != v.revision {
		v.apply(ctx, c)
	}
	v.revision = c.Revision
	v.fresh.Store(&asked)
	return nil
}

// apply makes changes take effect. The order matters: the epoch moves, so that
// nothing read before is kept; what is kept is dropped; who is listed is judged.
func (v *Verifier) apply(ctx context.Context, c *Changes) {
	epoch := v.epoch.Add(1)
	changed := make(map[cacheKey]bool, len(c.Keys))
	for _, id := range c.Keys {
		k := keyOf(id)
		changed[k] = true
		v.known.remove(k)
		v.unknown.remove(k)
	}
	touched := func(e *entry) bool {
		if c.All || changed[e.id] || e.record == nil {
			return c.All || changed[e.id]
		}
		_, ok := c.Tenants[e.record.Key.Tenant]
		return ok
	}
	if c.All || len(c.Tenants) > 0 {
		v.forget(touched)
	}
	for _, e := range v.watched.list() {
		if touched(e) {
			v.rejudge(ctx, e, c, epoch)
		}
	}
}

// forget drops entries from memory.
func (v *Verifier) forget(gone func(*entry) bool) {
	v.known.removeIf(gone)
	v.unknown.removeIf(gone)
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

func (v *Verifier) log() *slog.Logger {
	if v.Log == nil {
		return slog.Default()
	}
	return v.Log
}
