package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configKeys reads a file for the checklist.
var configKeys = &Rule{
	Code: "GH-2162", Name: "config-keys", Title: "Keys are hashed with a secret that is not in the database",
	Group: File, Point: 2, Severity: Low,
	Why:   "Keys are 256 random bits and only their hash is kept. With a pepper, a copy of the database does not even let anybody check a key that they found.",
	Fix:   "Set auth.api_keys.pepper to a reference.",
	Links: []Link{configReference},
	Mend:  mendPepper,
	Config: func(c *config.Config, t *tally) {
		switch k := c.Auth.APIKeys; {
		case k == nil:
			t.without("keys are not accepted")
		case k.Pepper == "" && !loopbackOnly(c):
			t.warn(nil, "auth.api_keys.pepper is not set")
		default:
			t.pass(nil, "256 random bits, hashed")
		}
	},
}
