package probe

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Mend is a setting of a server of ours that ends what a rule found.
type Mend struct {
	Rule  *Rule
	Path  string // as in [config.Amendment]
	Value string // empty: a person has to choose it
	Note  string // what changes for people then
}

// Mends are the settings that end what was found, for the configuration of the
// server that the report is about.
func (r *Report) Mends(c *config.Config) (all []Mend) {
	target := &url.URL{}
	if u, err := url.Parse(r.URL); err == nil && !r.File {
		target = u
	}
	seen := map[string]bool{}
	for i := range r.Results {
		res := &r.Results[i]
		if res.Outcome != Fail && res.Outcome != Warn || res.Rule.Mend == nil {
			continue
		}
		for _, m := range res.Rule.Mend(c, target) {
			if m.Rule = res.Rule; !seen[m.Path] {
				seen[m.Path] = true
				all = append(all, m)
			}
		}
	}
	return all
}

func mendHSTS(c *config.Config, _ *url.URL) []Mend {
	if s := &c.Server; (s.TLS.On() || s.TLS.TerminatedByProxy) && s.TLS.HSTS == 0 {
		return []Mend{{Path: "server.tls.hsts", Value: "365d", Note: "browsers that came once do not come by plain HTTP for a year"}}
	} else if s.TLS.On() || s.TLS.TerminatedByProxy {
		return nil
	}
	if proxied(c) {
		return []Mend{{Path: "server.tls.terminated_by_proxy", Value: "true", Note: "Strict-Transport-Security is sent; whom the proxy speaks for is believed once it is in server.trusted_proxies"}}
	}
	return []Mend{{Path: "server.tls", Note: "acme, files or terminated_by_proxy: it depends on where TLS ends"}}
}

func mendLimits(c *config.Config, _ *url.URL) []Mend {
	if l := &c.Limits; !l.PerPrincipal.Zero() || !l.PerKey.Zero() && len(c.Auth.Issuers) == 0 && c.Auth.Embedded == nil {
		return nil
	}
	return []Mend{{Path: "limits.per_principal", Value: "120/min", Note: "what one caller sends beyond that is answered 429"}}
}

func mendFailures(c *config.Config, _ *url.URL) []Mend {
	if !c.Limits.FailedAuth.PerAddress.Zero() {
		return nil
	}
	m := Mend{Path: "limits.failed_auth.per_ip", Value: "20/min", Note: "an address with more refused credentials is not heard for a while"}
	if s := &c.Server; (proxied(c) || s.TLS.TerminatedByProxy) && len(s.TrustedProxies) == 0 && !strings.HasPrefix(s.Listen, "unix:") {
		m.Value = "" // everybody has the proxy's address, and any stranger would shut all of them out
		m.Note += ": say which proxies there are in server.trusted_proxies first, then 20/min"
	}
	return []Mend{m}
}

func mendUpstreams(c *config.Config, _ *url.URL) (all []Mend) {
	for i := range c.Servers {
		s := &c.Servers[i]
		u, err := url.Parse(s.URL)
		if s.URL == "" || err != nil || local(u.Hostname()) || s.Forward.Identity == config.IdentityJWT || s.Forward.Authorization != "" {
			continue
		}
		all = append(all, Mend{Path: fmt.Sprintf("servers[%d].forward.identity", i), Value: string(config.IdentityJWT), Note: "the server behind has to verify X-Gatehouse-Identity: nothing is closed by sending it"})
	}
	return all
}

func mendEntry(c *config.Config, _ *url.URL) (all []Mend) {
	mend := func(path string, p *config.Policy) {
		switch {
		case p.Default != config.Allow:
		case len(p.Rules) == 0:
			all = append(all, Mend{Path: path, Note: "deny, once there are rules for what may be called: without one nobody could call anything"})
		default:
			all = append(all, Mend{Path: path, Value: config.Deny, Note: "what no rule allows is refused then: see who that is with gatehouse policy matrix"})
		}
	}
	mend("policy.default", &c.Policy)
	for i := range c.Servers {
		if p := c.Servers[i].Policy; p != nil {
			mend(fmt.Sprintf("servers[%d].policy.default", i), p)
		}
	}
	return all
}

func mendPepper(*config.Config, *url.URL) []Mend {
	return []Mend{{Path: "auth.api_keys.pepper", Note: "a reference to 32 characters or more; every key that there is ends with it, so make them anew"}}
}

func mendRotation(c *config.Config, _ *url.URL) (all []Mend) {
	k := c.Auth.APIKeys
	if k == nil {
		return nil
	}
	if k.DefaultTTL > longLife {
		all = append(all, Mend{Path: "auth.api_keys.default_ttl", Value: "90d", Note: "of keys that are made from then on"})
	}
	if k.RotationOverlap > longOverlap {
		all = append(all, Mend{Path: "auth.api_keys.rotation_overlap", Value: "1d", Note: "of rotations from then on"})
	}
	return all
}

func mendAudience(c *config.Config, _ *url.URL) (all []Mend) {
	for i := range c.Auth.Issuers {
		if u := &c.Auth.Issuers[i]; u.Audience.Mode != config.AudienceExact {
			all = append(all, Mend{Path: fmt.Sprintf("auth.issuers[%d].audience.mode", i), Note: "exact, once the provider puts this server's URL into aud: tokens without it are refused then"})
		}
	}
	return all
}

// mendPublicURL is for a server that calls itself by another name than people do.
func mendPublicURL(c *config.Config, target *url.URL) []Mend {
	for i := range c.Servers {
		if c.Servers[i].Host != "" { // then public_url is not what names it
			return nil
		}
	}
	for i := range c.Servers {
		if s := &c.Servers[i]; target.Host != "" && s.Path == target.Path {
			return []Mend{{Path: "server.public_url", Note: "what clients have as its URL, without the path, if that is what was checked: tokens for the old one are refused then"}}
		}
	}
	return nil
}

func mendRegistration(c *config.Config, _ *url.URL) (all []Mend) {
	e := c.Auth.Embedded
	if e == nil {
		return nil
	}
	if !e.Clients.DCR.Enabled {
		all = append(all, Mend{Path: "auth.embedded.clients.dcr.enabled", Value: "true", Note: "clients may register themselves"})
	}
	if !e.Clients.CIMD.Enabled {
		all = append(all, Mend{Path: "auth.embedded.clients.cimd.enabled", Value: "true", Note: "clients may bring an id that is a URL"})
	}
	return all
}
