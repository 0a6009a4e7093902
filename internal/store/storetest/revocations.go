package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// revocation is the n-th of a kind.
func revocation(kind token.Kind, n int, before, expires time.Time) *token.Revocation {
	return &token.Revocation{
		ID: fmt.Sprint(kind, "-", n), Target: token.Target{Kind: kind, Issuer: "https://idp.example/ü", Value: fmt.Sprint("v\"'\\", n)},
		Before: before, Expires: expires, Created: at(n), By: "ada", Reason: "lost: ü",
	}
}

func revocationRoundTrip(t *testing.T, d *store.DB) {
	s, ctx := d.Revocations(), t.Context()
	var want []token.Revocation
	for i, kind := range []token.Kind{token.KindID, token.KindToken, token.KindSubject, token.KindClient, token.KindTenant, token.KindIssuer, token.KindGrant} {
		r := revocation(kind, i, at(i), at(100+i))
		if i == 0 {
			r.Before, r.Expires = time.Time{}, time.Time{}
		}
		wantSame(t, "revoked", get(s.Revoke(ctx, r))(t), r)
		wantSame(t, "by id", get(s.Revocation(ctx, r.ID))(t), r)
		want = append(want, *r)
	}
	slices.Reverse(want) // the latest first
	list, total, err := s.Revocations(ctx, token.Filter{})
	must(t, err)
	wantSame(t, "list", list, want)
	for _, f := range []token.Filter{{Kind: token.KindClient}, {Value: want[3].Value}, {Kind: token.KindClient, Issuer: want[3].Issuer, Limit: 1}} {
		list, n, err := s.Revocations(ctx, f)
		must(t, err)
		wantSame(t, fmt.Sprint(f), list, []token.Revocation{want[3]})
		if n != total || n != len(want) {
			t.Errorf("got %d in all, want %d", n, len(want))
		}
	}
	if list, _, err := s.Revocations(ctx, token.Filter{Limit: 2}); err != nil || len(list) != 2 {
		t.Errorf("got %d, %v, want the latest two", len(list), err)
	}
	gone := get(s.Remove(ctx, want[0].ID, at(50)))(t)
	if !gone.Removed.Equal(at(50)) {
		t.Errorf("got %+v, want it taken back", gone)
	}
	_, err = s.Remove(ctx, want[0].ID, at(50))
	wantErr(t, "again", err, token.ErrNotFound)
	_, err = s.Revocation(ctx, want[0].ID)
	wantErr(t, "taken back", err, token.ErrNotFound)
}

// A later revocation of the same reaches as far as either of the two.
func revocationMerge(t *testing.T, d *store.DB) {
	s, ctx, never := d.Revocations(), t.Context(), time.Time{}
	for i, tt := range []struct{ before, then, want, expires, thenExpires, wantExpires time.Time }{
		{at(1), at(2), at(2), at(10), at(20), at(20)},
		{at(2), at(1), at(2), at(20), at(10), at(20)},
		{never, at(1), never, never, at(10), never},
		{at(1), never, never, at(10), never, never},
	} {
		first := get(s.Revoke(ctx, revocation(token.KindClient, i, tt.before, tt.expires)))(t)
		next := revocation(token.KindClient, i, tt.then, tt.thenExpires)
		next.ID, next.By, next.Reason = "another", "bob", "again"
		got := get(s.Revoke(ctx, next))(t)
		if got.ID != first.ID || !got.Before.Equal(tt.want) || !got.Expires.Equal(tt.wantExpires) || got.By != "bob" || got.Reason != "again" {
			t.Errorf("case %d: got %+v", i, got)
		}
		get(s.Remove(ctx, first.ID, at(30)))(t)
		// What was taken back says nothing any more.
		got = get(s.Revoke(ctx, revocation(token.KindClient, i, at(1), at(2))))(t)
		if !got.Before.Equal(at(1)) || !got.Expires.Equal(at(2)) || !got.Removed.IsZero() {
			t.Errorf("case %d, anew: got %+v", i, got)
		}
	}
}

func revocationRace(t *testing.T, d *store.DB) {
	s, ctx := d.Revocations(), context.Background()
	const n = 16
	if won := race(t, n, func(i int) error {
		r := revocation(token.KindSubject, 1, at(i), at(100+i))
		r.ID = fmt.Sprint("id-", i)
		_, err := s.Revoke(ctx, r)
		return err
	}); won != n {
		t.Errorf("%d of %d revocations were made", won, n)
	}
	list, total, err := s.Revocations(ctx, token.Filter{})
	if err != nil || total != 1 || !list[0].Before.Equal(at(n-1)) || !list[0].Expires.Equal(at(100+n-1)) {
		t.Errorf("got %+v, %v, want the newest mark of all", list, err)
	}
}

// follows collects what a copy of the revocations would have.
func follows(t *testing.T, d *store.DB, since int64) (revision int64, ids []string) {
	t.Helper()
	s := d.Revocations()
	revision = get(s.Revision(t.Context()))(t)
	must(t, s.Revoked(t.Context(), since, func(r *token.Revocation) {
		id := r.ID
		if !r.Removed.IsZero() {
			id = "-" + id
		}
		ids = append(ids, id)
	}))
	return revision, ids
}

