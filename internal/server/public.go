package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/landing"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/server/authserver"
	"github.com/gatehouse-mcp/gatehouse/internal/server/wellknown"
)

// public is what anybody may fetch, by the name under which it is asked for and
// by path. Names and documents come from the configuration alone.
type public struct {
	keys  http.Handler // of our own signatures, under every name
	names map[string]map[string]http.Handler
	own   *embedded // our authorization server; nil: there is none

	noticed func(server, path string, door http.Handler) http.Handler // writes down who looks for the way to sign in here
}

// newPublic announces the servers of a configuration.
func (r *Running) newPublic(c *config.Config, served []*served, own *embedded) (*public, error) {
	p := &public{
		keys:  &wellknown.JWKS{Keys: published{r.Installation}, Log: r.server.Options.Log},
		names: map[string]map[string]http.Handler{}, own: own,
		noticed: r.discoveries.of,
	}
	if own == nil { // people sign in elsewhere, and the trail does not tell of it
		p.noticed = func(_, _ string, door http.Handler) http.Handler { return door }
	}
	for _, name := range own.hosts() {
		p.names[name] = map[string]http.Handler{
			wellknown.AuthServerPath: p.noticed("", wellknown.AuthServerPath, own.oauth), wellknown.OpenIDPath: p.noticed("", wellknown.OpenIDPath, own.openid),
		}
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
			if at == nil {
				at = map[string]http.Handler{}
				p.names[name] = at
			}
			if at[wellknown.ResourcePath] == nil { // the first server of a name is its default resource
				at[wellknown.ResourcePath] = p.noticed(v.config.Name, wellknown.ResourcePath, door)
				h, err := r.authServer(c, v, own)
				if err != nil {
					return nil, fmt.Errorf("metadata of the issuer of server %s: %w", v.config.Name, err)
				}
				if h != nil {
					at[wellknown.AuthServerPath] = p.noticed(v.config.Name, wellknown.AuthServerPath, h)
				}
			}
			path := wellknown.ResourcePath + strings.TrimSuffix(v.config.Path, "/")
			at[path] = p.noticed(v.config.Name, path, door)
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

// authServer finds our authorization server. Under the names of MCP servers it
// answers where clients of 2025-03-26 go without asking anybody.
func (p *public) authServer(host, path string) http.Handler {
	switch {
	case p.own == nil || !authserver.Answers(path):
	case slices.Contains(p.own.names, host):
		return p.own.door
	case p.names[host] != nil && slices.Contains([]string{"/authorize", "/token", "/register"}, path):
		return p.own.door
	}
	return nil
}

// newResource describes a server to clients: what it is called, and who gives
// out tokens for it.
func newResource(c *config.Config, u *config.Upstream, address string) gatehouse.Resource {
	r := gatehouse.Resource{URL: strings.TrimSuffix(Resource(c, u, address), "/"), Name: u.Name}
	r.RequireDPoP = true
	for _, s := range issuersOf(c) {
		if !admits(u, &s) {
			continue
		}
		r.RequireDPoP = r.RequireDPoP && s.DPoP == config.BoundRequired
		r.DPoPAlgorithms = jws.Algorithms() // clients whose authorization server knows how bind their tokens then
		if s.Advertise {
			r.AuthorizationServers = append(r.AuthorizationServers, s.Issuer)
		}
	}
	r.RequireDPoP = r.RequireDPoP && r.DPoPAlgorithms != nil
	for i := range c.Scopes {
		if c.Scopes[i].Default {
			r.Scopes = append(r.Scopes, c.Scopes[i].Name)
		}
	}
	return r
}

// newPage is what a browser is shown at a server's URL; nil: nothing, since there
// is no way in that people could be told.
func newPage(c *config.Config, v *served) ([]byte, error) {
	p := landing.Page{URL: v.resource.URL, OAuth: len(v.resource.AuthorizationServers) > 0, Keys: c.Auth.APIKeys != nil, Name: v.config.Name}
	if !p.OAuth && !p.Keys {
		return nil, nil
	}
	text, err := p.HTML()
	if err != nil {
		return nil, fmt.Errorf("the page for browsers: %w", err)
	}
	return text, nil
}

// admits says whether callers of an issuer can come in at a server at all.
func admits(u *config.Upstream, s *config.Issuer) bool {
	return s.BindTenant == "" || len(u.Tenants) == 0 || slices.Contains(u.Tenants, s.BindTenant)
}
