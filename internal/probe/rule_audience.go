package probe

// audience brings a token for another server.
var audience = &Rule{
	Code: "GH-2133", Name: "audience", Title: "A token for another server is refused",
	Group: Refusals, Point: 8, Severity: Critical, Spec: true,
	Why:   "A server that takes any token of its issuer can be entered with one that was given to somebody else: another server, or whoever that was sent on to.",
	Fix:   "Compare aud with the server's own URL, exactly, and refuse everything else.",
	Links: []Link{rfc("8707", "2"), rfc("9068", "4"), mcpAuthorization},
	Check: func(r *run, t *tally) { r.refusesBad(t, BadResource, "a token for another server") },
}
