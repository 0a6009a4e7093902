package storetest

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func revision(t *testing.T, d *store.DB) {
	s, ctx := d.Keys(), t.Context()
	now := func() int64 { return get(d.Source().Changes(ctx, 0))(t).Revision }
	last := now()
	moved := func(what string, want bool) {
		t.Helper()
		if n := now(); (n > last) != want {
			t.Errorf("%s: revision %d → %d, want it to move: %v", what, last, n, want)
		}
		last = now()
	}
	tn := newTenant(t, d, "acme")
	moved("create tenant", true)
	a, b := newKey(t, d, tn, 1), newKey(t, d, tn, 2)
	moved("create keys", true)
	name := "renamed"
	get(s.Update(ctx, tn, a.ID, apikey.Change{Name: &name}))(t)
	moved("update", true)
	_, _, err := s.Rotate(ctx, tn, a.ID, minted(1, 1), at(2))
	must(t, err)
	moved("rotate", true)
	get(s.CancelRotation(ctx, tn, a.ID, at(1), ""))(t)
	moved("cancel", true)
	get(s.Revoke(ctx, tn, a.ID, at(1), "", ""))(t)
	moved("revoke", true)
	get(d.Tenants().SetState(ctx, tn, tenant.Suspended, at(1), ""))(t)
	moved("suspend", true)
	_, err = s.Revoke(ctx, tn, a.ID, at(1), "", "")
	wantErr(t, "again", err, apikey.ErrRevoked)
	moved("a refused change", false)
	must(t, d.Source().Use(ctx, []apikey.Use{{KeyID: b.ID, At: at(1)}}))
	moved("a use", false)
}

func changes(t *testing.T, d *store.DB) {
	s, ctx := d.Source(), t.Context()
	a, b := newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	one, two := newKey(t, d, a, 1), newKey(t, d, b, 2)
	start := get(s.Changes(ctx, 0))(t)
	if !slices.Contains(start.Keys, one.ID) || !slices.Contains(start.Keys, two.ID) || start.Tenants[a] != tenant.Active {
		t.Errorf("got %+v, want everything", start)
	}
	none := get(s.Changes(ctx, start.Revision))(t)
	if none.Revision != start.Revision || none.All || len(none.Keys)+len(none.Tenants) != 0 {
		t.Errorf("got %+v, want no changes", none)
	}

	_, next, err := d.Keys().Rotate(ctx, a, one.ID, minted(1, 1), at(9))
	must(t, err)
	c := get(s.Changes(ctx, start.Revision))(t)
	slices.Sort(c.Keys)
	wantSame(t, "rotated", c.Keys, slices.Sorted(slices.Values([]string{one.ID, next.ID})))
	get(d.Keys().CancelRotation(ctx, a, one.ID, at(2), ""))(t)
	c = get(s.Changes(ctx, c.Revision))(t)
	slices.Sort(c.Keys)
	wantSame(t, "cancelled", c.Keys, slices.Sorted(slices.Values([]string{one.ID, next.ID})))

	get(d.Tenants().SetState(ctx, b, tenant.Suspended, at(3), ""))(t)
	c = get(s.Changes(ctx, c.Revision))(t)
	wantSame(t, "suspended", c.Tenants, map[tenant.ID]tenant.State{b: tenant.Suspended})
	get(d.Tenants().SetState(ctx, b, tenant.Deleted, at(3), ""))(t)
	c = get(s.Changes(ctx, c.Revision))(t)
	wantSame(t, "deleted", c.Tenants, map[tenant.ID]tenant.State{b: tenant.Deleted})
	wantSame(t, "its keys", c.Keys, []string{two.ID})

	if c := get(s.Changes(ctx, c.Revision+1000))(t); !c.All {
		t.Errorf("after a restore: got %+v, want all", c)
	}
}

func manyChanges(t *testing.T, d *store.DB) {
	tn := newTenant(t, d, "acme")
	start := get(d.Source().Changes(t.Context(), 0))(t)
	const n = 1100
	for i := range n {
		newKey(t, d, tn, i)
	}
	c := get(d.Source().Changes(t.Context(), start.Revision))(t)
	if !c.All || len(c.Keys) != 0 || c.Revision != start.Revision+n {
		t.Errorf("got all %v and %d keys at revision %d, want all at %d", c.All, len(c.Keys), c.Revision, start.Revision+n)
	}
}

// follow asks for changes as a verifier does, while others make some: whatever
// the interleaving, no change may commit behind a revision already seen.
func follow(t *testing.T, d *store.DB) {
	ctx, tn := t.Context(), newTenant(t, d, "acme")
	const writers, each = 8, 12
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := d.Keys().Create(ctx, tn, record(tn, w*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	seen, at := map[string]bool{}, int64(0)
	for last := false; ; {
		c := get(d.Source().Changes(ctx, at))(t)
		at = c.Revision
		for _, id := range c.Keys {
			seen[id] = true
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if len(seen) != writers*each {
		t.Errorf("got %d of %d changes", len(seen), writers*each)
	}
}

func uses(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Source(), t.Context(), newTenant(t, d, "acme")
	a, b := newKey(t, d, tn, 1), newKey(t, d, tn, 2)
	first := apikey.Use{KeyID: a.ID, At: at(5), Address: netip.MustParseAddr("198.51.100.7"), Client: "claude-code", Tool: "get_note"}
	must(t, s.Use(ctx, []apikey.Use{first, {KeyID: "nokeyatall00", At: at(5)}}))
	wantSame(t, "first", get(d.Keys().Get(ctx, tn, a.ID))(t).LastUsed, first)
	must(t, s.Use(ctx, []apikey.Use{{KeyID: a.ID, At: at(4), Client: "late"}}))
	wantSame(t, "an earlier one", get(d.Keys().Get(ctx, tn, a.ID))(t).LastUsed, first)
	next := apikey.Use{KeyID: a.ID, At: at(6), Address: netip.MustParseAddr("2001:db8::1"), Client: "ü", Tool: ""}
	must(t, s.Use(ctx, []apikey.Use{next}))
	wantSame(t, "a later one", get(s.Lookup(ctx, a.ID))(t).Key.LastUsed, next)
	must(t, s.Use(ctx, []apikey.Use{{KeyID: a.ID, At: at(7)}}))
	wantSame(t, "without an address", get(s.Lookup(ctx, a.ID))(t).Key.LastUsed, apikey.Use{KeyID: a.ID, At: at(7)})
	wantSame(t, "another key", get(d.Keys().Get(ctx, tn, b.ID))(t).LastUsed, apikey.Use{})
	must(t, s.Use(ctx, nil))
}

func secret(t *testing.T, d *store.DB) {
	values := make([][]byte, 16)
	race(t, len(values), func(i int) (err error) {
		values[i], err = d.Secret(t.Context(), "session")
		return err
	})
	for _, v := range values {
		if len(v) != 32 || !bytes.Equal(v, values[0]) {
			t.Fatalf("got %d bytes, want the same 32 for everybody", len(v))
		}
	}
	if other := get(d.Secret(t.Context(), "other"))(t); bytes.Equal(other, values[0]) {
		t.Error("two names have one secret")
	}
}
