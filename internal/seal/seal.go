// Package seal encrypts what is secret in the database under a key that is not
// in it: whoever has a copy of the rows has no secret. The key comes from the
// operator, or from a file beside the database that backups leave out.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MinKey is how many bytes of text key material has at least.
const MinKey = 32

const (
	version = "s1" // of the format: version.key's id.Base64 of nonce, ciphertext and tag
	idBytes = 8    // of a key's id
)

// Facts that callers branch on.
var (
	ErrWeak    = fmt.Errorf("a key to seal under needs %d bytes at least", MinKey)
	ErrForeign = errors.New("sealed under another key")
	ErrDamaged = errors.New("what was sealed is damaged, or belongs somewhere else")
)

// Key seals and opens. It is safe for concurrent use, and shows its material to
// nobody: it only exists in the closure.
type Key struct {
	id     string
	derive func(info string) ([]byte, error)
	old    *Key // opens what was sealed before; nil: nothing was
}

// Derive makes a key of the operator's text. What surrounds it is ignored: a
// file ends with a line break that nobody means.
func Derive(material string) (*Key, error) {
	text := strings.TrimSpace(strings.TrimPrefix(material, "\ufeff"))
	if len(text) < MinKey {
		return nil, ErrWeak
	}
	k := &Key{derive: func(info string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(text), nil, "gatehouse seal "+version+" "+info, 32) // RFC 5869
	}}
	id, err := k.derive("id")
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	k.id = hex.EncodeToString(id[:idBytes])
	return k, nil
}

// After returns a key that seals as k does and also opens what old has sealed.
func (k *Key) After(old *Key) *Key {
	return &Key{id: k.id, derive: k.derive, old: old}
}

// Seal encrypts a secret for one purpose and one row: sealed for another it
// does not open, so rows cannot be exchanged for one another.
func (k *Key) Seal(purpose, row string, secret []byte) (string, error) {
	a, err := k.cipher(purpose)
	if err != nil {
		return "", err
	}
	head := version + "." + k.id + "."
	return head + base64.RawURLEncoding.EncodeToString(a.Seal(nil, nil, secret, bound(head, purpose, row))), nil //nolint:gosec // it chooses the nonce itself
}

// Open returns what was sealed for this purpose and row. It returns ErrForeign
// when that was under a key we do not have, ErrDamaged when it is not what was
// sealed there; the error never holds any of it.
func (k *Key) Open(purpose, row, sealed string) ([]byte, error) {
	id, text, err := parse(sealed)
	if err != nil {
		return nil, err
	}
	for one := k; one != nil; one = one.old {
		if one.id == id {
			return one.open(purpose, row, id, text)
		}
	}
	return nil, ErrForeign
}

// Stale says whether something was sealed under an older key than k, and should be sealed anew.
func (k *Key) Stale(sealed string) bool {
	id, _, err := parse(sealed)
	return err == nil && id != k.id
}

func (k *Key) open(purpose, row, id string, text []byte) ([]byte, error) {
	a, err := k.cipher(purpose)
	if err != nil {
		return nil, err
	}
	secret, err := a.Open(nil, nil, text, bound(version+"."+id+".", purpose, row))
	if err != nil {
		return nil, ErrDamaged
	}
	return secret, nil
}

// cipher returns AES-256-GCM under a key for this purpose alone.
func (k *Key) cipher(purpose string) (cipher.AEAD, error) {
	key, err := k.derive("purpose " + purpose)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return a, nil
}

// bound is the associated data. Each part has its length in front, so that no
// two pairs of purpose and row read the same.
func bound(head, purpose, row string) []byte {
	var b []byte
	for _, part := range [...]string{head, purpose, row} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// parse takes the format apart. It accepts one spelling of each value only.
func parse(sealed string) (id string, text []byte, err error) {
	v, rest, _ := strings.Cut(sealed, ".")
	id, encoded, ok := strings.Cut(rest, ".")
	if v != version || !ok || len(id) != 2*idBytes || strings.ContainsAny(encoded, "\r\n") {
		return "", nil, ErrDamaged
	}
	text, err = base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", nil, ErrDamaged
	}
	return id, text, nil
}
