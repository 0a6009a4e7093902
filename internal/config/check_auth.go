package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// checkAuth asks whether anybody can come in, and whether who does is judged.
func (c *checker) checkAuth() {
	if c.Auth.APIKeys == nil && len(c.Auth.Issuers) == 0 && c.Auth.Embedded == nil {
		c.wrongf("auth", `lets nobody in. Say "auth: {api_keys: {}}", list the issuers of access tokens, or have "embedded: {}" issue them`)
	}
	if k := c.Auth.APIKeys; k != nil {
		if k.Pepper != "" {
			c.wrong("auth.api_keys.pepper", checkLong(k.Pepper.Reveal()))
		}
		if k.DefaultTTL < 0 || k.RotationOverlap < 0 || k.MaxPerTenant < 0 {
			c.wrongf("auth.api_keys", "default_ttl, rotation_overlap and max_per_tenant cannot be negative")
		}
	}
	for i := range c.Auth.Issuers {
		c.checkIssuer(fmt.Sprintf("auth.issuers[%d]", i), i)
	}
	c.checkEmbedded()
	c.checkTenants()
	c.checkScopes()
}

func (c *checker) checkIssuer(at string, index int) {
	u := &c.Auth.Issuers[index]
	if u.Name != "" || u.Preset != "" { // else the preset is misspelt, which is said already
		c.wrong(at+".name", checkServerName(u.Name))
	}
	for i := range c.Auth.Issuers[:index] {
		if u.Name != "" && c.Auth.Issuers[i].Name == u.Name {
			c.wrongf(at+".name", "%q appears twice; give one of them another name", u.Name)
		}
	}
	p := idp.Find(u.Preset)
	if p == nil {
		c.wrongf(at+".preset", "%q is not a preset", u.Preset)
		return
	}
	if _, problems := p.Expand(u.Params, u.Issuer); len(problems) > 0 {
		for _, f := range problems {
			c.wrongf(at+"."+f.Setting, "%s", f.Text)
		}
		return // the rest only follows
	}
	c.checkWhose(at, index)
	c.checkKeys(at+".keys", u)
	c.checkAudience(at, u)
	c.checkTests(at, u)
	c.checkIntrospect(at+".introspection", u)
	for i, a := range u.Algorithms {
		c.wrong(fmt.Sprintf("%s.algorithms[%d]", at, i), checkAlgorithm(a))
	}
	if u.ClockSkew < 0 || u.ClockSkew > MaxClockSkew {
		c.wrongf(at+".clock_skew", "is more than %s: an ended token would work on. Have the clocks set by NTP", MaxClockSkew)
	}
	if u.MaxLife < 0 {
		c.wrongf(at+".max_life", "is negative")
	}
	for key, v := range map[string]string{"dpop": u.DPoP, "mtls": u.MTLS} {
		if v != BoundAccepted && v != BoundRequired {
			c.wrongf(at+"."+key, "%q is not %s or %s", v, BoundAccepted, BoundRequired)
		}
	}
	if u.BindTenant != "" {
		c.wrong(at+".bind_tenant", checkTenant(u.BindTenant))
	}
	for i, h := range u.Private {
		c.wrong(fmt.Sprintf("%s.private[%d]", at, i), checkPrivate(h))
	}
}

// checkWhose holds the values of iss against those of the issuers before. One
// value has one entry: a token's aud may name several, so no two entries of an
// issuer exclude each other, and which of them maps its claims and finds its
// tenant would hang on their order.
func (c *checker) checkWhose(at string, index int) {
	u := &c.Auth.Issuers[index]
	c.wrong(at+".issuer", checkIssuerURL(u.Issuer, u.Private))
	for i, also := range u.AlsoIssuer {
		c.wrong(fmt.Sprintf("%s.also_issuer[%d]", at, i), checkIssuerURL(also, u.Private))
	}
	for i := range c.Auth.Issuers[:index] {
		o := &c.Auth.Issuers[i]
		for _, iss := range append([]string{u.Issuer}, u.AlsoIssuer...) {
			if iss == o.Issuer || slices.Contains(o.AlsoIssuer, iss) {
				c.wrongf(at+".issuer", "%q is that of %q already. One issuer has one entry; list several audiences under audience.values", iss, o.Name)
			}
		}
	}
}

func (c *checker) checkKeys(at string, u *Issuer) {
	k := &u.Keys
	switch {
	case k.From == KeysURL && k.URL == "":
		c.wrongf(at+".url", "is missing: from says that the keys are there")
	case k.From == KeysFile && k.File == "":
		c.wrongf(at+".file", "is missing: from says that the keys are there")
	case k.From != KeysURL && k.URL != "", k.From != KeysFile && k.File != "":
		c.wrongf(at, "says from: %s and another place too; keys come from one", k.From)
	case k.From == KeysURL:
		c.wrong(at+".url", checkFetched(k.URL, u.Private))
	case !slices.Contains([]string{KeysDiscovery, KeysURL, KeysFile}, k.From):
		c.wrongf(at+".from", "%q is not %s", k.From, choice([]string{KeysDiscovery, KeysURL, KeysFile}))
	}
	if k.Refresh < 0 || k.MaxStale < k.Refresh {
		c.wrongf(at+".max_stale", "is shorter than refresh: the keys would be gone between two fetches")
	}
}

