package config

import (
	"cmp"
	"fmt"
	"net/url"
)

// Warnings are what can be served and yet is likely not meant, or weaker than it
// could be.
func (c *Config) Warnings() Mistakes {
	k := &checker{Config: c}
	k.warnServer()
	for i := range c.Servers {
		k.warnUpstream(fmt.Sprintf("servers[%d]", i), &c.Servers[i])
	}
	for i := range c.Auth.Issuers {
		k.warnIssuer(fmt.Sprintf("auth.issuers[%d]", i), &c.Auth.Issuers[i])
	}
	k.warnEmbedded()
	k.warnPolicy("policy", &c.Policy)
	k.found.sort()
	return k.found
}

// Weakened are the warnings that a check is weaker than it could be, for people.
func (c *Config) Weakened() []string {
	var all []string
	for _, m := range c.Warnings() {
		if m.Weakens {
			all = append(all, m.Text)
		}
	}
	return all
}

func (c *checker) warn(weakens bool, path, format string, args ...any) {
	c.add(path, Mistake{Code: codeWarning, Path: path, Text: path + " " + fmt.Sprintf(format, args...), Warning: true, Weakens: weakens})
}

func (c *checker) warnServer() {
	s := &c.Server
	for i, p := range s.TrustedProxies {
		if wide(p) {
			c.warn(true, fmt.Sprintf("server.trusted_proxies[%d]", i), "%s is a wide network: whoever is in it chooses the address that is written down and banned", p)
		}
	}
	if c.Admin.InsecureExternal && c.Admin.Listen != "" && !Local(c.Admin.Listen) {
		c.warn(true, "admin.insecure_external", "lets everybody who reaches %s read metrics, without being asked who they are", c.Admin.Listen)
	}
	if c.source == nil {
		return // on one's own machine there is nobody to be limited
	}
	for path, rate := range c.Limits.rates() {
		if rate.Zero() {
			c.warn(true, path, "is off")
		}
	}
	if t := &s.TLS; (t.On() || t.TerminatedByProxy) && t.HSTS == 0 {
		c.warn(true, "server.tls.hsts", "is off: a browser may be led to plain HTTP")
	}
}

func (c *checker) warnUpstream(at string, u *Upstream) {
	if p := cmp.Or(u.Path, DefaultPath); p != DefaultPath && c.source != nil {
		c.warn(false, at+".path", "is %s; some clients only call %s. Tell servers apart by host instead", p, DefaultPath)
	}
	if u.Forward.Identity == IdentityHeaders {
		c.warn(true, at+".forward.identity", "is headers: whoever reaches the server past us can claim to be anybody. Use jwt if it can be verified there")
	}
	if target, err := url.Parse(u.URL); err == nil && target.Scheme == "http" && !Loopback(target.Hostname()) {
		if u.Forward.Authorization != "" {
			c.warn(true, at+".forward.authorization", "travels to %s without TLS", target.Host)
		}
		if u.Forward.UpstreamToken != "" {
			c.warn(true, at+".forward.upstream_token", "travels to %s without TLS", target.Host)
		}
	}
	if u.Policy != nil {
		c.warnPolicy(at+".policy", u.Policy)
	}
}
