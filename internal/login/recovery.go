package login

import (
	"crypto/rand"
	"strings"
)

// recoveryCodes is how many codes somebody is given at once.
const recoveryCodes = 10

// newRecovery returns codes for a person to keep, and what is stored of them.
// Each has 80 bits: that is too much to be guessed, so a plain hash will do.
func newRecovery() (codes, hashes []string) {
	for range recoveryCodes {
		code := strings.ToLower(rand.Text()[:16])
		codes = append(codes, strings.ReplaceAll(grouped(code), " ", "-"))
		hashes = append(hashes, digest("recovery "+code))
	}
	return codes, hashes
}

// recoveryHash returns what is stored of a code that somebody typed; ok is
// false for what is none.
func recoveryHash(code string) (hash string, ok bool) {
	code = strings.ToLower(digits(code))
	if len(code) != 16 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return digest("recovery " + code), true
}

// newInvitation returns what is in the link of an invitation: 260 bits.
func newInvitation() string { return strings.ToLower(rand.Text() + rand.Text()) }
