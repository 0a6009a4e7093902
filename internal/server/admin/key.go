package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// keys are the endpoints about API keys that make or show them; those that
// change one stand in keychange.go.
type keys struct{ *Admin }

func (k *keys) list(r *http.Request) (reply, error) {
	var of tenant.ID
	names := tenantNames{Tenants: k.Tenants}
	if name := r.FormValue("tenant"); name != "" {
		t, err := k.find(r.Context(), name)
		if err != nil {
			return reply{}, err
		}
		of = t.ID
	}
	k.Judge.Flush(r.Context())
	list, err := k.Keys.List(r.Context(), of)
	if err != nil {
		return reply{}, err
	}
	out := make([]adminapi.Key, len(list))
	for i := range list {
		w, err := k.wire(r.Context(), &list[i], &names)
		if err != nil {
			return reply{}, err
		}
		out[i] = *w
	}
	return reply{body: out}, nil
}

func (k *keys) show(r *http.Request) (reply, error) {
	key, err := k.get(r)
	if err != nil {
		return reply{}, err
	}
	return k.answer(r.Context(), key)
}

func (k *keys) create(r *http.Request) (reply, error) {
	var in adminapi.NewKey
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	t, spec, err := k.spec(r.Context(), in)
	if err != nil {
		return reply{}, err
	}
	key, secret, err := k.service(r).Create(r.Context(), t.ID, spec)
	if err != nil {
		return reply{}, k.full(t.Name, err)
	}
	if dryRun(r) {
		key.ID = ""
		return k.answer(r.Context(), key, preview)
	}
	k.Log.Info("key created", "key", key.ID, "name", key.Name, "tenant", t.Name, "by", k.By)
	return k.answer(r.Context(), key, reveal(secret), created)
}

// service creates keys, or with a dry run does all of it but storing them.
func (k *keys) service(r *http.Request) *apikey.Service {
	if !dryRun(r) {
		return k.Keys
	}
	rehearsed := *k.Keys
	rehearsed.Store, rehearsed.Changed = rehearsal{k.Keys.Store}, nil
	return &rehearsed
}

// rehearsal is a store that creates nothing but knows whether it could.
type rehearsal struct{ apikey.Store }

// Create says what would become of the key.
func (s rehearsal) Create(ctx context.Context, t tenant.ID, rec *apikey.Record) error {
	_, err := s.Get(ctx, "", rec.Key.ID)
	switch {
	case err == nil:
		return apikey.ErrExists
	case !errors.Is(err, apikey.ErrNotFound):
		return err
	}
	most := bound(s.Store)
	if most == 0 {
		return nil
	}
	list, err := s.List(ctx, t)
	if err != nil {
		return err
	}
	families := map[string]bool{}
	for i := range list {
		if state := list[i].State(rec.Key.Created); state == apikey.StateActive || state == apikey.StateRetiring {
			families[list[i].Family] = true
		}
	}
	if len(families) >= most {
		return apikey.ErrFull
	}
	return nil
}

// bound is how many keys of a tenant the store lets be honoured; zero: any number.
func bound(s apikey.Store) int {
	if b, ok := s.(interface{ KeysBound() int }); ok {
		return b.KeysBound()
	}
	return 0
}

// full says what to do about a tenant that has all the keys it may have.
func (k *keys) full(tenant string, err error) error {
	if !errors.Is(err, apikey.ErrFull) {
		return err
	}
	return &adminapi.Error{
		Status: http.StatusConflict, Code: codeFull,
		Message: fmt.Sprintf("Tenant %s may have %d keys at once (auth.api_keys.max_per_tenant), and has them. "+
			"Revoke one that is not needed: gatehouse key list --tenant %[1]s; or raise the number.", tenant, bound(k.Keys.Store)),
	}
}