func (c *checker) checkAudience(at string, u *Issuer) {
	a := &u.Audience
	switch a.Mode {
	case AudienceExact:
		for i, v := range a.Values {
			if strings.TrimSpace(v) == "" || v == "*" {
				c.wrongf(fmt.Sprintf("%s.audience.values[%d]", at, i), "%q is no audience", v)
			}
		}
	case AudienceClient, AudienceNone:
		if len(a.Values) > 0 {
			c.wrongf(at+".audience.values", "are not looked at with mode: %s", a.Mode)
		}
		if len(u.Clients) == 0 {
			c.wrongf(at+".clients", "is missing: nothing in a token says that it is for us, so only its client can. List the clients whose tokens are accepted, or say any to mean that whatever any client of %s was given works here", u.Name)
		}
	default:
		c.wrongf(at+".audience.mode", "%q is not %s", a.Mode, choice([]string{AudienceExact, AudienceClient, AudienceNone}))
	}
	if len(u.Clients) > 1 && slices.Contains(u.Clients, AnyClient) {
		c.wrongf(at+".clients", "lists any among others; any is all of them")
	}
}

// checkTests is about what a configuration made by hand may lack: a file's were
// judged while it was read.
func (c *checker) checkTests(at string, u *Issuer) {
	for key, tests := range map[string][]ClaimTest{"reject_if": u.RejectIf, "require": u.Require, "claims.service": u.Claims.Service} {
		for i, t := range tests {
			if t.Claim == "" {
				c.wrongf(fmt.Sprintf("%s.%s[%d]", at, key, i), "names no claim")
			}
		}
	}
	if len(u.Claims.Subject) == 0 {
		c.wrongf(at+".claims.subject", "is missing: nobody could be told from anybody else")
	}
}

func (c *checker) checkIntrospect(at string, u *Issuer) {
	i := u.Introspect
	if i == nil {
		return
	}
	if i.URL == "" {
		c.wrongf(at+".url", "is missing: where are opaque tokens asked about?")
	} else {
		c.wrong(at+".url", checkFetched(i.URL, u.Private))
	}
	if (i.ClientID == "") != (i.ClientSecret == "") {
		c.wrongf(at, "needs both client_id and client_secret, or neither")
	}
	if i.CacheFor < 0 || i.CacheFor > MaxCacheFor {
		c.wrongf(at+".cache_for", "is more than %s: a revoked token would work on", MaxCacheFor)
	}
}

func (c *checker) checkTenants() {
	t := &c.Tenants
	for i, s := range t.Resolve {
		at := fmt.Sprintf("tenants.resolve[%d]", i)
		switch {
		case !slices.Contains([]string{TenantAPIKey, TenantClaim, TenantIssuer, TenantHost}, s.From):
			c.wrongf(at, "%q is not %s", s.From, choice([]string{TenantAPIKey, TenantClaim, TenantIssuer, TenantHost}))
		case s.Claim != "" && s.From != TenantClaim:
			c.wrongf(at+".claim", "has a meaning only with from: %s", TenantClaim)
		case slices.ContainsFunc(t.Resolve[:i], func(o TenantSource) bool { return o.From == s.From }):
			c.wrongf(at, "says %s twice", s.From)
		case s.From == TenantHost && !slices.ContainsFunc(c.Servers, func(u Upstream) bool { return len(u.Tenants) == 1 }):
			c.wrongf(at, "is %s, and no server names just one tenant under servers[].tenants", TenantHost)
		case s.From == TenantIssuer && !slices.ContainsFunc(c.Auth.Issuers, func(u Issuer) bool { return u.BindTenant != "" }):
			c.wrongf(at, "is %s, and no issuer has bind_tenant", TenantIssuer)
		}
	}
	if len(t.Upstream) > 0 {
		n := 0
		for j := range c.Servers {
			if c.Servers[j].URL != "" {
				n++
			}
		}
		if n != 1 {
			c.wrongf("tenants.isolation.upstream_by_tenant", "is instead of the url of one server, and %d servers have one", n)
		}
	}
	for _, name := range names(t.Upstream) {
		c.wrong("tenants.isolation.upstream_by_tenant."+name, checkTenant(name))
		c.wrong("tenants.isolation.upstream_by_tenant."+name, CheckUpstreamURL(t.Upstream[name]))
	}
	for _, name := range names(t.Attributes) {
		c.wrong("tenants.attributes."+name, checkTenant(name))
		for _, a := range names(t.Attributes[name]) {
			c.wrong("tenants.attributes."+name+"."+a, checkAttribute(a))
		}
	}
}

func (c *checker) checkScopes() {
	index := map[string]*Scope{}
	for i := range c.Scopes {
		s := &c.Scopes[i]
		c.wrong("scopes."+s.Name, checkScope(s.Name))
		if index[s.Name] != nil {
			c.wrongf("scopes."+s.Name, "appears twice")
		}
		index[s.Name] = s
	}
	for i := range c.Scopes {
		s := &c.Scopes[i]
		for j, in := range s.Includes {
			if index[in] == nil {
				c.wrongf(fmt.Sprintf("scopes.%s.includes[%d]", s.Name, j), "there is no scope %.80q%s", in, near(in, names(index)))
			}
		}
		if loop := cycle(index, s.Name, s.Name, map[string]bool{}); loop {
			c.wrongf("scopes."+s.Name+".includes", "leads back to %s", s.Name)
		}
		// A client that asks for it gets a token that outlives the user's presence.
		if s.Name == "offline_access" && s.Default {
			c.wrongf("scopes.offline_access.default", "is true; a resource does not ask for refresh tokens")
		}
	}
}

// cycle says whether a scope includes itself.
func cycle(index map[string]*Scope, from, wanted string, seen map[string]bool) bool {
	s := index[from]
	if s == nil || seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(s.Includes, func(in string) bool { return in == wanted || cycle(index, in, wanted, seen) })
}

func near(word string, all []string) string {
	if n := closest(word, all); n != "" {
		return fmt.Sprintf(". Did you mean %q?", n)
	}
	return ""
}
