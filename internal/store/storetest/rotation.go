package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

func rotate(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	first := newKey(t, d, tn, 1)
	m := minted(1, 10)
	old, next, err := s.Rotate(ctx, tn, first.ID, m, at(20))
	must(t, err)
	wantOld := *first
	wantOld.ReplacedBy, wantOld.RetireAt = m.ID, at(20)
	wantSame(t, "old", old, &wantOld)
	wantNext := *first
	wantNext.ID, wantNext.Replaces, wantNext.Created, wantNext.Expires = m.ID, first.ID, at(10), at(70)
	wantSame(t, "next", next, &wantNext)
	r := get(d.Source().Lookup(ctx, m.ID))(t)
	if r.Digest != m.Digest || r.Pepper != m.Pepper {
		t.Errorf("got digest %x under %q, want the minted one's", r.Digest, r.Pepper)
	}

	forever := record(tn, 2)
	forever.Key.Expires = time.Time{}
	must(t, s.Create(ctx, tn, forever))
	_, next, err = s.Rotate(ctx, "", forever.Key.ID, minted(2, 10), at(10))
	must(t, err)
	if !next.Expires.IsZero() || next.Tenant != tn {
		t.Errorf("got %+v, want a key of %s that never expires", next, tn)
	}
	// A successor is rotated in its turn, and keeps the family.
	_, third, err := s.Rotate(ctx, tn, next.ID, minted(3, 11), at(12))
	must(t, err)
	wantSame(t, "family", third.Family, forever.Key.ID)
}

func rotateRefused(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	rotated, revoked := newKey(t, d, tn, 1), newKey(t, d, tn, 2)
	_, _, err := s.Rotate(ctx, tn, rotated.ID, minted(1, 1), at(2))
	must(t, err)
	get(s.Revoke(ctx, tn, revoked.ID, at(1), "", ""))(t)
	for _, c := range []struct {
		name, id string
		want     error
	}{
		{"rotated, in its overlap or after", rotated.ID, apikey.ErrReplaced},
		{"revoked", revoked.ID, apikey.ErrRevoked},
		{"unknown", "nokeyatall00", apikey.ErrNotFound},
	} {
		for i, minutes := range []int{1, 30} {
			_, _, err := s.Rotate(ctx, tn, c.id, minted(10+i, minutes), at(90))
			wantErr(t, c.name, err, c.want)
			_, err = s.Get(ctx, tn, minted(10+i, 0).ID)
			wantErr(t, c.name+": no successor", err, apikey.ErrNotFound)
		}
	}
}

func rotateRace(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	k := newKey(t, d, tn, 1)
	if won := race(t, 32, func(i int) error {
		_, _, err := s.Rotate(ctx, tn, k.ID, minted(i, 1), at(2))
		return err
	}, apikey.ErrReplaced); won != 1 {
		t.Errorf("got %d successors, want 1", won)
	}
	all := get(s.List(ctx, tn))(t)
	if len(all) != 2 || all[0].Replaces != k.ID || all[1].ReplacedBy != all[0].ID {
		t.Errorf("got %+v, want the key and its one successor", all)
	}
}

func cancel(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	first := newKey(t, d, tn, 1)
	_, next, err := s.Rotate(ctx, tn, first.ID, minted(1, 10), at(20))
	must(t, err)
	wantSame(t, "returned", get(s.CancelRotation(ctx, tn, first.ID, at(15), "ada"))(t), first)
	wantSame(t, "stored", get(s.Get(ctx, tn, first.ID))(t), first)
	next = get(s.Get(ctx, tn, next.ID))(t)
	if !next.RevokedAt.Equal(at(15)) || next.RevokedBy != "ada" || next.Reason != "rotation cancelled" {
		t.Errorf("got successor %+v, want it revoked", next)
	}
	// And once more from the start.
	_, _, err = s.Rotate(ctx, tn, first.ID, minted(2, 16), at(20))
	must(t, err)
	get(s.Revoke(ctx, tn, minted(2, 0).ID, at(17), "bob", "lost"))(t)
	get(s.CancelRotation(ctx, tn, first.ID, at(18), "ada"))(t)
	wantSame(t, "first reason", get(s.Get(ctx, tn, minted(2, 0).ID))(t).Reason, "lost")
}

func cancelRefused(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	plain, over, gone, further := newKey(t, d, tn, 1), newKey(t, d, tn, 2), newKey(t, d, tn, 3), newKey(t, d, tn, 4)
	for i, k := range []*apikey.Key{over, gone, further} {
		_, _, err := s.Rotate(ctx, tn, k.ID, minted(i, 1), at(10))
		must(t, err)
	}
	get(s.Revoke(ctx, tn, gone.ID, at(2), "", ""))(t)
	_, _, err := s.Rotate(ctx, tn, minted(2, 0).ID, minted(9, 2), at(10))
	must(t, err)
	for _, c := range []struct {
		name    string
		id      string
		minutes int
		want    error
	}{
		{"never rotated", plain.ID, 5, apikey.ErrNotRotated},
		{"its overlap is over", over.ID, 10, apikey.ErrReplaced},
		{"revoked", gone.ID, 5, apikey.ErrRevoked},
		{"its successor was rotated", further.ID, 5, apikey.ErrReplaced},
		{"unknown", "nokeyatall00", 5, apikey.ErrNotFound},
	} {
		before := get(s.List(ctx, tn))(t)
		_, err := s.CancelRotation(ctx, tn, c.id, at(c.minutes), "")
		wantErr(t, c.name, err, c.want)
		wantSame(t, c.name+": nothing changed", get(s.List(ctx, tn))(t), before)
	}
}

func cancelRace(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	for round := range 8 {
		k := newKey(t, d, tn, round)
		_, next, err := s.Rotate(ctx, tn, k.ID, minted(10*round, 1), at(10))
		must(t, err)
		race(t, 2, func(i int) (err error) {
			if i == 0 {
				_, err = s.CancelRotation(ctx, tn, k.ID, at(2), "")
			} else {
				_, _, err = s.Rotate(ctx, tn, next.ID, minted(10*round+1, 2), at(10))
			}
			return err
		}, apikey.ErrReplaced, apikey.ErrRevoked)
		wantFamily(t, d, k.Family, 1)
	}
}

func revokeRotateRace(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	for round := range 8 {
		k := newKey(t, d, tn, round)
		race(t, 2, func(i int) (err error) {
			if i == 0 {
				_, err = s.Revoke(ctx, tn, k.ID, at(2), "", "")
			} else {
				_, _, err = s.Rotate(ctx, tn, k.ID, minted(round, 2), at(10))
			}
			return err
		}, apikey.ErrRevoked)
		if k := get(s.Get(ctx, tn, k.ID))(t); k.State(at(3)) != apikey.StateRevoked {
			t.Errorf("got %+v, want it revoked", k)
		}
	}
}

// wantFamily checks how many keys of a family are valid once every overlap is over.
func wantFamily(t *testing.T, d *store.DB, family string, want int) {
	t.Helper()
	valid := 0
	for _, k := range get(d.Keys().List(t.Context(), ""))(t) {
		if s := k.State(at(30)); k.Family == family && s == apikey.StateActive {
			valid++
		}
	}
	if valid != want {
		t.Errorf("family %s: got %d valid keys after every overlap, want %d", family, valid, want)
	}
}