// spec reads what a new key should be.
func (k *keys) spec(ctx context.Context, in adminapi.NewKey) (*tenant.Tenant, apikey.Spec, error) {
	if in.Tenant == "" {
		in.Tenant = tenant.Default
	}
	t, err := k.find(ctx, in.Tenant)
	if err != nil {
		return nil, apikey.Spec{}, err
	}
	if t.State == tenant.Deleted {
		return nil, apikey.Spec{}, conflict(fmt.Sprintf("Tenant %s was deleted. Create another one for new keys.", t.Name))
	}
	if len(in.Tools) == 0 {
		in.Tools = []string{"*"}
	}
	if in.Expires == "" {
		in.Expires = k.Now().UTC().Add(k.defaults().TTL).Format(time.RFC3339)
	}
	spec := apikey.Spec{Name: in.Name, Note: in.Note, Tools: in.Tools}
	if spec.Limit, err = limit(in.Limit); err != nil {
		return nil, apikey.Spec{}, err
	}
	if spec.Certificate, err = certificate(in.Certificate); err != nil {
		return nil, apikey.Spec{}, err
	}
	if spec.Expires, err = adminapi.ParseExpiry(in.Expires, k.Now()); err != nil {
		return nil, apikey.Spec{}, bad(err.Error())
	}
	spec.Networks, err = networks(in.Networks)
	return t, spec, err
}

// Defaults are what a request for a key leaves out.
type Defaults struct {
	TTL     time.Duration // life of a new key; zero: adminapi.DefaultLifetime
	Overlap time.Duration // of a rotation; zero: adminapi.DefaultOverlap
}

// defaults are those of the configuration, completed.
func (a *Admin) defaults() Defaults {
	var d Defaults
	if a.Defaults != nil {
		d = a.Defaults()
	}
	if d.TTL <= 0 {
		d.TTL = adminapi.DefaultLifetime
	}
	if d.Overlap <= 0 {
		d.Overlap = adminapi.DefaultOverlap
	}
	return d
}

// limit reads a key's own rate; empty or "off": none.
func limit(text string) (unit.Rate, error) {
	if text == "" {
		return unit.Rate{}, nil
	}
	r, err := unit.ParseRate(text)
	if err != nil {
		return r, bad("Limit: " + err.Error() + ".")
	}
	return r, nil
}

// certificate reads a thumbprint; empty or "off": none.
func certificate(text string) (apikey.Thumbprint, error) {
	if text == "" {
		return apikey.Thumbprint{}, nil
	}
	return apikey.ParseThumbprint(text)
}

// networks reads "203.0.113.0/24" and plain addresses.
func networks(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, bad(fmt.Sprintf("%.80q is not a network like 203.0.113.0/24 or an address.", text))
		}
		out = append(out, p)
	}
	return out, nil
}

// get returns the key that the path names. Whoever typed a name is told the id.
func (k *keys) get(r *http.Request) (*apikey.Key, error) {
	id := r.PathValue("id")
	k.Judge.Flush(r.Context())
	key, err := k.Keys.Get(r.Context(), "", id)
	if !errors.Is(err, apikey.ErrNotFound) {
		return key, err
	}
	message := fmt.Sprintf("No key has the id %.40q.", id)
	list, listErr := k.Keys.List(r.Context(), "")
	if listErr != nil {
		return nil, listErr
	}
	for i := range list {
		if list[i].Name == id && list[i].RevokedAt.IsZero() {
			message += fmt.Sprintf(" The key named %q has the id %s.", id, list[i].ID)
			break
		}
	}
	return nil, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: message + " List them with: gatehouse key list"}
}

// find returns a tenant by name or id.
func (a *Admin) find(ctx context.Context, name string) (*tenant.Tenant, error) {
	t, err := a.Tenants.Find(ctx, name)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, &adminapi.Error{
			Status: http.StatusNotFound, Code: codeNotFound,
			Message: fmt.Sprintf("There is no tenant %.80q. List them with: gatehouse tenant list", name),
		}
	}
	return t, err
}
