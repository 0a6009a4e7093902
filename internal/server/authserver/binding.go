package authserver

import (
	"crypto/sha256"
	"encoding/base64"
)

// thumbprintOf is how a token names a certificate; empty: there is none. RFC 8705 §3.1
func thumbprintOf(der []byte) string {
	if der == nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// binding is what the token of a request is bound to; nil: nothing.
func (q *tokenRequest) binding() *confirm {
	c := confirm{Key: q.key}
	if q.client.Bound {
		c.Certificate = q.cert
	}
	if c == (confirm{}) {
		return nil
	}
	return &c
}

// holds says whether a request is by whom a token is bound to.
func (q *tokenRequest) holds(c *confirm) bool {
	return c == nil || (c.Key == "" || c.Key == q.key) && (c.Certificate == "" || c.Certificate == q.cert)
}
