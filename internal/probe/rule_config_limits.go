package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configLimits reads a file for the checklist.
var configLimits = &Rule{
	Code: "GH-2165", Name: "config-limits", Title: "Callers have limits",
	Group: File, Point: 5, Severity: Medium,
	Why:   "One caller in a loop takes the server from all others, and a stolen key is used until there is nothing left to take.",
	Fix:   "Set limits.per_key or limits.per_principal, and limits.per_tenant where there are tenants.",
	Links: []Link{configReference},
	Mend:  mendLimits,
	Config: func(c *config.Config, t *tally) {
		l := &c.Limits
		if l.PerKey.Zero() && l.PerPrincipal.Zero() && l.PerTenant.Zero() {
			if loopbackOnly(c) {
				t.without("only this machine reaches it")
				return
			}
			t.warn(nil, "limits: neither per_key nor per_principal nor per_tenant is set")
			return
		}
		t.pass(nil, "calls are limited")
	},
}
