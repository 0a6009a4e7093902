package probe

// pkceEnforced leaves PKCE out.
var pkceEnforced = &Rule{
	Code: "GH-2145", Name: "pkce-enforced", Title: "A sign-in without PKCE does not begin",
	Group: Issuer, Point: 8, Severity: High, Spec: true,
	Why:   "If PKCE can be left out, an attacker leaves it out: a stolen code is then enough for a token.",
	Fix:   "Refuse authorization requests without code_challenge, and every method but S256.",
	Links: []Link{rfc("9700", "2.1.1"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		i, c, ok := r.registeredClient(t)
		if !ok || !r.goesOn(t, i, c) {
			return
		}
		for what, change := range map[string]map[string]string{
			"without code_challenge":           {"code_challenge": "", "code_challenge_method": ""},
			"with code_challenge_method plain": {"code_challenge_method": "plain"},
		} {
			switch x, e, _ := r.authorize(i, c, change); e {
			case endGoesOn, endCode:
				t.fail(x, "a sign-in %s goes on", what)
			case endUnseen:
				t.unknown(x, "%s", sight(x))
			}
		}
		t.pass(nil, "sign-ins without PKCE, or with plain, are refused")
	},
}
