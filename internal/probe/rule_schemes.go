package probe

import "net/http"

// schemes registers what browsers act upon.
var schemes = &Rule{
	Code: "GH-2149", Name: "registration-schemes", Title: "Redirect URIs that do harm cannot be registered",
	Group: Issuer, Point: 8, Severity: High,
	Why:   "A redirect to javascript: runs in the page of the authorization server; one over plain HTTP shows the code to whoever is on the way.",
	Fix:   "Take https, http on loopback, and a list of private-use URIs; nothing else.",
	Links: []Link{rfc("7591", "5"), rfc("9700", "4.1.3"), mcpSecurity},
	Check: func(r *run, t *tally) {
		i, _, ok := r.registeredClient(t)
		if !ok {
			return
		}
		for _, uri := range []string{"javascript:alert(1)", "data:text/html,x", "http://gatehouse-check.invalid/cb", "https://gatehouse-check.invalid/cb#x"} {
			c := r.registerClient(i, uri)
			switch {
			case c.id != "":
				t.fail(c.x, "a client with the redirect URI %s is registered", uri)
			case c.x.Status != http.StatusBadRequest && c.x.Status != http.StatusUnprocessableEntity: // RFC 7591 §3.2.2
				t.unknown(c.x, "%s", c.why)
			}
		}
		t.pass(nil, "javascript:, data:, plain http and fragments are refused")
	},
}
