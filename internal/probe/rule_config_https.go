package probe

import "github.com/gatehouse-mcp/gatehouse/internal/config"

// configHTTPS reads a file for the checklist.
var configHTTPS = &Rule{
	Code: "GH-2164", Name: "config-https", Title: "Callers come by HTTPS",
	Group: File, Point: 4, Severity: Critical,
	Why:   "Credentials that cross a network in the clear are anybody's.",
	Fix:   "Give server.tls acme or files, or have a proxy end TLS and list it in trusted_proxies.",
	Links: []Link{configReference},
	Mend:  mendHSTS,
	Config: func(c *config.Config, t *tally) {
		s := &c.Server
		switch {
		case s.TLS.On() && s.TLS.HSTS > 0:
			t.pass(nil, "TLS ends here, and browsers are told to come by it")
		case s.TLS.On():
			t.warn(nil, "server.tls.hsts is off")
		case s.TLS.TerminatedByProxy:
			t.pass(nil, "a proxy ends TLS")
		case loopbackOnly(c):
			t.without("only this machine reaches %s", s.Listen)
		case proxied(c):
			t.warn(nil, "public_url is https and listen is on this machine, but nothing says that a proxy ends TLS: server.tls.terminated_by_proxy")
		default:
			t.fail(nil, "server.tls is not set")
		}
	},
}
