package probe

// Rules returns every rule, in the order in which they are asked: those that
// send credentials come late, and those that send many last, for a server may
// stop listening to us then.
func Rules() []*Rule {
	return []*Rule{
		encrypted, certificate, versions, hsts, slash,
		publicNameRule, publicAddresses, publicCertificate,
		demanded, toolsOpen, routes, paths, websocket, debug, upstream,
		challengeRule, describedRule, named, contents,
		issuerRule, pkce, registration, iss, endpoints, tokenEndpoint, bound,
		consent, pkceEnforced, redirects, targets, issSent, schemes, publicIssuer, publicReach,
		cors, mismatch, origin, host, sessions, strength,
		garbage, uniform, algorithms, audience, tokenKinds, refreshToken, expired, revoked, query,
		leaks, rotation, rate, failures,
	}
}
