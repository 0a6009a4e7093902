package probe

// consent asks for a code as a client that nobody has seen before.
var consent = &Rule{
	Code: "GH-2154", Name: "consent", Title: "A new client gets no code unless somebody says yes",
	Group: Issuer, Point: 8, Severity: Critical, Spec: true,
	Why:   "Anybody can register a client and send people a link. An authorization server that answers it with a code, because it knows the browser or asks nobody, gives the attacker the people's access.",
	Fix:   "Have people sign in, and show them the client and where the answer goes before the first code for it.",
	Links: []Link{mcpSecurity, rfc("9700", "4.14")},
	Check: func(r *run, t *tally) {
		i, c, ok := r.registeredClient(t)
		if !ok {
			return
		}
		switch x, e, _ := r.authorize(i, c, nil); e {
		case endCode:
			t.fail(x, "a client that was registered a moment ago got a code, and nobody was asked")
		case endGoesOn:
			t.pass(x, "a code is given out only after a page, or a sign-in")
		default:
			t.unknown(x, "an authorization request that is right is not taken: %s", sight(x))
		}
	},
}
