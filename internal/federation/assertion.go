package federation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	assertionLife = time.Minute
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2
	maxForm       = 64 << 10
)

// assertionKey is what a client proves who it is by: private_key_jwt.
type assertionKey struct {
	signer jose.Signer
}

// clientKey reads a private key, and the certificate if there is one, where a
// client has one instead of a secret. nil: it has not.
func clientKey(secret string) (*assertionKey, error) {
	if !strings.HasPrefix(strings.TrimSpace(secret), "-----BEGIN ") {
		return nil, nil //nolint:nilnil // a secret is no key
	}
	var private crypto.Signer
	var certificate []byte
	rest := []byte(secret)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			if certificate == nil {
				certificate = block.Bytes
			}
		default:
			key, err := parseKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("has a %.40q that is no private key of RSA, P-256 or Ed25519", block.Type) // never with the text
			}
			private = key
		}
	}
	if private == nil {
		return nil, errors.New("is PEM, and has no private key in it")
	}
	return newAssertionKey(private, certificate)
}

func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			key, err = x509.ParseECPrivateKey(der)
		}
	}
	if err != nil {
		return nil, err
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it cannot sign")
	}
	return private, nil
}

func newAssertionKey(private crypto.Signer, certificate []byte) (*assertionKey, error) {
	alg := jose.RS256
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 {
			return nil, errors.New("is a key of RSA with less than 2048 bits")
		}
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize != 256 {
			return nil, errors.New("is a key of a curve that is not P-256")
		}
		alg = jose.ES256
	case ed25519.PrivateKey:
		alg = jose.EdDSA
	default:
		return nil, errors.New("is no key of RSA, P-256 or Ed25519")
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if certificate != nil {
		sum := sha256.Sum256(certificate)
		options = options.WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:])) // RFC 7515 §4.1.8
	} else {
		thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		options = options.WithHeader(jose.HeaderKey("kid"), base64.RawURLEncoding.EncodeToString(thumbprint)) // RFC 7638
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: private}, options)
	if err != nil {
		return nil, err
	}
	return &assertionKey{signer}, nil
}

// assertion says that we are a client, to one authorization server: its issuer is
// the only audience, whatever endpoints it claims to have. Another server's token
// endpoint in its metadata would else get an assertion that is good there.
// RFC 7523 §3, draft-ietf-oauth-rfc7523bis §4
func (k *assertionKey) assertion(client, issuer string, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := k.signer.Sign(claims)
	if err != nil {
		return "", errors.New("the client's key does not sign")
	}
	return signed.CompactSerialize()
}

// asserting adds an assertion to what is posted to a token endpoint.
type asserting struct {
	next             http.RoundTripper
	key              *assertionKey
	client, audience string
	now              func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (a *asserting) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("what is posted is no form")
	}
	text, err := a.key.assertion(a.client, a.audience, a.now())
	if err != nil {
		return nil, err
	}
	form.Set("client_id", a.client)
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", text)
	sent := []byte(form.Encode())
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sent)), nil }
	return a.next.RoundTrip(r)
}
