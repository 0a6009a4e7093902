package probe

import "slices"

// pkce looks for the one member without which clients stop.
var pkce = &Rule{
	Code: "GH-2125", Name: "pkce", Title: "The authorization server advertises PKCE with S256",
	Group: Issuer, Point: 8, Severity: High, Spec: true,
	Why:   "Without PKCE whoever sees a code can use it. Clients have to refuse an authorization server whose metadata does not list it, even if it supports it.",
	Fix:   `Add "code_challenge_methods_supported": ["S256"] to the metadata, to openid-configuration too, and refuse plain.`,
	Links: []Link{rfc("7636", "6.2"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		switch m := i.meta.CodeChallengeMethods; {
		case len(m) == 0:
			t.fail(i.doc.x, "code_challenge_methods_supported is missing: every client stops here")
		case !slices.Contains(m, "S256"):
			t.fail(i.doc.x, "code_challenge_methods_supported is %q, without S256", m)
		case slices.Contains(m, "plain"):
			t.fail(i.doc.x, "code_challenge_methods_supported has plain, which protects nothing")
		default:
			t.pass(i.doc.x, "S256")
		}
	},
}
