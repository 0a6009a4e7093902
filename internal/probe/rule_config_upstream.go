package probe

import (
	"net/url"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// configUpstream reads a file for the checklist.
var configUpstream = &Rule{
	Code: "GH-2169", Name: "config-upstream", Title: "The servers behind are not open to a network",
	Group: File, Point: 1, Severity: High,
	Why:   "Who reaches the server behind by its own address is past every check.",
	Fix:   "Bind it to localhost, use a network policy, or have it verify X-Gatehouse-Identity (forward.identity: jwt). See whether it is open: gatehouse check URL --upstream URL.",
	Links: []Link{configReference},
	Mend:  mendUpstreams,
	Config: func(c *config.Config, t *tally) {
		for i := range c.Servers {
			s := &c.Servers[i]
			u, err := url.Parse(s.URL)
			if s.URL == "" || err != nil || local(u.Hostname()) || s.Forward.Identity == config.IdentityJWT || s.Forward.Authorization != "" {
				continue
			}
			t.warn(nil, "servers[%d] (%s): %s is not on this machine, and is not told who calls in a way that it could verify", i, s.Name, place(s.URL))
		}
		t.pass(nil, "they are on this machine, or can verify who calls")
	},
}