func revocationChanges(t *testing.T, d *store.DB) {
	s, ctx := d.Revocations(), t.Context()
	for i := range 3 {
		get(s.Revoke(ctx, revocation(token.KindID, i, time.Time{}, at(10*i+1))))(t)
	}
	revision, ids := follows(t, d, 0)
	wantSame(t, "everything", ids, []string{"jti-0", "jti-1", "jti-2"})
	next, ids := follows(t, d, revision)
	if next != revision || ids != nil {
		t.Errorf("got %v at %d, want nothing new", ids, next)
	}
	get(s.Remove(ctx, "jti-1", at(5)))(t)
	get(s.Revoke(ctx, revocation(token.KindID, 2, time.Time{}, at(40))))(t)
	_, ids = follows(t, d, revision)
	wantSame(t, "changes", ids, []string{"-jti-1", "jti-2"})
	_, ids = follows(t, d, 0)
	wantSame(t, "everything that holds", ids, []string{"jti-0", "jti-2"})
	if n, err := s.Sweep(ctx, at(6)); err != nil || n != 2 {
		t.Errorf("swept %d, %v, want the expired and the one that was taken back", n, err)
	}
	_, ids = follows(t, d, 0)
	wantSame(t, "what is left", ids, []string{"jti-2"})
}

func tenantLinks(t *testing.T, d *store.DB) {
	s, ctx := d.Tenants(), t.Context()
	l := func(iss, external string) tenant.Link { return tenant.Link{Issuer: iss, External: external} }
	acme := &tenant.Tenant{ID: "1", Name: "acme", State: tenant.Active, Created: at(0), Changed: at(0), Links: []tenant.Link{l("a", "x"), l("b", "x")}}
	must(t, s.Create(ctx, acme))
	bolt := newTenant(t, d, "bolt")
	wantSame(t, "by name", get(s.ByName(ctx, "acme"))(t), acme)
	start := get(d.Directory().Tenants(ctx, 0))(t)
	if !start.All || len(start.Tenants) != 3 {
		t.Errorf("got %+v, want all three", start)
	}
	err := s.Create(ctx, &tenant.Tenant{ID: "9", Name: "third", State: tenant.Active, Created: at(0), Changed: at(0), Links: []tenant.Link{l("c", "x"), l("a", "x")}})
	wantErr(t, "a link that is taken", err, tenant.ErrLinked)
	_, err = s.ByName(ctx, "third")
	wantErr(t, "nothing is left of it", err, tenant.ErrNotFound)
	_, err = s.Link(ctx, bolt, l("a", "x"), at(1))
	wantErr(t, "another tenant's", err, tenant.ErrLinked)
	_, err = s.Link(ctx, acme.ID, l("a", "x"), at(1))
	wantErr(t, "its own", err, tenant.ErrLinked)
	_, err = s.Unlink(ctx, bolt, l("a", "x"))
	wantErr(t, "not its own", err, tenant.ErrNotLinked)
	_, err = s.Link(ctx, "nobody", l("z", "z"), at(1))
	wantErr(t, "of nobody", err, tenant.ErrNotFound)
	none := get(d.Directory().Tenants(ctx, start.Revision))(t)
	if none.Revision != start.Revision || none.All || len(none.Tenants) != 0 {
		t.Errorf("got %+v, want that refusals change nothing", none)
	}
	got := get(s.Link(ctx, bolt, l("a", "y"), at(1)))(t)
	wantSame(t, "linked", got.Links, []tenant.Link{l("a", "y")})
	get(s.Unlink(ctx, acme.ID, l("b", "x")))(t)
	c := get(d.Directory().Tenants(ctx, start.Revision))(t)
	if c.All || len(c.Tenants) != 2 || len(c.Tenants[0].Links) != 1 || len(c.Tenants[1].Links) != 1 {
		t.Errorf("got %+v, want both that changed, with a link each", c)
	}
	get(s.SetState(ctx, acme.ID, tenant.Deleted, at(2), ""))(t)
	c = get(d.Directory().Tenants(ctx, c.Revision))(t)
	if len(c.Tenants) != 1 || c.Tenants[0].State != tenant.Deleted || c.Tenants[0].Links != nil {
		t.Errorf("got %+v, want the deleted one without links", c)
	}
	get(s.Link(ctx, bolt, l("a", "x"), at(3)))(t) // free again
	if c := get(d.Directory().Tenants(ctx, c.Revision+1000))(t); !c.All {
		t.Errorf("after a restore: got %+v, want all", c)
	}
}

func tenantLinkRace(t *testing.T, d *store.DB) {
	const n = 8
	var ids [n]tenant.ID
	for i := range n {
		ids[i] = newTenant(t, d, fmt.Sprint("t", i))
	}
	l := tenant.Link{Issuer: "a", External: "x"}
	if won := race(t, n, func(i int) error {
		_, err := d.Tenants().Link(context.Background(), ids[i], l, at(1))
		return err
	}, tenant.ErrLinked); won != 1 {
		t.Errorf("%d tenants have one link", won)
	}
}
