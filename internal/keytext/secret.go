package keytext

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Kind is what the text of a secret begins with. All kinds are written alike, so
// that one pattern finds each of them where it should not be.
type Kind string

// The kinds of secrets.
const (
	APIKey     Kind = Prefix
	Refresh    Kind = "gthr_" // RFC 6749 §1.5
	Code       Kind = "gthc_" // RFC 6749 §1.3.1
	Device     Kind = "gthd_" // RFC 8628 §3.2
	Access     Kind = "gtha_" // an access token that only we read, such as a registration's. RFC 7592 §3
	Invitation Kind = "gthi_"
)

// NewID returns 12 random digits, which is more than 70 bits.
func NewID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: the program ends instead
	n := [4]uint64{binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])}
	var out [IDLen]byte
	for i := range out { // the remainders by 62^12 < 2^72 are uniform to one part in 2^56
		out[i] = digits[divide(n[:2])]
	}
	return string(out[:])
}

// NewSecret returns 32 random bytes.
func NewSecret() (secret [32]byte) {
	rand.Read(secret[:]) // never fails: the program ends instead
	return secret
}

// Compose returns the text of a secret. The id may be known to anybody; it is
// one that [NewID] made.
func Compose(k Kind, id string, secret [32]byte) string {
	var text [Len]byte
	copy(text[:], k)
	copy(text[len(k):], id)
	text[SecretAt-1] = '_'
	n := limbs(secret)
	for i := ChecksumAt - 1; i >= SecretAt; i-- {
		text[i] = digits[divide(n[:])]
	}
	sum := checksum(text[:ChecksumAt])
	copy(text[ChecksumAt:], sum[:])
	return string(text[:])
}

// Read takes the text of a secret apart. Each secret has one text: whatever is
// changed in it makes it another one's or nobody's. The error wraps
// [ErrMalformed] and never holds any of the text.
func Read(k Kind, text string) (id string, secret [32]byte, err error) {
	if len(text) != Len || text[:len(k)] != string(k) || text[SecretAt-1] != '_' {
		return "", secret, fmt.Errorf("%w: it has not the form %s…", ErrMalformed, k)
	}
	id = text[len(k) : SecretAt-1]
	if !ValidID(id) {
		return "", secret, fmt.Errorf("%w: its id is none", ErrMalformed)
	}
	if sum := checksum([]byte(text[:ChecksumAt])); string(sum[:]) != text[ChecksumAt:] {
		return "", secret, fmt.Errorf("%w: its checksum is wrong", ErrMalformed)
	}
	var n [4]uint64
	for i := SecretAt; i < ChecksumAt; i++ {
		d := digit(text[i])
		if d < 0 || !multiply(&n, uint64(d)) {
			return "", secret, fmt.Errorf("%w: its secret is none", ErrMalformed)
		}
	}
	for i, limb := range n {
		binary.BigEndian.PutUint64(secret[8*i:], limb)
	}
	return id, secret, nil
}

func limbs(secret [32]byte) (n [4]uint64) {
	for i := range n {
		n[i] = binary.BigEndian.Uint64(secret[8*i:])
	}
	return n
}

// divide divides a big-endian number by 62 and returns the remainder.
func divide(n []uint64) (rest uint64) {
	for i := range n {
		n[i], rest = bits.Div64(rest, n[i], 62)
	}
	return rest
}

// multiply multiplies a number by 62 and adds a digit. It reports false when
// that does not fit.
func multiply(n *[4]uint64, carry uint64) bool {
	for i := len(n) - 1; i >= 0; i-- {
		high, low := bits.Mul64(n[i], 62)
		sum, over := bits.Add64(low, carry, 0)
		n[i], carry = sum, high+over
	}
	return carry == 0
}

// digit returns the value of a digit, -1 if it is none.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}
