package probe

// refreshToken brings a refresh token.
var refreshToken = &Rule{
	Code: "GH-2135", Name: "refresh-token", Title: "A refresh token is no access token",
	Group: Refusals, Point: 8, Severity: High, Spec: true,
	Why:   "A refresh token lives for weeks and is for the authorization server alone. A server that takes it makes a long life of a short one.",
	Fix:   "Accept what is issued as an access token only.",
	Links: []Link{rfc("6749", "1.5"), mcpAuthorization},
	Check: func(r *run, t *tally) { r.refusesBad(t, BadRefresh, "a refresh token") },
}
