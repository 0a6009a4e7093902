package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

const expiresSoon = 14 * 24 * time.Hour

// certificate looks at what the server proves itself with.
var certificate = &Rule{
	Code: "GH-2108", Name: "certificate", Title: "The certificate is trusted, fits the name and lasts",
	Group: Transport, Point: 4, Severity: Critical,
	Why:   "Clients refuse a certificate that they cannot verify, or their users learn to ignore it. One that is about to end stops everybody on that day.",
	Fix:   "Have certificates fetched and renewed by a machine (server.tls.acme), and send the whole chain.",
	Links: []Link{rfc("5280", "6"), rfc("9525", "")},
	Check: func(r *run, t *tally) {
		if r.target.Scheme != "https" {
			t.without("the URL is not https")
			return
		}
		// A bad certificate has to be seen to be described, so the handshake takes any; nothing is sent over this connection.
		state, err := r.handshake(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}) //nolint:gosec // see above
		if err != nil {
			t.unknown(nil, "no TLS connection: %s", reason(err))
			return
		}
		leaf := state.PeerCertificates[0]
		left := leaf.NotAfter.Sub(r.now())
		verify := x509.VerifyOptions{DNSName: r.target.Hostname(), Roots: r.o.Roots, Intermediates: x509.NewCertPool(), CurrentTime: r.now()}
		for _, c := range state.PeerCertificates[1:] {
			verify.Intermediates.AddCert(c)
		}
		_, wrong := leaf.Verify(verify)
		var unknownCA x509.UnknownAuthorityError
		switch {
		case left <= 0:
			t.fail(nil, "the certificate ended on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
		case leaf.NotBefore.After(r.now()):
			t.fail(nil, "the certificate begins on %s", leaf.NotBefore.UTC().Format(time.DateOnly))
		case errors.As(wrong, &unknownCA):
			t.fail(nil, "nobody known here vouches for the certificate (issuer %q, %d in the chain): is the chain complete, or is --ca missing?", leaf.Issuer.String(), len(state.PeerCertificates))
		case wrong != nil:
			t.fail(nil, "the certificate does not do: %v", wrong)
		case left < expiresSoon:
			t.warn(nil, "the certificate ends in %d days", days(left))
		default:
			t.pass(nil, "certificate valid %d days", days(left))
		}
	},
}

// handshake makes a connection of TLS and ends it.
func (r *run) handshake(c *tls.Config) (*tls.ConnectionState, error) {
	raw, err := r.dial(r.port())
	if err != nil {
		return nil, err
	}
	return r.greet(raw, c)
}

// greet makes TLS of a connection, and ends it.
func (r *run) greet(raw net.Conn, c *tls.Config) (*tls.ConnectionState, error) {
	c.ServerName = r.target.Hostname()
	defer func() { _ = raw.Close() }()
	_ = raw.SetDeadline(time.Now().Add(r.wait)) // the handshake says what is wrong
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(r.ctx); err != nil {
		return nil, err
	}
	r.answered = true
	s := conn.ConnectionState()
	return &s, nil
}
