package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// tokens are the endpoints about access tokens.
type tokens struct{ *Admin }

// slack is for how long a token is taken to be accepted after it said that it ends.
const slack = 10 * time.Minute

func (t *tokens) issuers(*http.Request) (reply, error) {
	out := []adminapi.Issuer{}
	for _, i := range t.known() {
		out = append(out, adminapi.Issuer{Name: i.Name, Issuer: i.Values[0], Also: i.Values[1:]})
	}
	return reply{body: out}, nil
}

func (t *tokens) list(r *http.Request) (reply, error) {
	q := r.URL.Query()
	f := token.Filter{Kind: token.Kind(q.Get("kind")), Value: q.Get("value")}
	if text := q.Get("issuer"); text != "" {
		i, err := t.issuer(text)
		if err != nil {
			return reply{}, err
		}
		f.Issuer = i.Values[0]
	}
	if err := limitOf(q, &f.Limit); err != nil {
		return reply{}, err
	}
	if f.Kind == token.KindTenant && f.Value != "" {
		one, err := t.find(r.Context(), f.Value)
		if err != nil {
			return reply{}, err
		}
		f.Value = string(one.ID)
	}
	list, total, err := t.Tokens.List(r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	out := adminapi.Revocations{Total: total, Revocations: make([]adminapi.Revocation, len(list))}
	names := &tenantNames{Tenants: t.Tenants}
	for i := range list {
		out.Revocations[i] = t.wire(r.Context(), &list[i], names)
	}
	return reply{body: out}, nil
}

// wire is a revocation as an operator sees it.
func (t *tokens) wire(ctx context.Context, r *token.Revocation, names *tenantNames) adminapi.Revocation {
	w := adminapi.Revocation{
		ID: r.ID, Kind: string(r.Kind), Value: r.Value, Issuer: r.Issuer, IssuerName: t.nameOf(r.Issuer),
		Before: pointer(r.Before), Expires: pointer(r.Expires), Created: r.Created, By: r.By, Reason: r.Reason,
	}
	if r.Kind == token.KindTenant {
		if one, err := names.of(ctx, tenant.ID(r.Value)); err == nil { // its id says enough
			w.Tenant = one.Name
		}
	}
	return w
}

func (t *tokens) revoke(r *http.Request) (reply, error) {
	var in adminapi.NewRevocation
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	s, err := t.spec(r.Context(), in)
	if err != nil {
		return reply{}, err
	}
	do := t.Tokens.Revoke
	if dryRun(r) {
		do = func(_ context.Context, s token.Spec) (*token.Revocation, error) { return t.Tokens.Preview(s) }
	}
	one, err := do(r.Context(), s)
	if errors.Is(err, token.ErrFull) {
		return reply{}, conflict(fmt.Sprintf("%d tokens are revoked one by one, which is the most. Revoke a subject, a client or an issuer as a whole, or let old ones end: --expires.", token.MaxRevocations))
	}
	if err != nil {
		return reply{}, err
	}
	w := t.wire(r.Context(), one, &tenantNames{Tenants: t.Tenants})
	if w.DryRun = dryRun(r); w.DryRun {
		return reply{body: w}, nil
	}
	said := []any{"revocation", one.ID, "of", one.Kind, "value", one.Value, "issuer", one.Issuer, "by", t.By}
	if !one.Before.IsZero() {
		said = append(said, "before", one.Before)
	}
	t.Log.Info("tokens revoked", said...)
	return reply{status: http.StatusCreated, body: w}, nil
}

// spec reads what is to be revoked.
func (t *tokens) spec(ctx context.Context, in adminapi.NewRevocation) (s token.Spec, err error) {
	s = token.Spec{Target: token.Target{Kind: token.Kind(in.Kind), Value: in.Value}, By: t.By, Reason: in.Reason}
	if in.Issuer != "" {
		i, err := t.issuer(in.Issuer)
		if err != nil {
			return s, err
		}
		s.Issuer, s.Lives = i.Values[0], i.Lives
	} else {
		s.Lives = t.longest()
	}
	if s.Kind == token.KindTenant && in.Value != "" {
		one, err := t.find(ctx, in.Value)
		if err != nil {
			return s, err
		}
		s.Value = string(one.ID)
	}
	now := t.Now()
	if in.Before != "" {
		if s.Before, err = before(in.Before, now); err != nil {
			return s, err
		}
	}
	if in.Expires != "" {
		if s.Expires, err = adminapi.ParseExpiry(in.Expires, now); err != nil {
			return s, bad(err.Error())
		}
		if in.Expires == "never" {
			s.Lives = 0
		}
		return s, nil
	}
	if in.Ends != nil {
		end := in.Ends.Add(slack)
		switch {
		case !end.After(now):
			return s, conflict(fmt.Sprintf("The token ended by itself, %s.", in.Ends.UTC().Format(time.RFC3339)))
		case end.After(now.Add(s.Lives)): // whoever says less than it may live is not believed
			s.Expires = end
		}
	}
	return s, nil
}

// longest is how long a token of any issuer may live; zero: nobody knows.
func (t *tokens) longest() (most time.Duration) {
	for _, i := range t.known() {
		if i.Lives <= 0 {
			return 0
		}
		most = max(most, i.Lives)
	}
	return most
}

// before reads the moment before which what was issued is refused.
func before(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	d, err := adminapi.ParseDuration(text)
	if err != nil {
		return time.Time{}, bad(fmt.Sprintf("%.40q is no time: 2026-11-27T08:00:00Z, 2026-11-27, or how long ago: 2h.", text))
	}
	return now.Add(-d), nil
}

func (t *tokens) remove(r *http.Request) (reply, error) {
	id := r.PathValue("revocation")
	do := t.Tokens.Remove
	if dryRun(r) {
		do = t.Tokens.Get
	}
	one, err := do(r.Context(), id)
	if errors.Is(err, token.ErrNotFound) {
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("No revocation has the id %.80q. List them with: gatehouse token revocations list", id)}
	}
	if err != nil {
		return reply{}, err
	}
	w := t.wire(r.Context(), one, &tenantNames{Tenants: t.Tenants})
	if w.DryRun = dryRun(r); !w.DryRun {
		t.Log.Info("revocation taken back", "revocation", one.ID, "of", one.Kind, "value", one.Value, "by", t.By)
	}
	return reply{body: w}, nil
}

// ofRevocation describes a revocation for the trail.
func ofRevocation(e *audit.Event, r *adminapi.Revocation) {
	e.Tenant, e.TenantID = r.Tenant, ""
	if r.Tenant != "" {
		e.TenantID = r.Value
	}
	e.Detail = map[string]string{"revocation": r.ID, "kind": r.Kind}
	for name, value := range map[string]string{
		"value": r.Value, "issuer": r.Issuer, "before": date(r.Before), "expires": date(r.Expires), "reason": r.Reason,
	} {
		if value != "" {
			e.Detail[name] = value
		}
	}
}
