package config

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// Defaults of an issuer that neither the file nor its preset says.
const (
	DefaultRefresh  = 10 * time.Minute
	DefaultMaxStale = 24 * time.Hour
	MaxClockSkew    = time.Minute // the default, too
	MaxCacheFor     = 30 * time.Second
)

// completeIssuers fills in what presets know, and defaults. A preset that cannot
// be expanded fills in nothing: Check says why.
func (c *Config) completeIssuers() {
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		at := fmt.Sprintf("auth.issuers[%d].", i)
		if c.source == nil || c.source.at[at+"preset"].line == 0 { // else it is misspelt, and not left out
			setDefault(&u.Preset, DefaultPreset)
		}
		setDefault(&u.Name, u.Preset)
		if p := idp.Find(u.Preset); p != nil {
			if out, problems := p.Expand(u.Params, u.Issuer); len(problems) == 0 {
				f := filling{at: at, by: "preset " + p.Name, source: c.source}
				f.issuer(u, &out)
			}
		}
		u.complete()
	}
	for i := range c.Tenants.Resolve {
		if s := &c.Tenants.Resolve[i]; s.Claim != "" {
			setDefault(&s.From, TenantClaim)
		}
	}
}

// complete fills in the defaults of every issuer.
func (u *Issuer) complete() {
	k := &u.Keys
	switch {
	case k.From != "":
	case k.URL != "":
		k.From = KeysURL
	case k.File != "":
		k.From = KeysFile
	default:
		k.From = KeysDiscovery
	}
	setDefault(&k.Refresh, DefaultRefresh)
	setDefault(&k.MaxStale, DefaultMaxStale)
	setDefault(&u.Audience.Mode, AudienceExact)
	if u.Audience.Mode == AudienceExact && len(u.Audience.Values) == 0 {
		u.Audience.Values = []string{idp.Resource}
	}
	setDefault(&u.ClockSkew, MaxClockSkew)
	setDefault(&u.DPoP, BoundAccepted)
	setDefault(&u.MTLS, BoundAccepted)
	if u.Introspect != nil {
		setDefault(&u.Introspect.CacheFor, MaxCacheFor)
	}
}

// filling puts what a preset knows where nothing was said, and remembers that it did.
type filling struct {
	at, by string
	source *source // nil: nobody asks
}

func (f filling) note(key string) {
	if f.source == nil {
		return
	}
	if f.source.filled == nil {
		f.source.filled = map[string]string{}
	}
	f.source.filled[f.at+key] = f.by
}

func (f filling) text(key string, into *string, value string) {
	if *into == "" && value != "" {
		*into = value
		f.note(key)
	}
}

func fillList[T any](f filling, key string, into *[]T, values []T) {
	if len(*into) == 0 && len(values) > 0 {
		*into = append([]T(nil), values...)
		f.note(key)
	}
}

func (f filling) issuer(u *Issuer, p *idp.Issuer) {
	f.text("issuer", &u.Issuer, p.Issuer)
	fillList(f, "also_issuer", &u.AlsoIssuer, p.AlsoIssuer)
	if u.Keys.From == "" && u.Keys.File == "" && u.Keys.URL == "" && p.KeysURL != "" {
		f.text("keys.from", &u.Keys.From, KeysURL)
		f.text("keys.url", &u.Keys.URL, p.KeysURL)
	}
	fillList(f, "algorithms", &u.Algorithms, p.Algorithms)
	fillList(f, "token_types", &u.TokenTypes, p.TokenTypes)
	if len(u.Audience.Values) == 0 { // else the values alone say that they are what counts
		f.text("audience.mode", &u.Audience.Mode, p.Mode)
	}
	if u.Audience.Mode == "" || u.Audience.Mode == AudienceExact {
		fillList(f, "audience.values", &u.Audience.Values, p.Audiences)
	}
	fillList(f, "reject_if", &u.RejectIf, p.RejectIf)
	fillList(f, "require", &u.Require, p.Require)
	f.claims(&u.Claims, &p.Claims)
	if u.Introspect == nil && p.IntrospectOpen && p.Introspect != "" {
		u.Introspect = &Introspect{}
	}
	if u.Introspect != nil {
		f.text("introspection.url", &u.Introspect.URL, p.Introspect)
	}
}

func (f filling) claims(c, p *Claims) {
	f.at += "claims."
	for _, l := range []struct {
		key  string
		into *[]string
		from []string
	}{
		{"subject", &c.Subject, p.Subject}, {"client", &c.Client, p.Client}, {"tenant", &c.Tenant, p.Tenant}, {"scopes", &c.Scopes, p.Scopes},
		{"name", &c.Name, p.Name}, {"email", &c.Email, p.Email}, {"permissions", &c.Permissions, p.Permissions}, {"roles", &c.Roles, p.Roles},
		{"groups", &c.Groups, p.Groups}, {"drop", &c.Drop, p.Drop}, {"scope_prefix", &c.ScopePrefix, p.ScopePrefix}, {"groups_omitted", &c.GroupsOmitted, p.GroupsOmitted},
	} {
		fillList(f, l.key, l.into, l.from)
	}
	fillList(f, "service", &c.Service, p.Service)
}
