package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Prover holds a private key and makes DPoP proofs with it. It is safe for
// concurrent use. As JSON it is a JWK with the private key in it, so what it is
// written to has to be sealed. RFC 9449
type Prover struct {
	Thumbprint string // of the key, base64url. RFC 7638

	key    jose.JSONWebKey
	signer jose.Signer
}

// ProofAlgorithms are those that a Prover can have, the best first: short proofs
// that every server knows, then those that few do, then long ones.
func ProofAlgorithms() []string {
	return []string{"ES256", "EdDSA", "ES384", "ES512", "PS256", "RS256", "PS384", "RS384", "PS512", "RS512"}
}

// NewProver makes a key for an algorithm of ProofAlgorithms.
func NewProver(alg string) (*Prover, error) {
	key, err := privateKey(alg)
	if err != nil {
		return nil, err
	}
	return prover(jose.JSONWebKey{Key: key, Algorithm: alg})
}

func privateKey(alg string) (crypto.Signer, error) {
	switch {
	case !slices.Contains(ProofAlgorithms(), alg):
		return nil, fmt.Errorf("no proof can be made with %.20q", alg)
	case alg == "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case alg == "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case alg == "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case alg == "EdDSA":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, minRSA)
}

func prover(key jose.JSONWebKey) (*Prover, error) {
	own, ok := key.Key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key is no private key")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: own},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")) // RFC 9449 §4.2
	if err != nil {
		return nil, errors.New("the key cannot sign")
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, errors.New("the key has no thumbprint")
	}
	return &Prover{Thumbprint: base64.RawURLEncoding.EncodeToString(sum), key: key, signer: signer}, nil
}

// MarshalJSON writes the private key.
func (p *Prover) MarshalJSON() ([]byte, error) { return p.key.MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON wrote. No error repeats what is in it.
func (p *Prover) UnmarshalJSON(raw []byte) error {
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(raw); err != nil {
		return errors.New("the key is no JWK that is understood") // the error may have some of it
	}
	read, err := prover(key)
	if err != nil {
		return err
	}
	text, err := read.Prove(Proof{Method: "-", URL: "-"})
	if err != nil {
		return err
	}
	if _, err := ReadProof(text, []string{key.Algorithm}); err != nil { // its halves may be of two keys, which go-jose does not look at
		return errors.New("the key is damaged")
	}
	*p = *read
	return nil
}

// Format keeps the key out of whatever is printed.
func (p *Prover) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "key %s", p.Thumbprint) }

// proofClaims are what a proof says. RFC 9449 §4.2
type proofClaims struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued int64  `json:"iat"`
	Hash   string `json:"ath,omitempty"`
	Nonce  string `json:"nonce,omitempty"`
}

// Prove signs a proof, with an id of its own: whatever is in p of the key and the
// id is not looked at. What it returns [ReadProof] reads.
func (p *Prover) Prove(of Proof) (string, error) {
	text, err := jwt.Signed(p.signer).Claims(proofClaims{
		ID: rand.Text(), Method: of.Method, URL: of.URL, Issued: int64(of.Issued), Hash: of.Hash, Nonce: of.Nonce,
	}).Serialize()
	if err != nil {
		return "", errors.New("a DPoP proof cannot be signed")
	}
	return text, nil
}

// Target is a URL as a proof names it: as the request is sent, without query and
// fragment. RFC 9449 §4.2
func Target(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/" // as it is sent. RFC 9110 §4.2.3
	}
	return strings.ToLower(u.Scheme) + "://" + u.Host + path
}
