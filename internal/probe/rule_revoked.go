package probe

// revoked brings a revoked credential.
var revoked = &Rule{
	Code: "GH-2137", Name: "revoked", Title: "A revoked credential is refused",
	Group: Refusals, Point: 7, Severity: Critical, Spec: true,
	Why:   "Revoking is what one does when a credential was stolen. If it goes on to work, nothing was done.",
	Fix:   "Look up revocations on every request, or keep tokens short and refuse to renew them.",
	Links: []Link{rfc("7009", "2"), mcpAuthorization},
	Check: func(r *run, t *tally) { r.refusesBad(t, BadRevoked, "a revoked credential") },
}
