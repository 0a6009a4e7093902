package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// S256 is the one way in which a code is bound to who asked for it. RFC 7636 §4.2
const S256 = "S256"

// Bounds of a code verifier. RFC 7636 §4.1
const (
	minVerifier = 43
	maxVerifier = 128
)

// CheckChallenge judges code_challenge and code_challenge_method of an
// authorization request. A method that is left out would be "plain", which is
// refused like everything else that is not S256. RFC 7636 §4.3, OAuth 2.1 §4.1.1
func CheckChallenge(challenge, method string) *Error {
	refused := func(description string) *Error {
		return &Error{Code: InvalidRequest, Description: description, Ref: "GH-1403"}
	}
	if challenge == "" {
		return refused("code_challenge is required (PKCE), with code_challenge_method=S256")
	}
	if method != S256 {
		return refused("code_challenge_method has to be S256: plain, which is also meant by leaving it out, is refused")
	}
	// The strict encoding has one spelling of each hash.
	if b, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(b) != sha256.Size || strings.ContainsAny(challenge, "\r\n") {
		return refused("code_challenge is not the base64url text of a SHA-256 hash, which has 43 characters")
	}
	return nil
}

// VerifyPKCE says whether a challenge was made of this verifier. An empty one of
// either never matches. RFC 7636 §4.6
func VerifyPKCE(challenge, verifier string) bool {
	if len(verifier) < minVerifier || len(verifier) > maxVerifier || challenge == "" {
		return false
	}
	for i := range len(verifier) {
		if !unreserved(verifier[i]) {
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

// unreserved says whether a character may stand in a URI as it is. RFC 3986 §2.3
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
