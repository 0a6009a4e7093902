// Package jwks reads the public keys that an issuer publishes. RFC 7517
//
// It takes nothing on trust: what is no key to verify an issuer's signature by,
// or too weak to be one, is left out, and said.
package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a document.
const (
	MaxBytes = 1 << 20
	MaxKeys  = 100

	minRSA = 2048 // bits. RFC 7518 §3.3
	maxID  = 1024 // bytes of a kid
)

// Set is what a document has to offer.
type Set struct {
	Keys    []Key
	Ignored []string // a line for each key that does not count, and why
}

// Key is one public key.
type Key struct {
	ID     string // kid; empty: it has none
	Alg    string // the only algorithm that it is for; empty: any that fits its type
	Type   string // RSA, EC or OKP
	Size   int    // bits of the modulus or of the curve
	Public crypto.PublicKey
}

// member is what is read of a key. Everything else, certificates too, is none of
// our business: who may sign is said by the set, not by a chain in it.
type member struct {
	Type string   `json:"kty"`
	ID   string   `json:"kid"`
	Use  string   `json:"use"`
	Ops  []string `json:"key_ops"`
	Alg  string   `json:"alg"`

	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	N     string `json:"n"`
	E     string `json:"e"`

	// Private or symmetric. RFC 7518 §6, RFC 9964
	D    jsontext.Value `json:"d"`
	P    jsontext.Value `json:"p"`
	Q    jsontext.Value `json:"q"`
	DP   jsontext.Value `json:"dp"`
	DQ   jsontext.Value `json:"dq"`
	QI   jsontext.Value `json:"qi"`
	Oth  jsontext.Value `json:"oth"`
	K    jsontext.Value `json:"k"`
	Priv jsontext.Value `json:"priv"`
}

// Parse reads a JWK Set. It is an error if the document is not one, has more
// than MaxKeys keys, or none that counts: an empty set is never what an issuer
// means. Members that occur twice are an error at any depth. RFC 7517 §5
func Parse(raw []byte) (*Set, error) {
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("key set: %d bytes, at most %d", len(raw), MaxBytes)
	}
	var doc struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if len(doc.Keys) > MaxKeys {
		return nil, fmt.Errorf("key set: %d keys, at most %d", len(doc.Keys), MaxKeys)
	}
	s := &Set{}
	for i, text := range doc.Keys {
		k, err := parseKey(text)
		switch {
		case err != nil:
			s.Ignored = append(s.Ignored, fmt.Sprintf("key %d %.64q: %v", i, k.ID, err))
		case !slices.ContainsFunc(s.Keys, k.same): // listed twice is listed
			s.Keys = append(s.Keys, k)
		}
	}
	if len(s.Keys) == 0 {
		return nil, fmt.Errorf("key set: none of its %d keys can be used %v", len(doc.Keys), s.Ignored)
	}
	return s, nil
}

func (k Key) same(o Key) bool {
	eq, ok := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.ID == o.ID && k.Alg == o.Alg && eq.Equal(o.Public)
}

// parseKey returns a key, or its ID and why it does not count.
func parseKey(text jsontext.Value) (Key, error) {
	var m member
	if err := json.Unmarshal(text, &m); err != nil {
		return Key{}, errors.New("it is not a JSON object of a key")
	}
	id := Key{ID: m.ID}
	if err := m.admissible(); err != nil {
		return id, err
	}
	public, err := m.public()
	if err != nil {
		return id, err
	}
	k := Key{ID: m.ID, Alg: m.Alg, Type: m.Type, Public: public}
	if k.Size, err = strength(public); err != nil {
		return id, err
	}
	if !slices.ContainsFunc(Algorithms, k.Fits) {
		return id, fmt.Errorf("alg %.40q is none that its type can have", m.Alg)
	}
	return k, nil
}

// admissible says why a key is none that verifies signatures.
func (m *member) admissible() error {
	secret := func(v jsontext.Value) bool { return v != nil }
	switch {
	case m.Type == "oct" || m.K != nil:
		return errors.New("it is symmetric: whoever verifies by it could sign")
	case slices.ContainsFunc([]jsontext.Value{m.D, m.P, m.Q, m.DP, m.DQ, m.QI, m.Oth, m.Priv}, secret):
		return errors.New("its private half is published: whoever reads it can sign")
	case m.Use != "" && m.Use != "sig": // RFC 7517 §4.2
		return fmt.Errorf("it is for use %.40q", m.Use)
	case m.Ops != nil && !slices.Contains(m.Ops, "verify"): // RFC 7517 §4.3
		return fmt.Errorf("it is for key_ops %.80q", m.Ops)
	case len(m.ID) > maxID:
		return errors.New("its kid is too long")
	}
	return nil
}

// public has go-jose decode the public members: it checks the curve's points.
func (m *member) public() (crypto.PublicKey, error) {
	fields := map[string]string{"kty": m.Type}
	for name, v := range map[string]string{"crv": m.Curve, "x": m.X, "y": m.Y, "n": m.N, "e": m.E} {
		if v != "" {
			fields[name] = v
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	if !k.IsPublic() {
		return nil, errors.New("it is not public")
	}
	return k.Key, nil
}

// strength returns the size of a key, or why it is too weak.
func strength(public crypto.PublicKey) (int, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		switch {
		case k.N.BitLen() < minRSA:
			return 0, fmt.Errorf("RSA of %d bits, at least %d", k.N.BitLen(), minRSA)
		case k.E < 3 || k.E%2 == 0 || k.E > math.MaxInt32 || k.N.Bit(0) == 0:
			return 0, errors.New("RSA with an exponent or a modulus that protects nothing")
		}
		return k.N.BitLen(), nil
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize, nil
	case ed25519.PublicKey:
		return 256, nil
	}
	return 0, fmt.Errorf("it is a %T", public)
}

// Algorithms are those that a key may be for: signatures only, never HMAC. RFC 7518 §3, RFC 8037, RFC 9864
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

// Fits says whether a signature of this algorithm can be the key's.
func (k Key) Fits(alg string) bool {
	if k.Alg != "" && k.Alg != alg && !(edwards(k.Alg) && edwards(alg)) {
		return false
	}
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return k.Type == "RSA"
	case "ES256":
		return k.Type == "EC" && k.Size == 256
	case "ES384":
		return k.Type == "EC" && k.Size == 384
	case "ES512":
		return k.Type == "EC" && k.Size == 521
	case "EdDSA", "Ed25519":
		return k.Type == "OKP"
	}
	return false
}

// edwards says whether an algorithm is the one signature scheme of both names. RFC 9864 §2.2
func edwards(alg string) bool { return alg == "EdDSA" || alg == "Ed25519" }

// Find returns the keys that may have made a signature whose header has this kid
// and alg. With a kid there are several only if the issuer gave it to several,
// which RFC 7517 §4.5 discourages; a caller may try them all.
func (s *Set) Find(kid, alg string) []crypto.PublicKey {
	var found []crypto.PublicKey
	for _, k := range s.Keys {
		if (kid == "" || k.ID == kid) && k.Fits(alg) {
			found = append(found, k.Public)
		}
	}
	return found
}

// Has says whether a key has this kid.
func (s *Set) Has(kid string) bool {
	return slices.ContainsFunc(s.Keys, func(k Key) bool { return k.ID == kid })
}

// IDs returns each kid, as the issuer orders them.
func (s *Set) IDs() []string {
	var ids []string
	for _, k := range s.Keys {
		if k.ID != "" && !slices.Contains(ids, k.ID) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}
