package apikey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// minPepper is the least length of a pepper, in bytes.
const minPepper = 16

// hasher makes digests of keys. A fast hash will do: there are 2^256 secrets to
// guess from, where a password would have few.
type hasher struct {
	pepper      []byte
	fingerprint string // names the pepper in a record without telling it; empty: no pepper

	mu   sync.Mutex
	free []*mac // with their key already worked in
}

// mac is an HMAC and what it reads and writes: what is handed to an interface
// would have to be allocated for each key.
type mac struct {
	hash.Hash
	text [keytext.Len]byte
	sum  [sha256.Size]byte
}

func newHasher(pepper []byte) (*hasher, error) {
	h := &hasher{pepper: pepper}
	switch {
	case len(pepper) == 0:
		return h, nil
	case len(pepper) < minPepper:
		return nil, errors.New("the pepper has fewer than 16 bytes")
	}
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte("gatehouse pepper fingerprint"))
	h.fingerprint = hex.EncodeToString(mac.Sum(nil)[:8])
	return h, nil
}

// digest returns the digest of a key's text as new records have it.
func (h *hasher) digest(text []byte) [sha256.Size]byte {
	if h.fingerprint == "" {
		return plain(text)
	}
	m := h.take()
	defer h.give(m)
	m.Reset()
	m.Write(append(m.text[:0], text...))
	m.Sum(m.sum[:0])
	clear(m.text[:])
	return m.sum
}

// under returns the digest that a record made under that pepper has; ok is
// false when the pepper is another than ours.
func (h *hasher) under(pepper string, text []byte) (sum [sha256.Size]byte, ok bool) {
	switch pepper {
	case "":
		return plain(text), true
	case h.fingerprint:
		return h.digest(text), true
	}
	return sum, false
}

func plain(text []byte) [sha256.Size]byte { return sha256.Sum256(text) }

func (h *hasher) take() *mac {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.free); n > 0 {
		m := h.free[n-1]
		h.free = h.free[:n-1]
		return m
	}
	return &mac{Hash: hmac.New(sha256.New, h.pepper)}
}

func (h *hasher) give(m *mac) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.free) < 64 {
		h.free = append(h.free, m)
	}
}
