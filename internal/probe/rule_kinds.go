package probe

// tokenKinds brings an ID token.
var tokenKinds = &Rule{
	Code: "GH-2134", Name: "id-token", Title: "An ID token is no access token",
	Group: Refusals, Point: 8, Severity: High, Spec: true,
	Why:   "An ID token tells a client who its user is. Every client of the issuer holds one, and none was given it to call this server.",
	Fix:   "Look at typ (at+jwt), or at a claim that only access tokens have, besides the audience.",
	Links: []Link{rfc("9068", "4"), rfc("8725", "3.11")},
	Check: func(r *run, t *tally) { r.refusesBad(t, BadIDToken, "an ID token") },
}
