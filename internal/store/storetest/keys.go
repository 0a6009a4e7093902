package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func keyRoundTrip(t *testing.T, d *store.DB) {
	ctx, tn := t.Context(), newTenant(t, d, "acme")
	full := record(tn, 1)
	bare := &apikey.Record{Key: apikey.Key{ID: "bare00000000", Family: "bare00000000", Tenant: tn, Name: "bare", Created: at(1)}}
	for _, r := range []*apikey.Record{full, bare} {
		must(t, d.Keys().Create(ctx, tn, r))
		want := *r
		want.TenantName, want.TenantState = "acme", tenant.Active
		if want.Key.Tools == nil {
			want.Key.Tools, want.Key.Networks = []string{}, []netip.Prefix{}
		}
		wantSame(t, "record", get(d.Source().Lookup(ctx, r.Key.ID))(t), &want)
		wantSame(t, "key", get(d.Keys().Get(ctx, tn, r.Key.ID))(t), &want.Key)
	}
	ids := []string{}
	for _, k := range get(d.Keys().List(ctx, tn))(t) {
		ids = append(ids, k.ID)
	}
	wantSame(t, "list, newest first", ids, []string{bare.Key.ID, full.Key.ID})
	_, err := d.Keys().Get(ctx, tn, "nokeyatall00")
	wantErr(t, "unknown", err, apikey.ErrNotFound)
	_, err = d.Source().Lookup(ctx, "nokeyatall00")
	wantErr(t, "look up unknown", err, apikey.ErrNotFound)
}

func keyIDs(t *testing.T, d *store.DB) {
	ctx, tn := t.Context(), newTenant(t, d, "acme")
	k := newKey(t, d, tn, 1)
	other := newTenant(t, d, "bolt")
	get(d.Keys().Revoke(ctx, tn, k.ID, at(1), "", ""))(t)
	wantErr(t, "the same tenant", d.Keys().Create(ctx, tn, record(tn, 1)), apikey.ErrExists)
	wantErr(t, "another tenant", d.Keys().Create(ctx, other, record(other, 1)), apikey.ErrExists)
	m := minted(1, 2)
	m.ID = k.ID
	live := newKey(t, d, tn, 2)
	_, _, err := d.Keys().Rotate(ctx, tn, live.ID, m, at(3))
	wantErr(t, "rotation", err, apikey.ErrExists)
	wantSame(t, "rotated to nothing", get(d.Keys().Get(ctx, tn, live.ID))(t), live)
}

func keyTenant(t *testing.T, d *store.DB) {
	wantErr(t, "no tenant", d.Keys().Create(t.Context(), "nobody", record("nobody", 1)), tenant.ErrNotFound)
	wantErr(t, "every tenant", d.Keys().Create(t.Context(), "", record("", 1)), tenant.ErrNotFound)
	tn := newTenant(t, d, "acme")
	get(d.Tenants().SetState(t.Context(), tn, tenant.Suspended, at(0), ""))(t)
	must(t, d.Keys().Create(t.Context(), tn, record(tn, 1)))
	wantSame(t, "state", get(d.Source().Lookup(t.Context(), record("", 1).Key.ID))(t).TenantState, tenant.Suspended)
}

func apart(t *testing.T, d *store.DB) {
	s, ctx := d.Keys(), t.Context()
	a, b := newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	mine, theirs := newKey(t, d, a, 1), newKey(t, d, b, 2)
	get3 := func(_, _ *apikey.Key, err error) error { return err }
	name := "taken over"
	for what, call := range map[string]func() error{
		"get":    func() error { _, err := s.Get(ctx, a, theirs.ID); return err },
		"update": func() error { _, err := s.Update(ctx, a, theirs.ID, apikey.Change{Name: &name}); return err },
		"revoke": func() error { _, err := s.Revoke(ctx, a, theirs.ID, at(1), "", ""); return err },
		"rotate": func() error { return get3(s.Rotate(ctx, a, theirs.ID, minted(1, 1), at(2))) },
		"cancel": func() error { _, err := s.CancelRotation(ctx, a, theirs.ID, at(1), ""); return err },
	} {
		wantErr(t, what, call(), apikey.ErrNotFound)
	}
	wantSame(t, "their key", get(s.Get(ctx, b, theirs.ID))(t), theirs)
	wantSame(t, "my list", get(s.List(ctx, a))(t), []apikey.Key{*mine})
	wantSame(t, "every tenant's list", len(get(s.List(ctx, ""))(t)), 2)
	wantSame(t, "any tenant's key", get(s.Get(ctx, "", theirs.ID))(t), theirs)
}

func update(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	want := newKey(t, d, tn, 1)
	name, note, never := "renamed", "", time.Time{}
	for _, c := range []apikey.Change{
		{Name: &name},
		{Note: &note},
		{Tools: &[]string{"*"}},
		{Networks: &[]netip.Prefix{}},
		{Expires: &never},
		{Limit: &unit.Rate{Count: 5, Per: 24 * time.Hour}},
		{Certificate: &apikey.Thumbprint{2}},
		{Limit: &unit.Rate{}},
		{Certificate: &apikey.Thumbprint{}},
		{},
	} {
		c.Apply(want)
		wantSame(t, "returned", get(s.Update(ctx, tn, want.ID, c))(t), want)
		wantSame(t, "stored", get(s.Get(ctx, tn, want.ID))(t), want)
	}
	get(s.Revoke(ctx, tn, want.ID, at(1), "", ""))(t)
	_, err := s.Update(ctx, tn, want.ID, apikey.Change{Name: &name})
	wantErr(t, "revoked", err, apikey.ErrRevoked)
}

func revoke(t *testing.T, d *store.DB) {
	s, ctx, tn := d.Keys(), t.Context(), newTenant(t, d, "acme")
	want := newKey(t, d, tn, 1)
	want.RevokedAt, want.RevokedBy, want.Reason = at(1), "ada", "leaked"
	wantSame(t, "returned", get(s.Revoke(ctx, tn, want.ID, at(1), "ada", "leaked"))(t), want)
	again, err := s.Revoke(ctx, tn, want.ID, at(2), "bob", "again")
	wantErr(t, "again", err, apikey.ErrRevoked)
	wantSame(t, "returned again", again, want)
	wantSame(t, "stored", get(s.Get(ctx, tn, want.ID))(t), want)
	none, err := s.Revoke(ctx, tn, "nokeyatall00", at(2), "", "")
	wantErr(t, "unknown", err, apikey.ErrNotFound)
	if none != nil {
		t.Errorf("got %+v beside an error, want nil", none)
	}
	if won := race(t, 16, func(i int) error {
		_, err := s.Revoke(ctx, tn, newKeyOnce(t, d, tn, i), at(3), "", "")
		return err
	}, apikey.ErrRevoked); won != 1 {
		t.Errorf("got %d first revocations, want 1", won)
	}
}

// newKeyOnce makes key 99 if it is not there, and returns its id.
func newKeyOnce(t *testing.T, d *store.DB, tn tenant.ID, _ int) string {
	r := record(tn, 99)
	if err := d.Keys().Create(t.Context(), tn, r); err != nil {
		wantErr(t, "create", err, apikey.ErrExists)
	}
	return r.Key.ID
}
