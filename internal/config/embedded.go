package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// OwnIssuerName is what rules and logs call our own authorization server.
const OwnIssuerName = "gatehouse"

const maxGrace = 10 * time.Minute

// WellKnownDomains are those of clients that many people have.
func WellKnownDomains() []string {
	return []string{"claude.ai", "chatgpt.com", "vscode.dev", "github.com", "zed.dev", "opencode.ai"}
}

// AccessLife is how long an access token lives: no longer than MaxAccessTTL,
// whatever was written. What was revoked meanwhile is noticed anyway; what others
// than we accept lives on until then.
func (e *Embedded) AccessLife() time.Duration { return min(e.AccessTTL, MaxAccessTTL) }

// warnEmbedded finds what is not obeyed, and what lets more people and clients in than need be.
func (c *checker) warnEmbedded() {
	e := c.Auth.Embedded
	if e == nil {
		return
	}
	const at = "auth.embedded"
	if e.AccessTTL > MaxAccessTTL {
		c.warn(false, at+".access_token_ttl", "is %s; access tokens live %s at most", e.AccessTTL, MaxAccessTTL)
	}
	for i := range e.Login {
		l, at := &e.Login[i], fmt.Sprintf("%s.login[%d]", at, i)
		if l.Allow.Everyone {
			c.warn(true, at+".allow.everyone", "is true: whoever has an account at %s may sign in", l.Title)
		}
		if strings.HasPrefix(l.Issuer, "http:") {
			c.warn(true, at+".issuer", "is reached by plain HTTP: whoever is on the way can sign in as anybody")
		}
	}
	if e.Clients.DCR.Enabled && e.Clients.DCR.Rate.Zero() {
		c.warn(true, at+".clients.dcr.rate_limit", "is off")
	}
	if e.RefreshGrace > time.Minute {
		c.warn(true, at+".refresh_grace", "is %s: so long a stolen refresh token works beside the newest", e.RefreshGrace)
	}
}

// fileEmbedded fills in what a file gets whose zero says something.
func (c *Config) fileEmbedded(said func(string) bool) {
	e := c.Auth.Embedded
	if e == nil {
		return
	}
	const at = "auth.embedded."
	unless := func(key string, set func()) {
		if !said(at + key) {
			set()
		}
	}
	unless("refresh_grace", func() { e.RefreshGrace = DefaultRefreshGrace })
	unless("clients.cimd.enabled", func() { e.Clients.CIMD.Enabled = true })
	unless("clients.cimd.trusted_domains", func() { e.Clients.CIMD.Trusted = WellKnownDomains() })
	unless("clients.dcr.enabled", func() { e.Clients.DCR.Enabled = true })
	unless("clients.dcr.rate_limit", func() { e.Clients.DCR.Rate = unit.Rate{Count: 60, Per: time.Hour} })
	unless("consent.remember", func() { e.Consent.Remember = DefaultRemember })
	unless("consent.show_tools", func() { e.Consent.ShowTools = true })
	unless("accounts", func() { e.Accounts = len(e.Login) == 0 })
}

// completeEmbedded fills in defaults.
func (c *Config) completeEmbedded() {
	e := c.Auth.Embedded
	if e == nil {
		return
	}
	setDefault(&e.AccessTTL, MaxAccessTTL)
	setDefault(&e.RefreshTTL, DefaultRefreshTTL)
	setDefault(&e.RefreshMax, max(DefaultRefreshMax, e.RefreshTTL))
	setDefault(&e.SessionTTL, DefaultSessionTTL)
	setDefault(&e.SessionIdle, e.SessionTTL)
	s := &e.Signing
	setDefault(&s.Alg, "ES256")
	setDefault(&s.RotateEvery, 30*24*time.Hour)
	setDefault(&s.PublishNext, 24*time.Hour)
	setDefault(&s.KeepOld, 48*time.Hour)
	setDefault(&e.Clients.CIMD.Others, OthersWarn)
	setDefault(&e.Clients.DCR.Unused, DefaultUnused)
	setDefault(&e.LinkBy, LinkNever)
	for i := range e.Login {
		l := &e.Login[i]
		if c.source == nil || c.source.at[fmt.Sprintf("auth.embedded.login[%d].preset", i)].line == 0 {
			setDefault(&l.Preset, DefaultPreset)
		}
		setDefault(&l.Name, l.Preset)
		if p := idp.Find(l.Preset); p != nil && l.Preset != DefaultPreset { // its title is of a kind, not of one
			setDefault(&l.Title, p.Title)
		} else if l.Name != "" {
			setDefault(&l.Title, strings.ToUpper(l.Name[:1])+l.Name[1:])
		}
	}
}
