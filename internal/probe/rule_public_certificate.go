package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
)

// publicCertificate judges by what everybody knows, at each address.
var publicCertificate = &Rule{
	Code: "GH-2116", Name: "public-certificate", Title: "The certificate is trusted everywhere, not only here",
	Group: Internet, Severity: High,
	Why:   "A company's own certificate authority is installed on its machines and on nobody else's: hosted clients end the connection before they have asked anything.",
	Fix:   "Use a certificate of a public authority (server.tls.acme) where the internet connects, with its whole chain, on every address.",
	Links: []Link{rfc("5280", "6"), {"Mozilla's list of authorities", "https://wiki.mozilla.org/CA"}},
	Check: func(r *run, t *tally) {
		n, ok := r.fromPublic(t)
		if !ok {
			return
		}
		if r.target.Scheme != "https" {
			t.without("the URL is not https")
			return
		}
		open := n.open()
		if len(open) == 0 {
			t.unknown(nil, "there is no address to connect to")
		}
		for _, ip := range open[:min(len(open), maxTried)] {
			r.knownEverywhere(t, ip)
		}
	},
}

// knownEverywhere judges what the server proves itself with at one address.
func (r *run) knownEverywhere(t *tally, ip netip.Addr) {
	raw, err := dialOne(r.ctx, r.base, "tcp", ip, r.port())
	if err != nil {
		t.unknown(nil, "%s was not reached", ip)
		return
	}
	// A bad certificate has to be seen to be described, so the handshake takes any; nothing is sent over this connection.
	state, err := r.greet(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}) //nolint:gosec // see above
	if err != nil {
		t.unknown(nil, "%s makes no TLS connection: %s", ip, reason(err))
		return
	}
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	judge := func(roots *x509.CertPool) error {
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: r.target.Hostname(), Roots: roots, Intermediates: between, CurrentTime: r.now()})
		return err
	}
	var stranger x509.UnknownAuthorityError
	switch wrong := judge(r.public.roots); {
	case wrong == nil:
		t.pass(nil, "an authority that everybody knows vouches for it (%s)", leaf.Issuer.CommonName)
	case errors.As(wrong, &stranger) && judge(r.o.Roots) == nil:
		t.fail(nil, "%s: its authority (%s) is known to this machine only, or the chain lacks a link that this machine has", ip, leaf.Issuer)
	default:
		t.fail(nil, "%s: %v", ip, wrong)
	}
}
