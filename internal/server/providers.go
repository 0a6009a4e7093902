package server

import (
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

// LoginSettings are how people sign in by a provider of a configuration.
func LoginSettings(c *config.Config, l *config.Login) (*federation.Settings, error) {
	house := ""
	if u, err := url.Parse(c.OwnIssuer()); err == nil {
		house = u.Host
	}
	s := &federation.Settings{
		House: house,
		Name:  l.Name, Title: l.Title, Preset: l.Preset, Params: l.Params, Issuer: l.Issuer,
		ClientID: l.ClientID, ClientSecret: l.ClientSecret.Reveal(), Scopes: l.Scopes, Allow: federation.Allow(l.Allow),
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
