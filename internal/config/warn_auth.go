package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// longStale is more than an outage of a provider takes.
const longStale = 7 * 24 * time.Hour

// warnIssuer finds what lets tokens in that were not meant for us.
func (c *checker) warnIssuer(at string, u *Issuer) {
	p := idp.Find(u.Preset)
	if p == nil {
		return
	}
	switch {
	case u.Audience.Mode == AudienceExact:
		c.warnValues(at+".audience.values", u, p)
	case slices.Equal(u.Clients, []string{AnyClient}):
		c.warn(true, at+".clients", "is any: a token that anybody's client got from %s works here, and so it does for whoever that client sent it to", u.Name)
	default:
		c.warn(true, at+".audience.mode", "is %s: %s", u.Audience.Mode, cmp.Or(p.Weak, "whatever an accepted client was given is accepted here, whomever it was meant for"))
	}
	if u.Introspect != nil && u.Introspect.InsecureNoIssuer {
		c.warn(true, at+".introspection.insecure_no_issuer", "is true: a token of another issuer counts if the endpoint knows it")
	}
	if u.Keys.MaxStale > longStale {
		c.warn(true, at+".keys.max_stale", "is %d days: a key that the provider withdrew counts that long if it cannot be asked", int(u.Keys.MaxStale.Hours()/24))
	}
	for i, h := range u.Private {
		if n, err := netip.ParsePrefix(h); err == nil && wide(n) {
			c.warn(true, fmt.Sprintf("%s.private[%d]", at, i), "%s is a wide network: whatever is in it may be asked for keys", h)
		}
	}
	if strings.HasPrefix(u.Issuer, "http:") || strings.HasPrefix(u.Keys.URL, "http:") {
		c.warn(true, at+".issuer", "is reached by plain HTTP: whoever is on the way can put other keys in")
	}
	admitted := slices.ContainsFunc(c.Servers, func(s Upstream) bool {
		return len(s.Tenants) == 0 || slices.Contains(s.Tenants, u.BindTenant)
	})
	if u.BindTenant != "" && !admitted {
		c.warn(false, at+".bind_tenant", "is %s, and no server admits that tenant", u.BindTenant)
	}
}

// warnValues finds audiences that more than this server's tokens have.
func (c *checker) warnValues(at string, u *Issuer, p *idp.Preset) {
	for _, v := range u.Audience.Values {
		if why := p.Shared[v]; why != "" {
			c.warn(true, at, "has %q: %s", v, strings.ReplaceAll(why, idp.Resource, "the server's URL"))
		}
	}
	// An audience of the provider's own making is not this server's name.
	made, _ := p.Expand(u.Params, u.Issuer)
	for _, v := range u.Audience.Values {
		if p.Weak != "" && v != idp.Resource && slices.Contains(made.Audiences, v) {
			c.warn(true, at, "has %s: %s", v, p.Weak)
		}
	}
}
