package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configEntry reads a file for the checklist.
var configEntry = &Rule{
	Code: "GH-2161", Name: "config-entry", Title: "A file admits no more than it says",
	Group: File, Point: 1, Severity: Medium,
	Why:   "With policy.default: allow whoever has any accepted credential may call every tool, those that are added tomorrow too.",
	Fix:   "Set policy.default: deny and write rules for what may be called.",
	Links: []Link{configReference},
	Mend:  mendEntry,
	Config: func(c *config.Config, t *tally) {
		if c.Auth.APIKeys == nil && len(c.Auth.Issuers) == 0 && c.Auth.Embedded == nil {
			t.fail(nil, "no credential is accepted and none can be asked for")
		}
		if c.Policy.Default == config.Allow && !loopbackOnly(c) {
			t.warn(nil, "policy.default is allow: every accepted credential may call every tool")
		}
		for i := range c.Servers {
			if p := c.Servers[i].Policy; p != nil && p.Default == config.Allow && !loopbackOnly(c) {
				t.warn(nil, "servers[%d].policy.default is allow", i)
			}
		}
		t.pass(nil, "a credential is asked for on every request, and what no rule allows is refused")
	},
}
