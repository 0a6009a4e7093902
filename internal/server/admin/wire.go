package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// tenantNames finds the tenants of keys, each once.
type tenantNames struct {
	Tenants *tenant.Service
	known   map[tenant.ID]*tenant.Tenant
}

func (n *tenantNames) of(ctx context.Context, id tenant.ID) (*tenant.Tenant, error) {
	if t := n.known[id]; t != nil {
		return t, nil
	}
	t, err := n.Tenants.Find(ctx, string(id))
	if err != nil {
		return nil, err
	}
	if n.known == nil {
		n.known = map[tenant.ID]*tenant.Tenant{}
	}
	n.known[id] = t
	return t, nil
}

// wire is a key as an operator sees it, its secret excepted.
func (k *keys) wire(ctx context.Context, key *apikey.Key, names *tenantNames) (*adminapi.Key, error) {
	t, err := names.of(ctx, key.Tenant)
	if err != nil {
		return nil, fmt.Errorf("tenant of key %s: %w", key.ID, err)
	}
	w := &adminapi.Key{
		ID: key.ID, Name: key.Name, Tenant: t.Name, State: string(key.State(k.Now())), Note: key.Note,
		Tools: append([]string{}, key.Tools...), Networks: []string{},
		Created: key.Created, Expires: pointer(key.Expires),
		Replaces: key.Replaces, ReplacedBy: key.ReplacedBy, RetireAt: pointer(key.RetireAt),
		RevokedAt: pointer(key.RevokedAt), RevokedBy: key.RevokedBy, Reason: key.Reason,
		LastUsed: pointer(key.LastUsed.At),
	}
	if !key.Limit.Zero() {
		w.Limit = key.Limit.String()
	}
	if !key.Certificate.Zero() {
		w.Certificate = key.Certificate.String()
	}
	if t.State != tenant.Active {
		w.TenantState = string(t.State)
	}
	for _, p := range key.Networks {
		w.Networks = append(w.Networks, p.String())
	}
	if u := key.LastUsed; !u.At.IsZero() {
		w.LastUsedAddress, w.LastUsedClient, w.LastUsedTool = u.Address.String(), u.Client, u.Tool
	}
	return w, nil
}

// pointer returns nil for the zero time, which is null in JSON.
func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// extra is what an answer about a key has besides the key.
type extra func(*reply, *adminapi.Key)

// answer is a key on the wire.
func (k *keys) answer(ctx context.Context, key *apikey.Key, more ...extra) (reply, error) {
	w, err := k.wire(ctx, key, &tenantNames{Tenants: k.Tenants})
	if err != nil {
		return reply{}, err
	}
	out := reply{body: w}
	for _, add := range more {
		add(&out, w)
	}
	return out, nil
}

func preview(_ *reply, w *adminapi.Key) { w.DryRun = true }

func created(out *reply, _ *adminapi.Key) { out.status = http.StatusCreated }

// reveal adds the secret: the only place from which it leaves the process.
func reveal(s apikey.Secret) extra {
	return func(_ *reply, w *adminapi.Key) { w.Key = s.Reveal() }
}

// retires tells when the key that was rotated ends.
func retires(old *apikey.Key) extra {
	return func(_ *reply, w *adminapi.Key) { w.RetireAt = pointer(old.RetireAt) }
}

// explain is the full story of a refusal, for the operator who asked.
func explain(e *gatehouse.Error) string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return e.Description
}

// judged says why a key would be refused now, as a stable code and a sentence;
// empty when it would not.
func judged(key *apikey.Key, t *tenant.Tenant, now time.Time) (code, reason string) {
	day := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 MST") }
	switch key.State(now) {
	case apikey.StateRevoked:
		reason = fmt.Sprintf("Key %s was revoked %s by %s.", key.ID, day(key.RevokedAt), key.RevokedBy)
		if key.Reason != "" {
			reason += fmt.Sprintf(" Reason: %s.", key.Reason)
		}
		return "GH-1011", reason
	case apikey.StateExpired:
		return "GH-1011", fmt.Sprintf("Key %s expired %s. Rotate before the end next time; now make another.", key.ID, day(key.Expires))
	case apikey.StateReplaced:
		return "GH-1012", fmt.Sprintf("Key %s was replaced by %s; its overlap ended %s.", key.ID, key.ReplacedBy, day(key.RetireAt))
	case apikey.StateActive, apikey.StateRetiring:
	}
	if t.State != tenant.Active {
		return "GH-1013", fmt.Sprintf("Tenant %s is %s.", t.Name, t.State)
	}
	return "", ""
}

// limitOf reads how many rows are wanted at most; none said leaves it as it is.
func limitOf(q url.Values, into *int) error {
	text := q.Get("limit")
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		return bad("limit is a number from 1 to 10000.")
	}
	*into = n
	return nil
}
