package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// lasting is a key that lives for so long, from now on.
func lasting(tn tenant.ID, n int, life time.Duration) *apikey.Record {
	r := record(tn, n)
	r.Key.Created = time.Now().UTC().Truncate(time.Microsecond)
	r.Key.Expires = r.Key.Created.Add(life)
	return r
}

func bounded(t *testing.T, d *store.DB) {
	s, ctx := d.Keys(), t.Context()
	acme, bolt := newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	d.BoundKeys(3)
	first := lasting(acme, 1, time.Hour)
	must(t, s.Create(ctx, acme, first))
	must(t, s.Create(ctx, acme, lasting(acme, 2, time.Hour)))
	m := minted(1, 0)
	m.At = time.Now()
	_, next, err := s.Rotate(ctx, acme, first.Key.ID, m, m.At.Add(time.Hour))
	must(t, err) // a key and its successor are one
	must(t, s.Create(ctx, acme, lasting(acme, 3, time.Hour)))
	before := get(d.Source().Changes(ctx, 0))(t).Revision
	wantErr(t, "one too many", s.Create(ctx, acme, lasting(acme, 4, time.Hour)), apikey.ErrFull)
	_, err = s.Get(ctx, acme, lasting(acme, 4, 0).Key.ID)
	wantErr(t, "what was refused", err, apikey.ErrNotFound)
	wantSame(t, "revision", get(d.Source().Changes(ctx, 0))(t).Revision, before)
	must(t, s.Create(ctx, bolt, lasting(bolt, 5, time.Hour)))
	get(s.Revoke(ctx, acme, first.Key.ID, time.Now(), "", ""))(t)
	wantErr(t, "its successor still counts", s.Create(ctx, acme, lasting(acme, 4, time.Hour)), apikey.ErrFull)
	get(s.Revoke(ctx, acme, next.ID, time.Now(), "", ""))(t)
	must(t, s.Create(ctx, acme, lasting(acme, 4, time.Hour)))

	d.BoundKeys(1) // takes nothing away, and what adds nothing goes on
	live := lasting(acme, 3, 0).Key.ID
	later := time.Now().Add(2 * time.Hour)
	get(s.Update(ctx, acme, live, apikey.Change{Expires: &later}))(t)
	m = minted(2, 0)
	m.At = time.Now()
	_, _, err = s.Rotate(ctx, acme, live, m, m.At)
	must(t, err)
	wantErr(t, "far too many", s.Create(ctx, acme, lasting(acme, 6, time.Hour)), apikey.ErrFull)
	d.BoundKeys(0)
	must(t, s.Create(ctx, acme, lasting(acme, 6, time.Hour)))
}

func boundedRace(t *testing.T, d *store.DB) {
	tn := newTenant(t, d, "acme")
	d.BoundKeys(5)
	if won := race(t, 32, func(i int) error {
		return d.Keys().Create(t.Context(), tn, lasting(tn, i, time.Hour))
	}, apikey.ErrFull); won != 5 {
		t.Errorf("got %d keys, want 5", won)
	}
	wantSame(t, "keys", len(get(d.Keys().List(t.Context(), tn))(t)), 5)
}

func boundedReturn(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	gone := record(tn, 1) // it has expired
	gone.Key.Created, gone.Key.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	must(t, s.Create(ctx, tn, gone))
	d.BoundKeys(1)
	must(t, s.Create(ctx, tn, lasting(tn, 2, time.Hour)))
	later := time.Now().Add(time.Hour)
	_, err := s.Update(ctx, tn, gone.Key.ID, apikey.Change{Expires: &later})
	wantErr(t, "a later end", err, apikey.ErrFull)
	m := minted(1, 0)
	m.At = time.Now()
	_, _, err = s.Rotate(ctx, tn, gone.Key.ID, m, m.At.Add(time.Hour))
	wantErr(t, "a rotation", err, apikey.ErrFull)
	if k := get(s.Get(ctx, tn, gone.Key.ID))(t); k.ReplacedBy != "" || k.State(time.Now()) != apikey.StateExpired {
		t.Errorf("got %+v, want it as it was", k)
	}
	get(s.Revoke(ctx, tn, lasting(tn, 2, 0).Key.ID, time.Now(), "", ""))(t)
	get(s.Update(ctx, tn, gone.Key.ID, apikey.Change{Expires: &later}))(t)
}
