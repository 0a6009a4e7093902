package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// grants are the endpoints about what people allowed.
type grants struct{ *Admin }

func (g *grants) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET /v1/grants":         g.list,
		"POST /v1/grants/revoke": g.revoke,
	}
}

func (g *grants) list(r *http.Request) (reply, error) {
	q := r.URL.Query()
	f := grant.Filter{Subject: q.Get("subject"), Client: q.Get("client_id")}
	if err := limitOf(q, &f.Limit); err != nil {
		return reply{}, err
	}
	if text := q.Get("tenant"); text != "" {
		one, err := g.find(r.Context(), text)
		if err != nil {
			return reply{}, err
		}
		f.Tenant = one.ID
	}
	switch all := q.Get("all"); all {
	case "", "false":
		f.Active = g.Now()
	case "true":
	default:
		return reply{}, bad("all is true or false.")
	}
	list, err := g.Grants().List(r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	out, names := make([]adminapi.Grant, len(list)), &tenantNames{Tenants: g.Tenants}
	for i := range list {
		out[i] = g.wire(r.Context(), &list[i], names)
	}
	return reply{body: out}, nil
}

// wire is a grant as an operator sees it.
func (g *grants) wire(ctx context.Context, one *grant.Grant, names *tenantNames) adminapi.Grant {
	w := adminapi.Grant{
		ID: one.ID, State: string(one.State(g.Now())), Tenant: string(one.Tenant), Client: one.Client, Subject: one.Subject, Resource: one.Resource,
		Scopes: append([]string{}, one.Scopes...), Refreshed: max(0, one.Generation-1), Offline: one.Offline, Bound: one.Key != "", Flow: one.Flow,
		SignedIn: pointer(one.AuthTime), Created: one.Created, LastUsed: pointer(one.LastUsed), Expires: pointer(one.Expires), Idle: pointer(one.Idle),
		Revoked: pointer(one.Revoked), By: one.By, Reason: one.Reason,
	}
	if t, err := names.of(ctx, one.Tenant); err == nil { // its id says enough
		w.Tenant = t.Name
	}
	return w
}

// maxWhy is how many characters a reason may have.
const maxWhy = 200

func (g *grants) revoke(r *http.Request) (reply, error) {
	var in adminapi.RevokeGrants
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	many := in.Subject != "" || in.Client != ""
	switch {
	case (in.ID != "") == many:
		return reply{}, bad("Name one grant, or a user, a client or both.")
	case len([]rune(in.Reason)) > maxWhy || strings.ContainsFunc(in.Reason, func(c rune) bool { return !unicode.IsPrint(c) }):
		return reply{}, bad(fmt.Sprintf("A reason has at most %d characters that print.", maxWhy))
	case many:
		return g.revokeMany(r, &in)
	}
	one, err := g.Grants().Get(r.Context(), in.ID)
	if errors.Is(err, grant.ErrNotFound) {
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("There is no grant %.40q. List them with: gatehouse grant list", in.ID)}
	} else if err != nil {
		return reply{}, err
	}
	if !one.Revoked.IsZero() {
		return reply{}, conflict(fmt.Sprintf("Grant %s was revoked by %s on %s.", one.ID, one.By, one.Revoked.Format("2006-01-02")))
	}
	if !dryRun(r) {
		if one, err = g.Grants().Revoke(r.Context(), in.ID, in.Reason, g.By); err != nil {
			return reply{}, err
		}
		g.Log.Info("grant revoked", "grant", one.ID, "client", one.Client, "subject", one.Subject, "by", g.By)
	}
	w := g.wire(r.Context(), one, &tenantNames{Tenants: g.Tenants})
	return reply{body: &adminapi.RevokedGrants{Count: 1, Grant: &w, DryRun: dryRun(r)}}, nil
}

func (g *grants) revokeMany(r *http.Request, in *adminapi.RevokeGrants) (reply, error) {
	f := grant.Filter{Subject: in.Subject, Client: in.Client}
	if in.Tenant != "" {
		one, err := g.find(r.Context(), in.Tenant)
		if err != nil {
			return reply{}, err
		}
		f.Tenant = one.ID
	}
	out := &adminapi.RevokedGrants{DryRun: dryRun(r)}
	if out.DryRun {
		f.Active, f.Limit = g.Now(), 100_000
		list, err := g.Grants().List(r.Context(), f)
		if err != nil {
			return reply{}, err
		}
		out.Count = len(list)
		return reply{body: out}, nil
	}
	n, err := g.Grants().RevokeOf(r.Context(), f, in.Reason, g.By)
	if err != nil {
		return reply{}, err
	}
	out.Count = n
	g.Log.Info("grants revoked", "grants", n, "client", in.Client, "subject", in.Subject, "by", g.By)
	return reply{body: out}, nil
}

// ofGrants describes grants that ended for the trail.
func ofGrants(e *audit.Event, r *adminapi.RevokedGrants) {
	e.Detail["grants"] = strconv.Itoa(r.Count)
	if one := r.Grant; one != nil {
		e.ClientID, e.Subject, e.Tenant = one.Client, one.Subject, one.Tenant
		e.Detail["resource"], e.Detail["scopes"] = one.Resource, strings.Join(one.Scopes, " ")
	}
}
