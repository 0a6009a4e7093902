package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms returns every algorithm that a token may be signed with: asymmetric
// ones only. RFC 8725 §3.1, §3.2
func Algorithms() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
}

// Sizes of RSA keys, in bits: smaller ones are weak, larger ones a way to make us work.
const (
	minRSA = 2048
	maxRSA = 8192
)

// Fits reports why a key cannot have made a signature of this algorithm; nil: it
// can. RFC 8725 §3.1
func Fits(alg string, key crypto.PublicKey) error {
	if !slices.Contains(Algorithms(), alg) {
		return fmt.Errorf("algorithm %q is not known", alg)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil || !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS") {
			return fmt.Errorf("an RSA key does not make %s", alg)
		}
		if n := k.N.BitLen(); n < minRSA || n > maxRSA || k.E < 3 || k.E%2 == 0 {
			return fmt.Errorf("an RSA key of %d bits and exponent %d is not accepted", n, k.E)
		}
	case *ecdsa.PublicKey:
		if k == nil || k.Curve == nil || curves[alg] != k.Curve.Params().Name {
			return fmt.Errorf("this EC key does not make %s", alg)
		}
	case ed25519.PublicKey:
		if alg != "EdDSA" || len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("this Ed25519 key does not make %s", alg)
		}
	default: // a secret is never a public key. RFC 8725 §2.1
		return errors.New("a key of this kind is not accepted")
	}
	return nil
}

// curves names the one curve of each algorithm. RFC 7518 §3.4
var curves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

// Verify verifies the signature by one key.
func (t *Token) Verify(key crypto.PublicKey) error {
	if !t.signed {
		return errors.New("it has no signature")
	}
	if err := Fits(t.Algorithm, key); err != nil {
		return err
	}
	signed, err := t.parse()
	if err != nil {
		return err
	}
	if _, err := signed.Verify(key); err != nil {
		return errors.New("the signature is not by this key")
	}
	return nil
}

// parse has go-jose read the token, once.
func (t *Token) parse() (*jose.JSONWebSignature, error) {
	if t.jose != nil {
		return t.jose, nil
	}
	signed, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.Algorithm)})
	if err != nil {
		return nil, errors.New("go-jose does not understand its header")
	}
	t.jose = signed
	return signed, nil
}
