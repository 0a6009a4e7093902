package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

const (
	purpose  = "signing key" // that private halves are sealed for
	idLength = 12            // 60 random bits
)

// material is one key, ready for use.
type material struct {
	record  Record
	private crypto.Signer
	signers sync.Map // typ → jose.Signer
}

// fresh makes a key. One for RS256 takes a tenth of a second of the processor, and
// may take several: it is made by whoever tends the schedule, a day before it
// signs, and never while a request waits. Only the first is made at the start.
func fresh(alg string, bits int, under *seal.Key, created, signs time.Time) (*Record, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, bits)
	default:
		return nil, fmt.Errorf("signing keys have no algorithm %q", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode a signing key: %w", err)
	}
	r := &Record{ID: rand.Text()[:idLength], Alg: alg, Created: created, Signs: signs}
	if r.Sealed, err = under.Seal(purpose, r.ID, der); err != nil {
		return nil, fmt.Errorf("seal a signing key: %w", err)
	}
	return r, nil
}

// open makes a stored key ready for use. The public half is taken from the
// sealed one: whoever can write to the database cannot have a key of their own
// published.
func open(r Record, under *seal.Key) (*material, error) {
	der, err := under.Open(purpose, r.ID, r.Sealed)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", r.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s cannot be read", r.ID) // the parser's error may say too much
	}
	private, ok := parsed.(crypto.Signer)
	if !ok || algorithm(private) != r.Alg {
		return nil, fmt.Errorf("signing key %s is not for %s", r.ID, r.Alg)
	}
	return &material{record: r, private: private}, nil
}

func algorithm(private crypto.Signer) string {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return ES256
		}
	case ed25519.PrivateKey:
		return EdDSA
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return RS256
		}
	}
	return ""
}

// public returns what the world may know.
func (m *material) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: m.private.Public(), KeyID: m.record.ID, Algorithm: m.record.Alg, Use: "sig"}
}

// sign returns a JWS of a type over a payload. RFC 7515 §3.1
func (m *material) sign(typ string, payload []byte) (string, error) {
	s, ok := m.signers.Load(typ)
	if !ok {
		made, err := jose.NewSigner(
			jose.SigningKey{Algorithm: jose.SignatureAlgorithm(m.record.Alg), Key: jose.JSONWebKey{Key: m.private, KeyID: m.record.ID}},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return "", fmt.Errorf("sign with key %s: %w", m.record.ID, err)
		}
		s, _ = m.signers.LoadOrStore(typ, made)
	}
	jws, err := s.(jose.Signer).Sign(payload) //nolint:forcetypeassert // nothing else is in the map
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", m.record.ID, err)
	}
	return jws.CompactSerialize()
}
