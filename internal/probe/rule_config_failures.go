package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configFailures reads a file for the checklist.
var configFailures = &Rule{
	Code: "GH-2166", Name: "config-failures", Title: "Failed attempts are limited and written down",
	Group: File, Point: 6, Severity: Medium,
	Why:   "Whoever tries credentials has to be slowed down and seen.",
	Fix:   "Set limits.failed_auth, and audit.file.",
	Links: []Link{configReference},
	Mend:  mendFailures,
	Config: func(c *config.Config, t *tally) {
		if c.Limits.FailedAuth.PerAddress.Zero() && !loopbackOnly(c) {
			t.warn(nil, "limits.failed_auth.per_ip is off")
		}
		t.pass(nil, "an address with many failed attempts is banned for a while, and the trail has each")
	},
}
