package tenant

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

// Source is where [Directory] learns which tenants there are.
type Source interface {
	// Tenants returns the tenants that changed after the revision since, each as
	// it is now, deleted ones too; or all that are not deleted. It sees every
	// change that was reported as done before it was called.
	Tenants(ctx context.Context, since int64) (*Changes, error)
}

// Changes is what [Source] reports.
type Changes struct {
	Revision int64 // up to which it is complete; it never goes back but by a restore
	All      bool  // Tenants are all that there are
	Tenants  []Tenant
}

// Directory has all tenants in memory, at most a second old while [Directory.Run]
// runs; without Run it asks its source whenever half a second has passed. When
// the source has not answered for ten seconds nobody may be judged by it: see
// Ready. It is not copied once it is in use.
type Directory struct {
	Source Source           // required
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default

	once    sync.Once
	copy    fresh.Copy
	version atomic.Uint64

	mu     sync.RWMutex
	byID   map[ID]*Tenant // what it points to does not change
	byName map[string]*Tenant
	byLink map[Link]*Tenant
}

// Run keeps the directory fresh until ctx ends.
func (d *Directory) Run(ctx context.Context) { d.fresh().Run(ctx) }

// Changed makes every change that was reported as done take effect here. An
// error means that nobody knows what changed; then nobody is judged until it is known.
func (d *Directory) Changed(ctx context.Context) error {
	c := d.fresh()
	return c.Update(ctx, func(error) { c.Distrust() })
}

// Stale is the refusal of everybody when what is known is too old; nil: it is not.
func (d *Directory) Stale(now time.Time) *gatehouse.Error { return d.fresh().Stale(now) }

// Ready returns an *gatehouse.Error GH-1902 when what is known is too old to judge by.
func (d *Directory) Ready(ctx context.Context, now time.Time) error { return d.fresh().Ready(ctx, now) }

// Version moves whenever something changes: what was looked up at one is true as
// long as it is the same.
func (d *Directory) Version() uint64 { return d.version.Load() }

// ByID returns a tenant that is not deleted. Nobody may change what it points to,
// here and below.
func (d *Directory) ByID(id ID) (t *Tenant, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	t, ok = d.byID[id]
	return t, ok
}

// ByName returns the tenant of a name. Names are compared exactly.
func (d *Directory) ByName(name string) (t *Tenant, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	t, ok = d.byName[name]
	return t, ok
}

// ByLink returns the tenant that an issuer means by what it says.
func (d *Directory) ByLink(l Link) (t *Tenant, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	t, ok = d.byLink[l]
	return t, ok
}

func (d *Directory) fresh() *fresh.Copy {
	d.once.Do(func() {
		d.copy.Store, d.copy.Ask, d.copy.Now, d.copy.Log = "tenant", d.ask, d.Now, d.Log
		d.copy.Wait = 30 * time.Second // all of them may be many
	})
	return &d.copy
}

func (d *Directory) ask(ctx context.Context, since int64) (int64, error) {
	c, err := d.Source.Tenants(ctx, since)
	if err != nil {
		return 0, err
	}
	if !c.All && len(c.Tenants) == 0 {
		return c.Revision, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.All {
		d.byID, d.byName, d.byLink = map[ID]*Tenant{}, map[string]*Tenant{}, map[Link]*Tenant{}
	}
	for _, t := range c.Tenants {
		d.put(&t)
	}
	d.version.Add(1) // last: who saw the new one sees what came with it, as it waits for the lock
	return c.Revision, nil
}

// put replaces what is known of a tenant. A name or a link that has passed to
// another one meanwhile is that one's, whichever of the two came first.
func (d *Directory) put(t *Tenant) {
	if old := d.byID[t.ID]; old != nil {
		if d.byName[old.Name] == old {
			delete(d.byName, old.Name)
		}
		for _, l := range old.Links {
			if d.byLink[l] == old {
				delete(d.byLink, l)
			}
		}
		delete(d.byID, t.ID)
	}
	if t.State == Deleted {
		return
	}
	own := *t // a slice of many must not stay for the sake of one
	own.Links = slices.Clone(t.Links)
	d.byID[own.ID], d.byName[own.Name] = &own, &own
	for _, l := range own.Links {
		d.byLink[l] = &own
	}
}
