package gatehouse

import "net/netip"

// Credential is what a request presents, with what of the request a bound
// credential is judged by.
type Credential struct {
	Scheme      string     // "Bearer" or "DPoP": how it was presented; empty is Bearer
	Text        string     // the token or key itself
	Proofs      []string   // every DPoP header of the request, in order. RFC 9449 §4.1
	Method, URL string     // of the request, as its sender knows it: what a proof's htm and htu must be. RFC 9449 §4.3
	Certificate []byte     // DER of the connection's client certificate, if it was verified; nil: there is none. RFC 8705 §3
	Presented   []byte     // DER of the connection's client certificate, whoever vouches for it, if the handshake has shown that its holder has the key; what a token is bound to may be this one. nil: Certificate. Protect leaves it out. RFC 8705 §2.2
	From        netip.Addr // where the request came from
	Shared      bool       // From is a proxy's, which did not say whom it speaks for: it is nobody's own
}
