package tenant_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// newService returns a service over a database of the test's own, and how often it announced a change.
func newService(t *testing.T) (*tenant.Service, *int) {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "private", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	changes := new(int)
	return &tenant.Service{Store: d.Tenants(), Changed: func() { *changes++ }}, changes
}

func TestValidate(t *testing.T) {
	for name, want := range map[string]bool{
		"acme": true, "a": true, "0": true, "a-b-": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "Acme": false, "a_b": false, "a b": false, "ü": false, "a\n": false, strings.Repeat("a", 64): false,
	} {
		if err := tenant.Validate(name); (err == nil) != want || err != nil && !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("%.70q: got %v, want valid: %v", name, err, want)
		}
	}
}

func TestLife(t *testing.T) {
	s, changes := newService(t)
	ctx := t.Context()
	a, err := s.Create(ctx, "acme")
	if err != nil || a.State != tenant.Active || a.Created.IsZero() || len(a.ID) < 20 {
		t.Fatalf("got %+v, %v", a, err)
	}
	for _, handle := range []string{"acme", string(a.ID)} {
		if got, err := s.Find(ctx, handle); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("find %s: got %+v, %v, want %+v", handle, got, err, a)
		}
	}
	steps := []struct {
		do   func(context.Context, tenant.ID, string) (*tenant.Tenant, error)
		want tenant.State
	}{{s.Suspend, tenant.Suspended}, {s.Suspend, tenant.Suspended}, {s.Resume, tenant.Active}, {s.Delete, tenant.Deleted}}
	for _, step := range steps {
		if got, err := step.do(ctx, a.ID, "ada"); err != nil || got.State != step.want {
			t.Errorf("got %+v, %v, want %s", got, err, step.want)
		}
	}
	if *changes != 5 {
		t.Errorf("got %d announcements, want 5", *changes)
	}
	if got, err := s.Find(ctx, string(a.ID)); err != nil || got.State != tenant.Deleted {
		t.Errorf("a deleted tenant by id: got %+v, %v", got, err)
	}
	all, err := s.List(ctx)
	if err != nil || len(all) != 1 || all[0].Name != tenant.Default {
		t.Errorf("got %+v, %v, want the default tenant", all, err)
	}
}

func TestRefusals(t *testing.T) {
	s, changes := newService(t)
	ctx := t.Context()
	def, err := s.Find(ctx, tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	calls := []struct {
		name string
		call func() error
		want error
	}{
		{"a bad name", func() error { _, err := s.Create(ctx, "Bad Name"); return err }, tenant.ErrInvalid},
		{"a name that is taken", func() error { _, err := s.Create(ctx, tenant.Default); return err }, tenant.ErrExists},
		{"nobody", func() error { _, err := s.Find(ctx, "nobody"); return err }, tenant.ErrNotFound},
		{"the empty name", func() error { _, err := s.Find(ctx, ""); return err }, tenant.ErrNotFound},
		{"suspending nobody", func() error { _, err := s.Suspend(ctx, "nobody", ""); return err }, tenant.ErrNotFound},
		{"deleting the default", func() error { _, err := s.Delete(ctx, def.ID, ""); return err }, tenant.ErrDefault},
	}
	for _, c := range calls {
		if err := c.call(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if *changes != 0 {
		t.Errorf("got %d announcements of nothing", *changes)
	}
}

// A store that does not answer is the store's fault, and the caller may try again.
func TestStoreAway(t *testing.T) {
	s, _ := newService(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	calls := map[string]func() error{
		"create": func() error { _, err := s.Create(ctx, "acme"); return err },
		"find":   func() error { _, err := s.Find(ctx, "acme"); return err },
		"list":   func() error { _, err := s.List(ctx); return err },
		"delete": func() error { _, err := s.Delete(ctx, "x", ""); return err },
	}
	for name, call := range calls {
		if e, ok := errors.AsType[*gatehouse.Error](call()); !ok || e.Code != "GH-1902" || e.Status != 503 {
			t.Errorf("%s: got %v, want GH-1902", name, e)
		}
	}
}
