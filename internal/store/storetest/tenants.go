package storetest

import (
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

func tenantLife(t *testing.T, d *store.DB) {
	s, ctx := d.Tenants(), t.Context()
	id := newTenant(t, d, "acme")
	want := &tenant.Tenant{ID: id, Name: "acme", State: tenant.Active, Created: at(0), Changed: at(0)}
	wantSame(t, "by id", get(s.Get(ctx, id))(t), want)
	wantSame(t, "by name", get(s.ByName(ctx, "acme"))(t), want)

	want.State, want.Changed = tenant.Suspended, at(5)
	wantSame(t, "suspended", get(s.SetState(ctx, id, tenant.Suspended, at(5), "ada"))(t), want)
	wantSame(t, "suspended again", get(s.SetState(ctx, id, tenant.Suspended, at(6), "ada"))(t), want)
	wantSame(t, "stored", get(s.Get(ctx, id))(t), want)

	newTenant(t, d, "zeta")
	var names []string
	for _, one := range get(s.List(ctx))(t) {
		names = append(names, one.Name)
	}
	wantSame(t, "list", names, []string{"acme", "default", "zeta"})

	_, err := s.Get(ctx, "nobody")
	wantErr(t, "unknown id", err, tenant.ErrNotFound)
	_, err = s.ByName(ctx, "nobody")
	wantErr(t, "unknown name", err, tenant.ErrNotFound)
	_, err = s.SetState(ctx, "nobody", tenant.Suspended, at(1), "ada")
	wantErr(t, "suspend unknown", err, tenant.ErrNotFound)
	wantErr(t, "name twice", s.Create(ctx, &tenant.Tenant{ID: "other", Name: "acme", State: tenant.Active, Created: at(0), Changed: at(0)}), tenant.ErrExists)
}

func testA121RecycledTenant(t *testing.T, d *store.DB) {
	s, ctx := d.Tenants(), t.Context()
	old := newTenant(t, d, "acme")
	newKey(t, d, old, 1)
	get(s.SetState(ctx, old, tenant.Deleted, at(1), "ada"))(t)

	_, err := s.ByName(ctx, "acme")
	wantErr(t, "deleted by name", err, tenant.ErrNotFound)
	wantErr(t, "the deleted one's id", s.Create(ctx, &tenant.Tenant{ID: old, Name: "acme", State: tenant.Active, Created: at(0), Changed: at(0)}), tenant.ErrExists)
	must(t, s.Create(ctx, &tenant.Tenant{ID: "second", Name: "acme", State: tenant.Active, Created: at(2), Changed: at(2)}))
	wantSame(t, "by name", get(s.ByName(ctx, "acme"))(t).ID, tenant.ID("second"))
	wantSame(t, "old tenant", get(s.Get(ctx, old))(t).State, tenant.Deleted)

	_, err = s.SetState(ctx, old, tenant.Active, at(3), "ada")
	wantErr(t, "resume deleted", err, tenant.ErrNotFound)
	wantSame(t, "keys of the new tenant", len(get(d.Keys().List(ctx, "second"))(t)), 0)
	if k := get(d.Keys().Get(ctx, old, record(old, 1).Key.ID))(t); k.RevokedAt.IsZero() {
		t.Error("the old tenant's key is not revoked")
	}
}

func defaultTenant(t *testing.T, d *store.DB) {
	s, ctx := d.Tenants(), t.Context()
	def := get(s.ByName(ctx, tenant.Default))(t)
	newKey(t, d, def.ID, 1)
	_, err := s.SetState(ctx, def.ID, tenant.Deleted, at(1), "ada")
	wantErr(t, "delete default", err, tenant.ErrDefault)
	wantSame(t, "after the attempt", get(s.ByName(ctx, tenant.Default))(t), def)
	if k := get(d.Keys().Get(ctx, def.ID, record("", 1).Key.ID))(t); !k.RevokedAt.IsZero() {
		t.Error("a refused deletion revoked a key")
	}
	get(s.SetState(ctx, def.ID, tenant.Suspended, at(1), "ada"))(t)
}

func tenantRace(t *testing.T, d *store.DB) {
	won := race(t, 16, func(i int) error {
		return d.Tenants().Create(t.Context(), &tenant.Tenant{
			ID: tenant.ID(fmt.Sprint("racer-", i)), Name: "acme", State: tenant.Active, Created: at(0), Changed: at(0),
		})
	}, tenant.ErrExists)
	if won != 1 {
		t.Errorf("got %d winners, want 1", won)
	}
}

func tenantDelete(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a, b := newTenant(t, d, "acme"), newTenant(t, d, "bolt")
	mine, gone, others := newKey(t, d, a, 1), newKey(t, d, a, 2), newKey(t, d, b, 3)
	get(d.Keys().Revoke(ctx, a, gone.ID, at(1), "bob", "leaked"))(t)
	get(d.Tenants().SetState(ctx, a, tenant.Deleted, at(2), "ada"))(t)

	k := get(d.Keys().Get(ctx, a, mine.ID))(t)
	if !k.RevokedAt.Equal(at(2)) || k.RevokedBy != "ada" || k.Reason != "tenant deleted" {
		t.Errorf("got %+v, want revoked by ada", k)
	}
	wantSame(t, "revoked before", get(d.Keys().Get(ctx, a, gone.ID))(t).Reason, "leaked")
	wantSame(t, "another tenant's", get(d.Keys().Get(ctx, b, others.ID))(t), others)
	wantErr(t, "a new key", d.Keys().Create(ctx, a, record(a, 4)), tenant.ErrNotFound)
	r := get(d.Source().Lookup(ctx, mine.ID))(t)
	wantSame(t, "state seen by the verifier", r.TenantState, tenant.Deleted)
}
