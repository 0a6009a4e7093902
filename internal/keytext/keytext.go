// Package keytext knows how an API key is written, and finds keys in texts
// where none should be. It judges no key: who holds one is not told by its text.
package keytext

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"
	"sync"
)

// The parts of gthk_<12 id>_<43 secret><6 checksum>, all of them base62.
const (
	Prefix      = "gthk_"
	IDLen       = 12
	secretLen   = 43 // 62^43 > 2^256
	checksumLen = 6  // 62^6 > 2^32
	SecretAt    = len(Prefix) + IDLen + 1
	ChecksumAt  = SecretAt + secretLen
	Len         = ChecksumAt + checksumLen // 67

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ErrMalformed says that a text is not a key's, or that it was damaged.
var ErrMalformed = errors.New("not a key's text")

// Is reports whether text means to be one of our keys, sound or not.
func Is(text string) bool { return strings.HasPrefix(text, Prefix) }

// ID returns the id in a text that [Parse] accepts.
func ID(text string) string { return text[len(Prefix) : SecretAt-1] }

// Mint returns the id and the text of a new key made of random bytes;
// nil: crypto/rand. It fails only if random does.
func Mint(random io.Reader) (id, text string, err error) {
	if random == nil {
		random = rand.Reader
	}
	// An id is drawn like a secret: 96 bits fill 12 digits many times over, so
	// that taking the last 12 of them is uniform to one part in 2^24.
	var raw [12 + 32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", "", fmt.Errorf("draw a key: %w", err)
	}
	drawn := base62(raw[:12], IDLen+5)
	id = drawn[len(drawn)-IDLen:]
	body := Prefix + id + "_" + base62(raw[12:], secretLen)
	sum := checksum([]byte(body))
	return id, body + string(sum[:]), nil
}

// bodies are lent to the checksum, which would move a key that is on the stack
// to the heap for each call.
var bodies = sync.Pool{New: func() any { return new([ChecksumAt]byte) }}

// Parse checks a key's text and returns its bytes, for whoever goes on to hash
// them. Its error wraps [ErrMalformed] and never holds any of the text.
func Parse(text string) (raw [Len]byte, err error) {
	switch {
	case !Is(text):
		return raw, fmt.Errorf("%w: it does not begin with %s", ErrMalformed, Prefix)
	case len(text) != Len:
		return raw, fmt.Errorf("%w: %d characters expected, got %d", ErrMalformed, Len, len(text))
	case text[SecretAt-1] != '_':
		return raw, fmt.Errorf("%w: no _ after the id", ErrMalformed)
	}
	for i := len(Prefix); i < Len; i++ {
		if !alphanumeric(text[i]) && i != SecretAt-1 {
			return raw, fmt.Errorf("%w: character %d is none that a key has", ErrMalformed, i+1)
		}
	}
	copy(raw[:], text)
	body := bodies.Get().(*[ChecksumAt]byte) //nolint:forcetypeassert // nothing else is in there
	copy(body[:], text)
	sum := checksum(body[:])
	clear(body[:])
	bodies.Put(body)
	if string(sum[:]) != text[ChecksumAt:] {
		return raw, fmt.Errorf("%w: its checksum is wrong", ErrMalformed)
	}
	return raw, nil
}

// ValidID reports whether s could be a key's id.
func ValidID(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return false
		}
	}
	return len(s) == IDLen
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// checksum returns the CRC-32 (IEEE) of body in six digits. It is no secret and
// protects from nothing but slips: scanners and we know a key without asking a database.
func checksum(body []byte) (sum [checksumLen]byte) {
	crc := crc32.ChecksumIEEE(body)
	for i := checksumLen - 1; i >= 0; i-- {
		sum[i] = digits[crc%62]
		crc /= 62
	}
	return sum
}

// base62 writes b as one big-endian number of exactly n digits.
func base62(b []byte, n int) string {
	num, base, rem := new(big.Int).SetBytes(b), big.NewInt(62), new(big.Int)
	out := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		num.QuoRem(num, base, rem)
		out[i] = digits[rem.Int64()]
	}
	return string(out)
}
