package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/signing"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
)

func signingRecord(n int) *signing.Record {
	return &signing.Record{ID: fmt.Sprint("kid", n), Alg: signing.ES256, Sealed: fmt.Sprint("sealed", n), Created: at(n), Signs: at(n + 10)}
}

func signingLife(t *testing.T, d *store.DB) {
	s, ctx := d.Signing(), t.Context()
	start := get(s.Load(ctx))(t)
	if len(start.Records) != 0 {
		t.Fatalf("got %+v, want no keys", start)
	}
	one, two := signingRecord(1), signingRecord(2)
	change := func(c signing.Change) *signing.Set {
		t.Helper()
		c.Generation = get(s.Generation(ctx))(t)
		must(t, s.Change(ctx, c))
		set := get(s.Load(ctx))(t)
		wantSame(t, "generation", set.Generation, c.Generation+1)
		return set
	}
	change(signing.Change{At: at(0), Add: one})
	wantSame(t, "two keys", change(signing.Change{At: at(0), Add: two}).Records, []signing.Record{*one, *two})

	two.Signs = at(3)
	one.Sealed = "anew"
	set := change(signing.Change{At: at(3), Signs: map[string]time.Time{two.ID: at(3)}, Reseal: map[string]string{one.ID: "anew"}})
	wantSame(t, "moved and sealed anew", set.Records, []signing.Record{*one, *two})

	one.Sealed, one.Removed = "", at(4)
	set = change(signing.Change{At: at(4), Remove: []string{one.ID}})
	wantSame(t, "removed, its private half with it", set.Records, []signing.Record{*one, *two})
}

// A change is made as a whole or not at all, and only upon the set it was decided upon.
func signingRefused(t *testing.T, d *store.DB) {
	s, ctx := d.Signing(), t.Context()
	g := get(s.Generation(ctx))(t)
	must(t, s.Change(ctx, signing.Change{Generation: g, At: at(0), Add: signingRecord(1)}))
	want := get(s.Load(ctx))(t)
	wantErr(t, "an older generation", s.Change(ctx, signing.Change{Generation: g, At: at(0), Add: signingRecord(2)}), signing.ErrRaced)
	wantErr(t, "one to come", s.Change(ctx, signing.Change{Generation: g + 2, At: at(0), Add: signingRecord(2)}), signing.ErrRaced)
	wantErr(t, "no such key", s.Change(ctx, signing.Change{Generation: g + 1, At: at(0), Add: signingRecord(2), Remove: []string{"nobody"}}), signing.ErrNotFound)
	if err := s.Change(ctx, signing.Change{Generation: g + 1, At: at(0), Add: signingRecord(1)}); err == nil {
		t.Error("an id twice: got no error")
	}
	wantSame(t, "afterwards", get(s.Load(ctx))(t), want)

	must(t, s.Change(ctx, signing.Change{Generation: g + 1, At: at(1), Remove: []string{"kid1"}}))
	for what, c := range map[string]signing.Change{
		"removed again":   {Remove: []string{"kid1"}},
		"brought back":    {Reseal: map[string]string{"kid1": "x"}},
		"signs once more": {Signs: map[string]time.Time{"kid1": at(9)}},
	} {
		c.Generation, c.At = g+2, at(2)
		wantErr(t, what, s.Change(ctx, c), signing.ErrNotFound)
	}
}

func signingRace(t *testing.T, d *store.DB) {
	s := d.Signing()
	g := get(s.Generation(t.Context()))(t)
	won := race(t, 16, func(i int) error {
		return s.Change(t.Context(), signing.Change{Generation: g, At: at(0), Add: signingRecord(i)})
	}, signing.ErrRaced)
	if n := len(get(s.Load(t.Context()))(t).Records); won != 1 || n != 1 {
		t.Errorf("got %d winners and %d keys, want one of each", won, n)
	}
}

func sealCheck(t *testing.T, d *store.DB) {
	ctx := t.Context()
	if v := get(d.SealCheck(ctx))(t); v != "" {
		t.Fatalf("got %q, want none", v)
	}
	kept := make([]string, 8)
	race(t, len(kept), func(i int) (err error) {
		kept[i], err = d.SetSealCheck(ctx, "", fmt.Sprint("value", i))
		return err
	})
	for _, v := range kept {
		if v == "" || v != kept[0] {
			t.Fatalf("got %q, want the same for all", kept)
		}
	}
	wantSame(t, "with another before it", get(d.SetSealCheck(ctx, "other", "next"))(t), kept[0])
	wantSame(t, "exchanged", get(d.SetSealCheck(ctx, kept[0], "next"))(t), "next")
	wantSame(t, "kept", get(d.SealCheck(ctx))(t), "next")
	wantSame(t, "removed by another", get(d.SetSealCheck(ctx, "other", ""))(t), "next")
	wantSame(t, "removed", get(d.SetSealCheck(ctx, "next", ""))(t), "")
	wantSame(t, "made anew", get(d.SetSealCheck(ctx, "", "again"))(t), "again")
}
