package grant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

func TestA003OfManyOneIsFirst(t *testing.T) {
	h := newHouse(t)
	until := h.now().Add(time.Minute)
	for n := range byte(50) {
		won := 0
		for _, err := range together(32, func(int) error {
			o := &grant.Once{Store: h.db.Once(), Now: h.now}
			return o.Once(context.Background(), [32]byte{n}, until)
		}) {
			if err == nil {
				won++
			} else if !errors.Is(err, grant.ErrReplay) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("got %d that were first", won)
		}
	}
	r := grant.Replays{Marks: &grant.Once{Store: h.db.Once(), Now: h.now}}
	if ok, err := r.Once(t.Context(), [32]byte{7}, until); ok || err != nil {
		t.Errorf("got %v, %v, want it seen", ok, err)
	}
	h.pass(10 * time.Minute)
	if ok, err := r.Once(t.Context(), [32]byte{7}, h.now().Add(time.Minute)); !ok || err != nil {
		t.Errorf("got %v, %v, want it forgotten", ok, err)
	}
	if n, err := h.db.Once().Sweep(t.Context(), h.now()); err != nil || n != 49 {
		t.Errorf("swept %d, %v", n, err)
	}
}

func TestAPushedRequestIsTakenOnceByItsClient(t *testing.T) {
	h := newHouse(t)
	q, ctx := &grant.Requests{Store: h.db.Requests(), Now: h.now}, t.Context()
	uri, err := q.Push(ctx, "cli", "state=x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range [][2]string{{uri, "evil"}, {uri + "x", "cli"}, {"urn:other", "cli"}, {grant.RequestPrefix, "cli"}} {
		if _, err := q.Take(ctx, tt[0], tt[1]); !errors.Is(err, grant.ErrNotFound) {
			t.Errorf("%v: got %v, want ErrNotFound", tt, err)
		}
	}
	won := 0
	for _, err := range together(16, func(int) error {
		got, err := q.Take(context.Background(), uri, "cli")
		if err == nil && got != "state=x" {
			t.Errorf("got %q", got)
		}
		return err
	}) {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("it was taken %d times", won)
	}
	uri, err = q.Push(ctx, "cli", "state=x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	h.pass(time.Minute)
	if _, err := q.Take(ctx, uri, "cli"); !errors.Is(err, grant.ErrNotFound) {
		t.Errorf("late: got %v, want ErrNotFound", err)
	}
}

// The secret stays the same when the key that it is sealed under changes, and is
// nothing to whoever has another key.
func TestA078TheSecretIsSealed(t *testing.T) {
	h := newHouse(t)
	derive := func(text string) *seal.Key {
		k, err := seal.Derive(text)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old, next := derive("the first key material, long enough"), derive("the second key material, long enough")
	first, err := grant.Secret(t.Context(), h.db.Secrets(), old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grant.Secret(t.Context(), h.db.Secrets(), next); !errors.Is(err, seal.ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
	for _, k := range []*seal.Key{next.After(old), next} {
		if again, err := grant.Secret(t.Context(), h.db.Secrets(), k); err != nil || string(again) != string(first) {
			t.Errorf("got %v, want the same secret under the new key", err)
		}
	}
}
