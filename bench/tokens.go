package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuerName = "https://issuer.example"
	resource   = "https://mcp.example/mcp" // what the tokens are for
)

// issuer signs tokens with one algorithm.
type issuer struct {
	alg    jose.SignatureAlgorithm
	key    crypto.Signer
	signer jose.Signer
	made   int
}

func newIssuer(alg string) (*issuer, error) {
	i := &issuer{alg: jose.SignatureAlgorithm(alg)}
	var err error
	switch i.alg {
	case jose.RS256:
		i.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, i.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key for %s", alg)
	}
	if err != nil {
		return nil, err
	}
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "1")
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: i.alg, Key: i.key}, options)
	return i, err
}

// write puts the public key into a file, as a JWK Set.
func (i *issuer) write(dir string) (string, error) {
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: string(i.alg), Use: "sig"}}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jwks.json")
	return path, os.WriteFile(path, set, 0o600)
}

// tokens returns so many that differ, good for an hour, as a provider makes them
// for a user who may do a few things.
func (i *issuer) tokens(n int) ([]string, error) {
	all := make([]string, n)
	now := time.Now()
	for k := range all {
		i.made++
		text, err := jwt.Signed(i.signer).Claims(map[string]any{
			"iss": issuerName, "aud": resource, "sub": fmt.Sprintf("user-%d", i.made%100_000), "client_id": "https://client.example/metadata.json",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": fmt.Sprintf("token-%d", i.made),
			"scope": "openid offline_access echo:use", "roles": []string{"editor", "viewer"}, "org_id": "org_9ybsU1dN2dKfDkBi",
		}).Serialize()
		if err != nil {
			return nil, err
		}
		all[k] = text
	}
	return all, nil
}

// jwtCheck is G with a JWT verified each time, as the usual middleware does it.
func jwtCheck(to, keys string) (http.Handler, error) {
	text, err := os.ReadFile(keys)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	next := reverseProxy(to)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := verified(&set, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

func verified(set *jose.JSONWebKeySet, text string) error {
	t, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return err
	}
	keys := set.Key(t.Headers[0].KeyID)
	if len(keys) == 0 {
		return errors.New("no such key")
	}
	var claims jwt.Claims
	if err := t.Claims(keys[0].Key, &claims); err != nil {
		return err
	}
	return claims.ValidateWithLeeway(jwt.Expected{Issuer: issuerName, AnyAudience: jwt.Audience{resource}, Time: time.Now()}, time.Minute)
}

// checked starts G with a check of JWTs.
func checked(y *yard, dir string) (*target, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	by, err := newIssuer("RS256")
	if err != nil {
		return nil, err
	}
	keys, err := by.write(dir)
	if err != nil {
		return nil, err
	}
	tokens, err := by.tokens(1)
	if err != nil {
		return nil, err
	}
	p, err := y.self(y.proxies, "jwtcheck", address, y.echo, keys)
	return &target{address: address, programs: []*program{p}, keys: tokens}, err
}
