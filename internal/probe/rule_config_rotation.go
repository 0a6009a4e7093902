package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configRotation reads a file for the checklist.
var configRotation = &Rule{
	Code: "GH-2167", Name: "config-rotation", Title: "Credentials end",
	Group: File, Point: 7, Severity: Medium,
	Why:   "A credential without an end is one that a thief keeps.",
	Fix:   "Give auth.api_keys.default_ttl a time, such as 90d, and keep rotation_overlap short.",
	Links: []Link{configReference},
	Mend:  mendRotation,
	Config: func(c *config.Config, t *tally) {
		switch k := c.Auth.APIKeys; {
		case k == nil:
			t.pass(nil, "tokens end by themselves")
		case k.DefaultTTL > longLife:
			t.warn(nil, "auth.api_keys.default_ttl is %d days", days(k.DefaultTTL))
		case k.RotationOverlap > longOverlap:
			t.warn(nil, "auth.api_keys.rotation_overlap is %d days: that long a replaced key goes on to work", days(k.RotationOverlap))
		default:
			t.pass(nil, "keys live %d days unless they say otherwise", days(k.DefaultTTL))
		}
	},
}
