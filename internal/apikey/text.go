package apikey

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"
	"sync"
)

// The parts of gthk_<12 id>_<43 secret><6 checksum>, all of them base62.
const (
	prefix      = "gthk_"
	idLen       = 12
	secretLen   = 43 // 62^43 > 2^256
	checksumLen = 6  // 62^6 > 2^32
	secretAt    = len(prefix) + idLen + 1
	checksumAt  = secretAt + secretLen
	textLen     = checksumAt + checksumLen // 67

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Is reports whether text means to be one of our keys, sound or not.
func Is(text string) bool { return strings.HasPrefix(text, prefix) }

// Mint returns the id and the text of a new key made of random bytes;
// nil: crypto/rand. It fails only if random does.
func Mint(random io.Reader) (id string, text Secret, err error) {
	if random == nil {
		random = rand.Reader
	}
	// An id is drawn like a secret: 96 bits fill 12 digits many times over, so
	// that taking the last 12 of them is uniform to one part in 2^24.
	var raw [12 + 32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", Secret{}, fmt.Errorf("draw a key: %w", err)
	}
	drawn := base62(raw[:12], idLen+5)
	id = drawn[len(drawn)-idLen:]
	body := prefix + id + "_" + base62(raw[12:], secretLen)
	sum := checksum([]byte(body))
	whole := body + string(sum[:])
	return id, Secret{&whole}, nil
}

// Parse returns the id of a key's text. It returns an error that wraps
// [ErrMalformed] and never holds any of the text.
func Parse(text string) (id string, err error) {
	if _, err := parse(text); err != nil {
		return "", err
	}
	return text[len(prefix) : secretAt-1], nil
}

// bodies are lent to the checksum, which would move a key that is on the stack
// to the heap for each call.
var bodies = sync.Pool{New: func() any { return new([checksumAt]byte) }}

// parse checks a key's text and returns its bytes, for whoever goes on to hash them.
func parse(text string) (raw [textLen]byte, err error) {
	switch {
	case !Is(text):
		return raw, fmt.Errorf("%w: it does not begin with %s", ErrMalformed, prefix)
	case len(text) != textLen:
		return raw, fmt.Errorf("%w: %d characters expected, got %d", ErrMalformed, textLen, len(text))
	case text[secretAt-1] != '_':
		return raw, fmt.Errorf("%w: no _ after the id", ErrMalformed)
	}
	for i := len(prefix); i < textLen; i++ {
		if !alphanumeric(text[i]) && i != secretAt-1 {
			return raw, fmt.Errorf("%w: character %d is none that a key has", ErrMalformed, i+1)
		}
	}
	copy(raw[:], text)
	body := bodies.Get().(*[checksumAt]byte) //nolint:forcetypeassert // nothing else is in there
	copy(body[:], text)
	sum := checksum(body[:])
	clear(body[:])
	bodies.Put(body)
	if string(sum[:]) != text[checksumAt:] {
		return raw, fmt.Errorf("%w: its checksum is wrong", ErrMalformed)
	}
	return raw, nil
}

// validID reports whether s could be a key's id.
func validID(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return false
		}
	}
	return len(s) == idLen
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
