package probe

import (
	"slices"
	"strings"
)

// contents judges the rest of the metadata.
var contents = &Rule{
	Code: "GH-2123", Name: "metadata-contents", Title: "The metadata says what clients need, and no more",
	Group: Discovery, Severity: Medium, Spec: true,
	Why:   "Without an authorization server nobody can sign in. Clients ask for every scope that is listed, so a long list asks users for too much; offline_access there breaks some of them.",
	Fix:   "List one authorization server over https, the scopes that a first call needs, and bearer_methods_supported: [header].",
	Links: []Link{rfc("9728", "2"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		m, ok := r.described(t)
		if !ok {
			return
		}
		x := m.used.x
		if len(m.Servers) == 0 {
			t.fail(x, "authorization_servers is empty")
		}
		for _, s := range m.Servers {
			if !strings.HasPrefix(s, "https://") && r.target.Scheme == "https" {
				t.fail(x, "the authorization server %s is not https", place(s))
			}
		}
		if len(m.Servers) > 1 {
			t.warn(x, "%d authorization servers: several clients only try the first", len(m.Servers))
		}
		if slices.Contains(m.Scopes, "offline_access") {
			t.warn(x, "scopes_supported has offline_access, which is between client and authorization server")
		}
		for _, way := range m.BearerMethod {
			if way != "header" {
				t.fail(x, "bearer_methods_supported has %q: a token in a URL or form is in the log of every proxy", shown(way)) // MCP forbids it in the query
			}
		}
		if !strings.HasSuffix(x.media(), "json") {
			t.warn(x, "the metadata is sent as %q, not as application/json", shown(x.media()))
		}
		t.pass(x, "%d authorization server, %d scopes", len(m.Servers), len(m.Scopes))
	},
}
