package probe

// issSent looks for iss in an error that comes back.
var issSent = &Rule{
	Code: "GH-2148", Name: "iss-sent", Title: "iss is in errors too, when it is advertised",
	Group: Issuer, Severity: Medium, Spec: true,
	Why:   "A client that was told that iss comes has to refuse an answer without it, an error too: its user then sees another error than the one that happened.",
	Fix:   "Add iss to every redirect back to a client, errors included.",
	Links: []Link{rfc("9207", "2.3")},
	Check: func(r *run, t *tally) {
		i, c, ok := r.registeredClient(t)
		if !ok {
			return
		}
		if !i.meta.IssParameter {
			t.without("iss is not advertised")
			return
		}
		seen := false
		for _, change := range []map[string]string{{"response_type": "gatehouse-check"}, {"prompt": "none"}, {"code_challenge": "", "code_challenge_method": ""}} {
			x, e, q := r.authorize(i, c, change)
			if e != endRefused || q == nil {
				continue
			}
			seen = true
			switch {
			case q.Get("iss") == "":
				t.fail(x, "%s comes back without iss", shown(q.Get("error")))
			case q.Get("iss") != i.name:
				t.fail(x, "%s comes back with iss %q, and the issuer is %q", shown(q.Get("error")), shown(q.Get("iss")), i.name)
			case q.Get("state") != "gatehouse-check":
				t.fail(x, "%s comes back without our state", shown(q.Get("error")))
			}
		}
		if !seen {
			t.unknown(nil, "no error comes back before somebody has signed in")
			return
		}
		t.pass(nil, "errors come back with iss and state")
	},
}
