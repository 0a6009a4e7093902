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
		out[i] = t.wire(&list[i], counts[list[i].ID])
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

func (t *tenants) wire(one *tenant.Tenant, keys int) adminapi.Tenant {
	w := adminapi.Tenant{
		ID: string(one.ID), Name: one.Name, State: string(one.State), Keys: keys, Created: one.Created, Changed: one.Changed,
	}
	for _, l := range one.Links {
		w.ExternalIDs = append(w.ExternalIDs, adminapi.ExternalID{Issuer: l.Issuer, IssuerName: t.nameOf(l.Issuer), Value: l.External})
	}
	return w
}

func (t *tenants) answer(ctx context.Context, one *tenant.Tenant) (adminapi.Tenant, error) {
	counts, err := t.counts(ctx, one.ID)
	return t.wire(one, counts[one.ID]), err
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
	links := make([]tenant.Link, len(in.ExternalIDs))
	for i, e := range in.ExternalIDs {
		l, err := t.linkOf(e)
		if err != nil {
			return reply{}, err
		}
		links[i] = l
	}
	if dryRun(r) {
		w, err := t.rehearse(r.Context(), in.Name, links)
		return reply{body: w}, err
	}
	one, err := t.Tenants.Create(r.Context(), in.Name, links...)
	switch {
	case errors.Is(err, tenant.ErrExists):
		return reply{}, taken(in.Name)
	case errors.Is(err, tenant.ErrLinked):
		for _, l := range links {
			if held := t.linked(r.Context(), l); held != nil {
				return reply{}, held
			}
		}
	}
	if err != nil {
		return reply{}, err
	}
	t.Log.Info("tenant created", "tenant", one.Name, "by", t.By)
	return reply{status: http.StatusCreated, body: t.wire(one, 0)}, nil
}

// rehearse says what creating a tenant would do.
func (t *tenants) rehearse(ctx context.Context, name string, links []tenant.Link) (w adminapi.Tenant, err error) {
	if err := tenant.Validate(name); err != nil {
		return w, err
	}
	switch _, err := t.Tenants.Store.ByName(ctx, name); {
	case err == nil:
		return w, taken(name)
	case !errors.Is(err, tenant.ErrNotFound):
		return w, err
	}
	for _, l := range links {
		if err := t.linked(ctx, l); err != nil {
			return w, err
		}
	}
	now := t.Now().UTC().Truncate(time.Second)
	w = t.wire(&tenant.Tenant{Name: name, State: tenant.Active, Created: now, Changed: now, Links: links}, 0)
	w.DryRun = true
	return w, nil
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
	w := t.wire(one, counts[one.ID])
	w.State, w.DryRun = string(to), dryRun(r)
	return reply{body: w}, nil
}
