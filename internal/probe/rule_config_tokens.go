package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configTokens reads a file for the checklist.
var configTokens = &Rule{
	Code: "GH-2168", Name: "config-tokens", Title: "Tokens are for this server alone",
	Group: File, Point: 8, Severity: High,
	Why:   "A token that was given to another server, or to any client of the provider, is in other hands than its users.",
	Fix:   "Set audience.mode: exact with the server's URL; where a provider cannot, list clients.",
	Links: []Link{configReference},
	Mend:  mendAudience,
	Config: func(c *config.Config, t *tally) {
		for i := range c.Auth.Issuers {
			if u := &c.Auth.Issuers[i]; u.Audience.Mode != config.AudienceExact {
				t.warn(nil, "auth.issuers[%d] (%s): audience.mode is %s", i, u.Name, u.Audience.Mode)
			}
		}
		if len(c.Auth.Issuers) == 0 && c.Auth.Embedded == nil {
			t.without("tokens are not accepted")
			return
		}
		t.pass(nil, "aud has to be this server")
	},
}
