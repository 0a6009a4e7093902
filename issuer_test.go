package gatehouse_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

const (
	theirURL = "https://idp.example.com"
	ourURL   = "https://mcp.example.com/mcp"
)

// noon is the time of all tests that do not move it.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// signers are made once: an RSA key takes its time.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	all := map[string]crypto.Signer{}
	for _, name := range []string{"rsa", "rsa-other"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		all[name] = must(k, err)
	}
	for name, curve := range map[string]elliptic.Curve{"ec": elliptic.P256(), "ec-other": elliptic.P256(), "ec384": elliptic.P384(), "ec521": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		all[name] = must(k, err)
	}
	for _, name := range []string{"ed", "ed-other"} {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		all[name] = must(k, err)
	}
	return all
})

// signature signs as alg says, whatever the key is.
func signature(key crypto.Signer, alg string, input []byte) []byte {
	h, sum := crypto.SHA256, func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	switch {
	case strings.HasSuffix(alg, "384"):
		h, sum = crypto.SHA384, func(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
	case strings.HasSuffix(alg, "512"):
		h, sum = crypto.SHA512, func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			sig, _ := rsa.SignPSS(rand.Reader, k, h, sum(input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			return sig
		}
		sig, _ := rsa.SignPKCS1v15(nil, k, h, sum(input))
		return sig
	case *ecdsa.PrivateKey:
		r, s, _ := ecdsa.Sign(rand.Reader, k, sum(input))
		n := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, input)
	}
	panic("no such key")
}

var b64url = base64.RawURLEncoding

// raw signs any header and payload, however broken.
func signRaw(key crypto.Signer, alg, header, payload string) string {
	input := b64url.EncodeToString([]byte(header)) + "." + b64url.EncodeToString([]byte(payload))
	return input + "." + b64url.EncodeToString(signature(key, alg, []byte(input)))
}

type obj = map[string]any

// good are the claims of a token that is accepted.
func claimsWith(change ...obj) obj {
	c := obj{
		"iss": theirURL, "sub": "ada", "aud": ourURL, "client_id": "app", "scope": "tools:read tools:write", "jti": "t1",
		"iat": noon.Unix(), "exp": noon.Add(10 * time.Minute).Unix(),
	}
	for _, ch := range change {
		maps.Copy(c, ch)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == gone })
	return c
}

// gone takes a member out.
const gone = "\x00gone"

func jsonOf(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// token signs claims with the issuer's EC key.
func mint(claims obj, header ...obj) string {
	h := obj{"alg": "ES256", "typ": "at+jwt", "kid": "ec"}
	for _, ch := range header {
		maps.Copy(h, ch)
	}
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == gone })
	alg, _ := h["alg"].(string)
	name, _ := h["kid"].(string)
	key := signers()[name]
	if key == nil {
		key = signers()["ec"]
	}
	return signRaw(key, alg, jsonOf(h), jsonOf(claims))
}

// fixedKeys are fixed keys, by kid.
type fixedKeys map[string]crypto.PublicKey

func (s fixedKeys) Keys(_ context.Context, kid, _ string) ([]crypto.PublicKey, error) {
	if k, ok := s[kid]; ok {
		return []crypto.PublicKey{k}, nil
	}
	if kid == "" {
		var all []crypto.PublicKey
		for _, k := range s {
			all = append(all, k)
		}
		return all, nil
	}
	return nil, fmt.Errorf("%w: kids rsa, ec, ed; fetched 4 s ago", gatehouse.ErrUnknownKey)
}

// keys are the issuer's.
func issuerKeys() fixedKeys {
	s := fixedKeys{}
	for _, name := range []string{"rsa", "ec", "ec384", "ec521", "ed"} {
		s[name] = signers()[name].Public()
	}
	return s
}

// verifier returns the verifier of most tests.
func jwtVerifier(change ...func(*gatehouse.JWTVerifier)) *gatehouse.JWTVerifier {
	v := &gatehouse.JWTVerifier{Issuer: theirURL, Audience: ourURL, Keys: issuerKeys(), Now: func() time.Time { return noon }}
	for _, c := range change {
		c(v)
	}
	return v
}

// ask presents a token as a Bearer token.
func present(v gatehouse.Verifier, tok string) (*gatehouse.Identity, error) {
	return v.Verify(context.Background(), &gatehouse.Credential{Scheme: "Bearer", Text: tok})
}

// refusedAs demands a refusal of 401 with a code, and no identity beside it.
func refusedAs(t *testing.T, id *gatehouse.Identity, err error, code string) *gatehouse.Error {
	t.Helper()
	var e *gatehouse.Error
	switch {
	case err == nil:
		t.Fatalf("it was accepted as %+v, want %s", id, code)
	case id != nil:
		t.Fatal("got an identity beside the refusal")
	case !errors.As(err, &e):
		t.Fatalf("got %v, want %s", err, code)
	case e.Code != code:
		t.Fatalf("got %s (%v), want %s", e.Code, e.Cause, code)
	case e.Status == 401 && e.Challenge == nil:
		t.Fatal("a 401 without a challenge")
	case e.Cause == nil || strings.Contains(e.Description, "ada"):
		t.Fatalf("got %q because of %v: want a story, for the operator alone", e.Description, e.Cause)
	}
	return e
}
