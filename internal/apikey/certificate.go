package apikey

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Thumbprint is the SHA-256 of a certificate's DER; zero: of none. RFC 8705 §3.1
type Thumbprint [sha256.Size]byte

// ThumbprintOf returns the thumbprint of a certificate.
func ThumbprintOf(der []byte) Thumbprint { return sha256.Sum256(der) }

// Zero says whether it is that of no certificate.
func (p Thumbprint) Zero() bool { return p == Thumbprint{} }

// String is what [ParseThumbprint] reads.
func (p Thumbprint) String() string {
	if p.Zero() {
		return "off"
	}
	return "sha256:" + hex.EncodeToString(p[:])
}

// ParseThumbprint reads "sha256:" and 64 hex digits, with or without colons
// between the bytes, or "off", which is no certificate.
func ParseThumbprint(text string) (p Thumbprint, err error) {
	if text == "off" {
		return Thumbprint{}, nil
	}
	digits, ok := strings.CutPrefix(text, "sha256:")
	if strings.Contains(digits, ":") { // as openssl writes a fingerprint
		digits = strings.ReplaceAll(digits, ":", "")
		ok = ok && len(text) == len("sha256:")+3*len(p)-1
	}
	if !ok || len(digits) != hex.EncodedLen(len(p)) {
		return Thumbprint{}, notThumbprint()
	}
	if _, err := hex.Decode(p[:], []byte(digits)); err != nil || p.Zero() {
		return Thumbprint{}, notThumbprint()
	}
	return p, nil
}

func notThumbprint() error {
	return fmt.Errorf(`%w: a certificate is named by "sha256:" and the 64 hexadecimal digits of its SHA-256`, ErrInvalid)
}
