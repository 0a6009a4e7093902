package config

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// fileDefaults fills in what a file gets that does not say otherwise, and what
// nobody would expect of a command line on one's own machine: limits and bans.
func (c *Config) fileDefaults() {
	said := func(path string) bool { return c.source.at[path].asked }
	if !said("limits.per_key") {
		c.Limits.PerKey = unit.Rate{Count: 600, Per: time.Minute}
	}
	f := &c.Limits.FailedAuth
	if !said("limits.failed_auth.per_ip") && !said("limits.failed_auth.per_address") {
		f.PerAddress = unit.Rate{Count: 20, Per: time.Minute}
	}
	if f.Ban == 0 {
		f.Ban = 10 * time.Minute
	}
	if t := &c.Server.TLS; !said("server.tls.hsts") && (t.On() || t.TerminatedByProxy) {
		t.HSTS = DefaultHSTS
	}
	if len(c.Tenants.Resolve) > 0 && !said("tenants.require") {
		c.Tenants.Require = true // who asks for tenants does not mean that strangers share one
	}
	for i := range c.Auth.Issuers {
		if !said(fmt.Sprintf("auth.issuers[%d].advertise", i)) {
			c.Auth.Issuers[i].Advertise = true
		}
	}
	c.fileEmbedded(said)
	for i := range c.Policy.Rules {
		allowUnlessSaid(&c.Policy.Rules[i])
	}
	for _, u := range c.Servers {
		for i := range u.rules() {
			allowUnlessSaid(&u.Policy.Rules[i])
		}
	}
}

// allowUnlessSaid: a rule names what may be called, as the default is to deny.
func allowUnlessSaid(r *Rule) {
	if r.Effect == "" {
		r.Effect = Allow
	}
}

// rules are those of the server itself.
func (u *Upstream) rules() []Rule {
	if u.Policy == nil {
		return nil
	}
	return u.Policy.Rules
}

// Complete fills in the defaults of what was left zero. Doing it again changes
// nothing.
func (c *Config) Complete() {
	s := &c.Server
	setDefault(&s.Listen, DefaultListen)
	setDefault(&s.MaxBody, DefaultMaxBody)
	setDefault(&s.ShutdownGrace, DefaultGrace)
	if a := s.TLS.ACME; a != nil && a.DNS != nil {
		setDefault(&a.DNS.Algorithm, "hmac-sha256")
	}
	for i := range c.Servers {
		u := &c.Servers[i]
		setDefault(&u.Path, DefaultPath)
		if u.Stdio == nil {
			setDefault(&u.Transport, TransportStreamable)
		} else {
			setDefault(&u.Stdio.Isolation, IsolationShared)
		}
		if u.Policy != nil {
			setDefault(&u.Policy.Pinning.OnChange, PinOff)
			setDefault(&u.Policy.Pinning.OnNew, PinApprove)
		}
		setDefault(&u.Forward.Identity, IdentityNone)
		setDefault(&u.Forward.Header, DefaultIdentity)
	}
	if k := c.Auth.APIKeys; k != nil {
		setDefault(&k.DefaultTTL, DefaultKeyTTL)
		setDefault(&k.RotationOverlap, DefaultOverlap)
	}
	c.completeIssuers()
	c.completeEmbedded()
	setDefault(&c.Policy.Pinning.OnChange, PinOff)
	setDefault(&c.Policy.Pinning.OnNew, PinApprove)
	setDefault(&c.Audit.MaxSize, AuditMaxSize)
	setDefault(&c.Audit.Keep, AuditKeep)
	if len(c.Audit.Include) == 0 {
		c.Audit.Include = AuditKinds()
	}
}

// setDefault is cmp.Or in place.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
