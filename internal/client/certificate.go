package client

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
)

// certified says whether a certificate, whose chain was verified, is of the
// client's subject. RFC 8705 §2.1
func certified(c *Client, der []byte) bool {
	if der == nil || c.Credentials.Subject == "" {
		return false
	}
	cert, err := x509.ParseCertificate(der)
	return err == nil && SubjectOf(cert) == c.Credentials.Subject
}

// SubjectOf is how a certificate's subject is written. RFC 4514
func SubjectOf(cert *x509.Certificate) string { return cert.Subject.String() }

// pinnedCertificate says whether a certificate is one that the client has
// registered. Who signed it does not matter; that its holder has the key is what
// the handshake has shown. RFC 8705 §2.2
func pinnedCertificate(c *Client, der []byte) bool {
	if der == nil {
		return false
	}
	sum, right := sha256.Sum256(der), 0
	for i := range c.Credentials.Thumbprints {
		right |= subtle.ConstantTimeCompare(sum[:], c.Credentials.Thumbprints[i][:])
	}
	return right == 1
}
