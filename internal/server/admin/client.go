package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// clients are the endpoints about OAuth clients.
type clients struct{ *Admin }

func (c *clients) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"GET /v1/clients":          c.list,
		"POST /v1/clients":         c.create,
		"GET /v1/clients/one":      c.show,
		"POST /v1/clients/approve": c.approve,
		"POST /v1/clients/block":   c.block,
		"POST /v1/clients/revoke":  c.revoke,

		"POST /v1/clients/secret/rotate":   c.rotateSecret,
		"DELETE /v1/clients/secret/rotate": c.cancelSecret,
	}
}

func (c *clients) list(r *http.Request) (reply, error) {
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	q := r.URL.Query()
	f := client.Filter{Kind: client.Kind(q.Get("kind")), State: client.State(q.Get("state"))}
	if text := q.Get("tenant"); text != "" {
		one, err := c.find(r.Context(), text)
		if err != nil {
			return reply{}, err
		}
		f.Tenant = one.ID
	}
	if err := limitOf(q, &f.Limit); err != nil {
		return reply{}, err
	}
	all, total, err := g.List(r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	out := adminapi.OAuthClients{Total: total, Clients: make([]adminapi.OAuthClient, len(all))}
	names := &tenantNames{Tenants: c.Tenants}
	for i := range all {
		out.Clients[i] = c.wire(r.Context(), &all[i], names)
	}
	return reply{body: out}, nil
}

// wire is a client as an operator sees it.
func (c *clients) wire(ctx context.Context, e *client.Entry, names *tenantNames) adminapi.OAuthClient {
	w := adminapi.OAuthClient{
		ID: e.ID, Kind: string(e.Kind), State: string(e.State), Name: e.Name, Domain: e.Domain,
		RedirectURIs: append([]string{}, e.RedirectURIs...), Grants: append([]string{}, e.Grants...), AuthMethods: append([]string{}, e.AuthMethods...),
		Scopes: e.Scopes, Bound: e.Bound, Resources: e.Resources, Targets: e.Targets,
		Created: pointer(e.Created), LastUsed: pointer(e.LastUsed), Expires: pointer(e.Expires), By: e.By, Reason: e.Reason, Decided: pointer(e.Decided),
	}
	if c.Now().Before(e.Credentials.FormerUntil) {
		w.FormerUntil = pointer(e.Credentials.FormerUntil)
	}
	if e.Fault != nil {
		w.Fault = e.Fault.Error()
	}
	if e.Tenant != "" {
		w.Tenant = string(e.Tenant)
		if one, err := names.of(ctx, e.Tenant); err == nil { // its id says enough
			w.Tenant = one.Name
		}
	}
	return w
}

func (c *clients) show(r *http.Request) (reply, error) {
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	id := r.URL.Query().Get("id")
	e, err := g.Show(r.Context(), id)
	if err != nil {
		return reply{}, noClient(id, err)
	}
	return reply{body: c.wire(r.Context(), e, &tenantNames{Tenants: c.Tenants})}, nil
}

// noClient says in words of the operator that there is none, or none to be had.
func noClient(id string, err error) error {
	for _, fact := range []error{client.ErrUnknown, client.ErrFetch, client.ErrInvalid, client.ErrBlocked, client.ErrPending} {
		if errors.Is(err, fact) {
			return &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: fmt.Sprintf("There is no client %.80q: %v. List those that are kept with: gatehouse client list", id, err)}
		}
	}
	return err
}

func (c *clients) create(r *http.Request) (reply, error) {
	var in adminapi.NewOAuthClient
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	s, err := c.spec(r.Context(), &in)
	if err != nil {
		return reply{}, err
	}
	var made *client.Client
	var secret string
	if dryRun(r) {
		made, err = g.Preview(r.Context(), s)
	} else {
		made, secret, err = g.Create(r.Context(), s)
	}
	if errors.Is(err, client.ErrExists) {
		return reply{}, &adminapi.Error{Status: http.StatusConflict, Code: codeExists, Message: fmt.Sprintf("A client %s exists, or has existed. Choose another --id.", s.ID)}
	}
	if err != nil {
		return reply{}, err
	}
	w := c.wire(r.Context(), &client.Entry{Client: *made, By: c.By}, &tenantNames{Tenants: c.Tenants})
	if w.DryRun = dryRun(r); w.DryRun {
		if in.ID == "" {
			w.ID = ""
		}
		return reply{body: w}, nil
	}
	w.Secret = secret
	c.Log.Info("client created", "client", made.ID, "name", made.Name, "by", c.By)
	return reply{status: http.StatusCreated, body: w}, nil
}

