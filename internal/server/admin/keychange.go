package admin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

func (k *keys) update(r *http.Request) (reply, error) {
	var in adminapi.KeyChange
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	key, err := k.get(r)
	if err != nil {
		return reply{}, err
	}
	change, err := k.change(in)
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		if err := change.Validate(); err != nil {
			return reply{}, err
		}
		if !key.RevokedAt.IsZero() {
			return reply{}, settled(key, apikey.ErrRevoked)
		}
		change.Apply(key)
		return k.answer(r.Context(), key, preview)
	}
	changed, err := k.Keys.Update(r.Context(), "", key.ID, change)
	if err != nil {
		return reply{}, settled(key, k.full(string(key.Tenant), err))
	}
	k.Log.Info("key updated", "key", changed.ID, "by", k.By)
	return k.answer(r.Context(), changed)
}

func (k *keys) change(in adminapi.KeyChange) (apikey.Change, error) {
	out := apikey.Change{Name: in.Name, Note: in.Note, Tools: in.Tools}
	if in.Networks != nil {
		list, err := networks(*in.Networks)
		if err != nil {
			return out, err
		}
		out.Networks = &list
	}
	if in.Expires != nil {
		end, err := adminapi.ParseExpiry(*in.Expires, k.Now())
		if err != nil {
			return out, bad(err.Error())
		}
		out.Expires = &end
	}
	// A variable that was not set must not take a limit away.
	if in.Limit != nil && *in.Limit == "" || in.Certificate != nil && *in.Certificate == "" {
		return out, bad("An empty limit or certificate says nothing. To remove one, say off.")
	}
	if in.Limit != nil {
		r, err := limit(*in.Limit)
		if err != nil {
			return out, err
		}
		out.Limit = &r
	}
	if in.Certificate != nil {
		p, err := certificate(*in.Certificate)
		if err != nil {
			return out, err
		}
		out.Certificate = &p
	}
	if out == (apikey.Change{}) {
		return out, bad("Nothing to change was named.")
	}
	return out, nil
}

func (k *keys) rotate(r *http.Request) (reply, error) {
	var in adminapi.Rotate
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	overlap := k.defaults().Overlap
	if in.Overlap != "" {
		var err error
		if overlap, err = adminapi.ParseDuration(in.Overlap); err != nil {
			return reply{}, bad(err.Error())
		}
	}
	key, err := k.get(r)
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		if err := key.Rotatable(k.Now()); err != nil {
			return reply{}, settled(key, err)
		}
		key.RetireAt = k.Now().UTC().Add(overlap)
		return k.answer(r.Context(), key, preview)
	}
	old, next, secret, err := k.Keys.Rotate(r.Context(), "", key.ID, overlap)
	if err != nil {
		return reply{}, settled(key, k.full(string(key.Tenant), err))
	}
	k.Log.Info("key rotated", "key", old.ID, "to", next.ID, "overlap", overlap, "by", k.By)
	return k.answer(r.Context(), next, reveal(secret), retires(old), created)
}

func (k *keys) cancel(r *http.Request) (reply, error) {
	key, err := k.get(r)
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		if err := key.Cancellable(k.Now()); err != nil {
			return reply{}, settled(key, err)
		}
		return k.answer(r.Context(), key, preview)
	}
	stays, err := k.Keys.CancelRotation(r.Context(), "", key.ID, k.By)
	if err != nil {
		return reply{}, settled(key, err)
	}
	k.Log.Info("key rotation cancelled", "key", stays.ID, "revoked", key.ReplacedBy, "by", k.By)
	return k.answer(r.Context(), stays)
}

func (k *keys) revoke(r *http.Request) (reply, error) {
	var in adminapi.Revoke
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	key, err := k.get(r)
	if err != nil {
		return reply{}, err
	}
	if dryRun(r) {
		if !key.RevokedAt.IsZero() {
			return reply{}, settled(key, apikey.ErrRevoked)
		}
		return k.answer(r.Context(), key, preview)
	}
	revoked, err := k.Keys.Revoke(r.Context(), "", key.ID, k.By, in.Reason)
	if err != nil {
		return reply{}, settled(key, err)
	}
	k.Log.Info("key revoked", "key", revoked.ID, "reason", in.Reason, "by", k.By)
	return k.answer(r.Context(), revoked)
}

// verify answers 200 whatever the key is worth: the question was fine.
func (k *keys) verify(r *http.Request) (reply, error) {
	var in adminapi.Verify
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	key, err := k.Judge.Identify(r.Context(), in.Key)
	var refused *gatehouse.Error
	switch {
	case errors.Is(err, gatehouse.ErrNotMine):
		return reply{body: adminapi.Verdict{Code: "GH-1010", Reason: "This is not a gatehouse key: those begin with gthk_."}}, nil
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return reply{body: adminapi.Verdict{Code: refused.Code, Reason: explain(refused)}}, nil
	case err != nil:
		return reply{}, err
	}
	t, err := k.Tenants.Find(r.Context(), string(key.Tenant))
	if err != nil {
		return reply{}, err
	}
	w, err := k.wire(r.Context(), key, &tenantNames{Tenants: k.Tenants})
	if err != nil {
		return reply{}, err
	}
	v := adminapi.Verdict{Key: w}
	v.Code, v.Reason = judged(key, t, k.Now())
	v.Valid = v.Code == ""
	return reply{body: v}, nil
}

// imports takes keys over one by one: some may be in already, and the rest of a
// long list should not wait for them.
func (k *keys) imports(r *http.Request) (reply, error) {
	var in adminapi.Import
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	out := adminapi.Imported{Results: make([]adminapi.ImportResult, len(in.Keys))}
	for i, one := range in.Keys {
		w, err := k.importOne(r, one)
		if err != nil {
			out.Results[i].Error = k.refusal(r, err)
			continue
		}
		out.Results[i].Key = w
	}
	return reply{body: out}, nil
}

func (k *keys) importOne(r *http.Request, in adminapi.ImportKey) (*adminapi.Key, error) {
	if in.Name == "" {
		in.Name = "imported"
	}
	t, spec, err := k.spec(r.Context(), in.NewKey)
	if err != nil {
		return nil, err
	}
	f := apikey.Foreign{Text: in.Key, ID: in.ID, Hash: in.Hash}
	key, err := k.service(r).Import(r.Context(), t.ID, f, spec)
	if err != nil {
		return nil, k.full(t.Name, err)
	}
	w, err := k.wire(r.Context(), key, &tenantNames{Tenants: k.Tenants})
	if err != nil {
		return nil, err
	}
	if w.DryRun = dryRun(r); !w.DryRun {
		k.Log.Info("key imported", "key", key.ID, "name", key.Name, "tenant", t.Name, "by", k.By)
	}
	return w, nil
}
