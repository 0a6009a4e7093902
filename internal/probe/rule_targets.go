package probe

// targets asks for a token for somebody else's server.
var targets = &Rule{
	Code: "GH-2147", Name: "resource-indicator", Title: "The authorization server knows what a token is for",
	Group: Issuer, Point: 8, Severity: Medium, Spec: true,
	Why:   "A token is bound to its server by the resource that the client asks for. An authorization server that ignores it gives out tokens that work elsewhere too, or none that work here.",
	Fix:   "Honour resource at the authorization and the token endpoint, and answer invalid_target to one that is not served.",
	Links: []Link{rfc("8707", "2"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		i, c, ok := r.registeredClient(t)
		if !ok || !r.goesOn(t, i, c) {
			return
		}
		x, e, q := r.authorize(i, c, map[string]string{"resource": "https://gatehouse-check.invalid/mcp"})
		switch {
		case e == endGoesOn || e == endCode:
			t.warn(x, "a sign-in for a resource that nobody serves goes on: resource seems to be ignored")
		case e == endUnseen:
			t.unknown(x, "%s", sight(x))
		case q != nil && q.Get("error") != "invalid_target":
			t.warn(x, "a resource that nobody serves is refused with %.40q in place of invalid_target", q.Get("error"))
		default:
			t.pass(x, "a resource that nobody serves is refused")
		}
	},
}
