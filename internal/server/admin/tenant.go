package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// tenants are the endpoints about tenants.
type tenants struct{ *Admin }

func (t *tenants) list(r *http.Request) (reply, error) {
	list, err := t.Tenants.List(r.Context())
	if err != nil {
		return reply{}, err
	}
	counts, err := t.counts(r.Context(), "")
	if err != nil {
		return reply{}, err
	}
	out := make([]adminapi.Tenant, len(list))
	for i := range list {
		out[i] = wireTenant(&list[i], counts[list[i].ID])
	}
	return reply{body: out}, nil
}

// counts says how many keys of each tenant have not ended.
func (t *tenants) counts(ctx context.Context, of tenant.ID) (map[tenant.ID]int, error) {
	list, err := t.Keys.List(ctx, of)
	if err != nil {
		return nil, err
	}
	n := map[tenant.ID]int{}
	for i := range list {
		if s := list[i].State(t.Now()); s == apikey.StateActive || s == apikey.StateRetiring {
			n[list[i].Tenant]++
		}
	}
	return n, nil
}

func wireTenant(t *tenant.Tenant, keys int) adminapi.Tenant {
	return adminapi.Tenant{
		ID: string(t.ID), Name: t.Name, State: string(t.State), Keys: keys, Created: t.Created, Changed: t.Changed,
	}
}

func (t *tenants) answer(ctx context.Context, one *tenant.Tenant) (adminapi.Tenant, error) {
	counts, err := t.counts(ctx, one.ID)
	return wireTenant(one, counts[one.ID]), err
}

func (t *tenants) show(r *http.Request) (reply, error) {
	one, err := t.find(r.Context(), r.PathValue("name"))
	if err != nil {
		return reply{}, err
	}
	w, err := t.answer(r.Context(), one)
	return reply{body: w}, err
}

func (t *tenants) create(r *http.Request) (reply, error) {
	var in adminapi.NewTenant
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		if err := tenant.Validate(in.Name); err != nil {
			return reply{}, err
		}
		switch _, err := t.Tenants.Store.ByName(r.Context(), in.Name); {
		case err == nil:
			return reply{}, taken(in.Name)
		case !errors.Is(err, tenant.ErrNotFound):
			return reply{}, err
		}
		now := t.Now().UTC().Truncate(time.Second)
		w := wireTenant(&tenant.Tenant{Name: in.Name, State: tenant.Active, Created: now, Changed: now}, 0)
		w.DryRun = true
		return reply{body: w}, nil
	}
	one, err := t.Tenants.Create(r.Context(), in.Name)
	if errors.Is(err, tenant.ErrExists) {
		return reply{}, taken(in.Name)
	}
	if err != nil {
		return reply{}, err
	}
	t.Log.Info("tenant created", "tenant", one.Name, "by", t.By)
	return reply{status: http.StatusCreated, body: wireTenant(one, 0)}, nil
}

func taken(name string) error {
	return &adminapi.Error{Status: http.StatusConflict, Code: codeExists, Message: fmt.Sprintf("A tenant %s exists. Look at it with: gatehouse tenant show %s", name, name)}
}

func (t *tenants) suspend(r *http.Request) (reply, error) {
	return t.set(r, "tenant suspended", tenant.Suspended, t.Tenants.Suspend)
}

func (t *tenants) resume(r *http.Request) (reply, error) {
	return t.set(r, "tenant resumed", tenant.Active, t.Tenants.Resume)
}

func (t *tenants) remove(r *http.Request) (reply, error) {
	return t.set(r, "tenant deleted", tenant.Deleted, t.Tenants.Delete)
}

// set changes a tenant's state; asking for the state it has is a conflict, so
// that a script learns that somebody else was there first.
func (t *tenants) set(r *http.Request, event string, to tenant.State, do func(context.Context, tenant.ID, string) (*tenant.Tenant, error)) (reply, error) {
	one, err := t.find(r.Context(), r.PathValue("name"))
	if err != nil {
		return reply{}, err
	}
	switch {
	case one.State == to:
		return reply{}, conflict(fmt.Sprintf("Tenant %s is %s already.", one.Name, to))
	case one.State == tenant.Deleted:
		return reply{}, conflict(fmt.Sprintf("Tenant %s was deleted; that is final.", one.Name))
	case to == tenant.Deleted && one.Name == tenant.Default:
		return reply{}, tenant.ErrDefault
	}
	counts, err := t.counts(r.Context(), one.ID) // before: deleting revokes them
	if err != nil {
		return reply{}, err
	}
	if !dryRun(r) {
		if one, err = do(r.Context(), one.ID, t.By); err != nil {
			return reply{}, err
		}
		t.Log.Info(event, "tenant", one.Name, "keys", counts[one.ID], "by", t.By)
	}
	w := wireTenant(one, counts[one.ID])
	w.State, w.DryRun = string(to), dryRun(r)
	return reply{body: w}, nil
}
