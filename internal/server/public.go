package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// public is what anybody may fetch, by the name under which it is asked for and
// by path. Names and documents come from the configuration alone.
type public struct {
	keys  http.Handler // of our own signatures, under every name
	names map[string]map[string]http.Handler
}

// newPublic announces the servers of a configuration.
func (r *Running) newPublic(c *config.Config, served []*served) (*public, error) {
	p := &public{
		keys:  &wellknown.JWKS{Keys: published{r.Installation}, Log: r.server.Options.Log},
		names: map[string]map[string]http.Handler{},
	}
	for _, v := range served {
		if len(v.resource.AuthorizationServers) == 0 { // nobody could tell a client where to go
			continue
		}
		document, err := v.resource.Metadata()
		if err != nil {
			return nil, fmt.Errorf("metadata of server %s: %w", v.config.Name, err)
		}
		door := wellknown.NewResource(document)
		for _, name := range r.names(c, &v.config) {
			at := p.names[name]
			if at == nil { // the first server of a name is its default resource
				at = map[string]http.Handler{wellknown.ResourcePath: door}
				p.names[name] = at
				h, err := r.authServer(c, v)
				if err != nil {
					return nil, fmt.Errorf("metadata of the issuer of server %s: %w", v.config.Name, err)
				}
				if h != nil {
					at[wellknown.AuthServerPath] = h
				}
			}
			at[wellknown.ResourcePath+strings.TrimSuffix(v.config.Path, "/")] = door
		}
	}
	return p, nil
}

// names are those by which callers know a server.
func (r *Running) names(c *config.Config, u *config.Upstream) []string {
	all := hosts(u.Host, r.Address)
	if u.Host == "" {
		if public, err := url.Parse(c.Server.PublicURL); err == nil && public.Host != "" {
			all = append(all, strings.ToLower(public.Hostname()))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// find returns what is there; nil: nothing.
func (p *public) find(host, path string) http.Handler {
	if path == wellknown.Path {
		return p.keys
	}
	return p.names[host][path]
}

// newResource describes a server to clients: what it is called, and who gives
// out tokens for it.
func newResource(c *config.Config, u *config.Upstream, address string) gatehouse.Resource {
	r := gatehouse.Resource{URL: strings.TrimSuffix(Resource(c, u, address), "/"), Name: u.Name}
	for _, s := range issuersOf(c) {
		if s.Advertise && admits(u, &s) {
			r.AuthorizationServers = append(r.AuthorizationServers, s.Issuer)
		}
	}
	for i := range c.Scopes {
		if c.Scopes[i].Default {
			r.Scopes = append(r.Scopes, c.Scopes[i].Name)
		}
	}
	return r
}

// admits says whether callers of an issuer can come in at a server at all.
func admits(u *config.Upstream, s *config.Issuer) bool {
	return s.BindTenant == "" || len(u.Tenants) == 0 || slices.Contains(u.Tenants, s.BindTenant)
}