// spec reads what a client is to be like. A program that speaks for itself has to
// belong to somebody.
func (c *clients) spec(ctx context.Context, in *adminapi.NewOAuthClient) (*client.Spec, error) {
	s := &client.Spec{
		ID: in.ID, Name: in.Name, Redirects: in.RedirectURIs, Grants: in.Grants, Method: in.AuthMethod, Scopes: in.Scopes,
		JWKS: in.JWKS, JWKSURI: in.JWKSURI, Subject: in.Subject, Bound: in.Bound, Resources: in.Resources, Targets: in.Targets, By: c.By,
	}
	for _, text := range in.Certificates {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 32 {
			return nil, bad("certificates are SHA-256 thumbprints, of 64 hexadecimal digits.")
		}
		s.Certs = append(s.Certs, [32]byte(b))
	}
	itself := len(in.Grants) == 0 && len(in.RedirectURIs) == 0 || slices.Contains(in.Grants, oauth.ClientCredentials)
	name := in.Tenant
	if name == "" && itself {
		name = tenant.Default
	}
	if name == "" {
		return s, nil
	}
	one, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	s.Tenant = one.ID
	return s, nil
}

func (c *clients) approve(r *http.Request) (reply, error) {
	return c.decide(r, "client approved", func(ctx context.Context, g *client.Registry, in *adminapi.OAuthClientID) (*client.Entry, error) {
		return g.Decide(ctx, in.ID, client.Approved, c.By, in.Reason)
	}, client.Approved)
}

func (c *clients) block(r *http.Request) (reply, error) {
	return c.decide(r, "client blocked", func(ctx context.Context, g *client.Registry, in *adminapi.OAuthClientID) (*client.Entry, error) {
		return g.Decide(ctx, in.ID, client.Blocked, c.By, in.Reason)
	}, client.Blocked)
}

func (c *clients) revoke(r *http.Request) (reply, error) {
	return c.decide(r, "client revoked", func(ctx context.Context, g *client.Registry, in *adminapi.OAuthClientID) (*client.Entry, error) {
		return g.Revoke(ctx, in.ID, c.By, in.Reason)
	}, "")
}

// decide changes what a client may do. Asking for the state that it has been put
// into is a conflict, so that a script learns that somebody else was there first.
func (c *clients) decide(r *http.Request, event string, do func(context.Context, *client.Registry, *adminapi.OAuthClientID) (*client.Entry, error), to client.State) (reply, error) {
	var in adminapi.OAuthClientID
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	g, err := c.Clients(r.Context())
	if err != nil {
		return reply{}, err
	}
	e, err := g.Consider(r.Context(), in.ID)
	if err != nil {
		return reply{}, noClient(in.ID, err)
	}
	if to != "" && e.State == to && !e.Decided.IsZero() {
		return reply{}, conflict(fmt.Sprintf("Client %s is %s already.", in.ID, to))
	}
	if dryRun(r) {
		if to != "" {
			e.State = to
		}
	} else {
		if e, err = do(r.Context(), g, &in); err != nil {
			return reply{}, noClient(in.ID, err)
		}
		c.Log.Info(event, "client", in.ID, "by", c.By)
	}
	w := c.wire(r.Context(), e, &tenantNames{Tenants: c.Tenants})
	w.DryRun = dryRun(r)
	return reply{body: w}, nil
}

// ofClient describes a client for the trail.
func ofClient(e *audit.Event, c *adminapi.OAuthClient) {
	e.ClientID, e.Tenant, e.KeyID = c.ID, c.Tenant, ""
	e.Detail = map[string]string{"state": c.State, "kind": c.Kind}
	for name, value := range map[string]string{
		"name": c.Name, "redirect_uris": strings.Join(c.RedirectURIs, " "), "grant_types": strings.Join(c.Grants, " "),
		"auth_methods": strings.Join(c.AuthMethods, " "), "scopes": strings.Join(c.Scopes, " "), "reason": c.Reason,
	} {
		if value != "" {
			e.Detail[name] = value
		}
	}
}
