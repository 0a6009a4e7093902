package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// LoginSettings are how people sign in by a provider of a configuration.
func LoginSettings(c *config.Config, l *config.Login) (*federation.Settings, error) {
	house := ""
	if u, err := url.Parse(c.OwnIssuer()); err == nil {
		house = u.Host
	}
	if e := c.Auth.Embedded; e != nil && e.Name != "" {
		house = e.Name
	}
	s := &federation.Settings{
		House: house,
		Name:  l.Name, Title: l.Title, Preset: l.Preset, Params: l.Params, Issuer: l.Issuer,
		ClientID: l.ClientID, ClientSecret: l.ClientSecret.Reveal(), Scopes: l.Scopes, Allow: l.Allow,
		Authoritative: l.Authoritative, KeepTokens: l.KeepTokens || forwards(c, l.Name), Private: l.Private,
	}
	if l.CA != "" {
		roots, err := os.ReadFile(l.CA)
		if err != nil {
			return nil, unusable(l.CA, err)
		}
		s.Roots = roots
	}
	return s, nil
}

// forwards says whether a server is given the tokens of a provider.
func forwards(c *config.Config, provider string) bool {
	for i := range c.Servers {
		if c.Servers[i].Forward.UpstreamToken == provider {
			return true
		}
	}
	return false
}

// checkLogins says what is wrong with the providers by which people sign in.
func checkLogins(c *config.Config) error {
	if c.Auth.Embedded == nil {
		return nil
	}
	var all config.Mistakes
	for i := range c.Auth.Embedded.Login {
		at := fmt.Sprintf("auth.embedded.login[%d]", i)
		s, err := LoginSettings(c, &c.Auth.Embedded.Login[i])
		if err != nil {
			all = append(all, c.MistakeAt(at+".ca", err))
			continue
		}
		var problems federation.Problems
		if errors.As(federation.Check(s), &problems) {
			for _, p := range problems {
				m := c.MistakeAt(at+"."+p.Setting, errors.New(p.Text))
				m.Code = p.Code
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// newProviders are those of a configuration, in its order. Nobody is asked yet.
func newProviders(c *config.Config) (all []federation.Provider, err error) {
	for i := range c.Auth.Embedded.Login {
		l := &c.Auth.Embedded.Login[i]
		s, err := LoginSettings(c, l)
		if err != nil {
			return nil, err
		}
		p, err := federation.Open(s)
		if err != nil {
			return nil, fmt.Errorf("login %s: %w", l.Name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// place finds the tenant of people who come by a provider: the one that the
// configuration says, or the one that is linked to their organization there.
func (r *Running) place(c *config.Config) func(context.Context, *federation.Profile) (tenant.ID, error) {
	return func(ctx context.Context, who *federation.Profile) (tenant.ID, error) {
		t, why := r.placed(ctx, c, who)
		switch {
		case why != nil && !errors.Is(why, tenant.ErrNotFound):
			return "", why
		case why == nil && t.State == tenant.Active:
			return t.ID, nil
		case why == nil:
			why = fmt.Errorf("tenant %s is %s", t.Name, t.State)
		}
		return "", &federation.Refusal{
			Code: federation.CodeAllow, Text: "Your organization has no place here. Ask whoever runs this server.", Account: who.Email,
			Cause: fmt.Errorf("organization %.80q of login %s: %w", who.Tenant, who.Provider, why),
		}
	}
}

// placed returns tenant.ErrNotFound, wrapped, when there is no tenant for somebody.
func (r *Running) placed(ctx context.Context, c *config.Config, who *federation.Profile) (*tenant.Tenant, error) {
	for i := range c.Auth.Embedded.Login {
		if l := &c.Auth.Embedded.Login[i]; l.Name == who.Provider && l.Tenant != "" {
			return r.DB.Tenants().ByName(ctx, l.Tenant)
		}
	}
	known := r.Rights.Tenants
	if err := known.Changed(ctx); err != nil { // a link that was just made counts
		return nil, err
	}
	if who.Tenant != "" {
		if t, ok := known.ByLink(tenant.Link{Issuer: who.Issuer, External: who.Tenant}); ok {
			return t, nil
		}
	}
	if c.Tenants.Require {
		return nil, fmt.Errorf("nothing tells the tenant, and tenants.require is on: %w", tenant.ErrNotFound)
	}
	return r.DB.Tenants().ByName(ctx, tenant.Default)
}
