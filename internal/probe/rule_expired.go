package probe

// expired brings an expired credential.
var expired = &Rule{
	Code: "GH-2136", Name: "expired", Title: "An expired credential is refused",
	Group: Refusals, Point: 7, Severity: Critical, Spec: true,
	Why:   "A credential that never ends is one that a thief keeps.",
	Fix:   "Check exp of tokens and the expiry of keys on every request, streams that are open included.",
	Links: []Link{rfc("7519", "4.1.4"), mcpAuthorization},
	Check: func(r *run, t *tally) { r.refusesBad(t, BadExpired, "an expired credential") },
}
