package probe

import (
	"encoding/json"
	"reflect"
)

// described asks for the server's own description, at each place where clients look.
var describedRule = &Rule{
	Code: "GH-2121", Name: "resource-metadata", Title: "The protected resource metadata is where clients look, and the same everywhere",
	Group: Discovery, Severity: High, Spec: true,
	Why:   "Clients look where the challenge points, then behind the path, then at the root, and not all of them at all three. One that finds nothing invents /authorize at the server; one that finds another document signs in elsewhere.",
	Fix:   "Serve the same document at /.well-known/oauth-protected-resource followed by the path and at the root, without a credential, and name the first in the challenge. With Gatehouse: auth.embedded or auth.issuers. If keys are all that is wanted, leave it: connect clients with a key.",
	Links: []Link{rfc("9728", "3.1"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		m := r.metadata()
		d := r.strangers()
		if m.used == nil {
			switch {
			case m.pointed != "":
				t.fail(m.header.x, "resource_metadata of the challenge leads to no metadata: %s: %s", place(m.header.at), m.header.err)
			case d.state == doorOpen:
				t.without("the server asks nobody for a credential")
			case d.state == doorUnseen:
				t.unknown(d.initialize, "%s", d.why)
			default:
				t.warn(m.path.x, "no metadata at %s (%s): clients can use keys only, none can sign in", place(m.path.at), m.path.err)
			}
			return
		}
		if m.pointed != "" && m.header.err != "" {
			t.fail(m.header.x, "resource_metadata of the challenge leads nowhere: %s: %s", place(m.header.at), m.header.err)
		}
		for _, p := range []*document{m.path, m.root} {
			switch {
			case p == m.used:
			case p.err != "":
				t.warn(p.x, "%s: %s; clients that look only there find nothing", place(p.at), p.err)
			case !same(p, m.used):
				t.fail(p.x, "%s and %s disagree", place(p.at), place(m.used.at))
			}
		}
		if m.path == m.root {
			t.pass(m.used.x, "%s describes the server", place(m.used.at))
		} else {
			t.pass(m.used.x, "%s and the root agree", place(m.path.at))
		}
	},
}

// same compares two documents by what is in them.
func same(a, b *document) bool {
	var x, y any
	return json.Unmarshal(a.x.Answer, &x) == nil && json.Unmarshal(b.x.Answer, &y) == nil && reflect.DeepEqual(x, y)
}
