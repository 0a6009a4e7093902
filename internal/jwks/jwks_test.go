package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

type object = map[string]any

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// jwk encodes a key and changes members of it; nil takes one out.
func jwk(t testing.TB, key any, change object) object {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	for name, v := range change {
		o[name] = v
		if v == nil {
			delete(o, name)
		}
	}
	return o
}

func document(t testing.TB, keys ...any) []byte {
	t.Helper()
	text, err := json.Marshal(object{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func b64(b ...byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type badKey struct {
	name string
	key  any
}

// badKeys returns keys that nobody should verify by.
func badKeys(t *testing.T) []badKey {
	t.Helper()
	r, e := rsaKey(t, 2048), ecKey(t, elliptic.P256())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Rsh(r.N, 1), 0, 1), E: r.E}
	return []badKey{
		{"a symmetric key", object{"kty": "oct", "k": b64([]byte("secret")...), "kid": "x"}},
		{"a symmetric member in an RSA key", jwk(t, &r.PublicKey, object{"k": b64(1)})},
		{"a private RSA key", jwk(t, r, nil)},
		{"a private EC key", jwk(t, e, nil)},
		{"a private Edwards key", jwk(t, ed, nil)},
		{"a private member that is null", jwk(t, &r.PublicKey, object{"d": json.RawMessage("null")})},
		{"a prime alone", jwk(t, &r.PublicKey, object{"p": b64(3)})},
		{"a seed", jwk(t, &r.PublicKey, object{"priv": b64(3)})},
		{"RSA of 2047 bits", jwk(t, &small, nil)},
		{"RSA with e of 1", jwk(t, &r.PublicKey, object{"e": b64(1)})},
		{"RSA with e of 0", jwk(t, &r.PublicKey, object{"e": b64(0)})},
		{"RSA with an even e", jwk(t, &r.PublicKey, object{"e": b64(1, 0, 0)})},
		{"RSA with a huge e", jwk(t, &r.PublicKey, object{"e": b64(1, 0, 0, 0, 0, 1)})},
		{"RSA with an even modulus", jwk(t, &rsa.PublicKey{N: new(big.Int).Lsh(r.N, 1), E: r.E}, nil)},
		{"RSA of a megabit", object{"kty": "RSA", "e": "AQAB", "n": b64(make65536()...)}},
		{"RSA without a modulus", jwk(t, &r.PublicKey, object{"n": nil})},
		{"a point that is not on the curve", jwk(t, &e.PublicKey, object{"x": b64(make([]byte, 32)...)})},
		{"another curve than its point's", jwk(t, &e.PublicKey, object{"crv": "P-384"})},
		{"an unknown curve", jwk(t, &e.PublicKey, object{"crv": "secp256k1"})},
		{"an Edwards key that is too short", object{"kty": "OKP", "crv": "Ed25519", "x": b64(1, 2, 3)}},
		{"a key for key agreement", object{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32)...)}},
		{"alg none", jwk(t, &r.PublicKey, object{"alg": "none"})},
		{"alg HS256 on an RSA key", jwk(t, &r.PublicKey, object{"alg": "HS256"})},
		{"alg RS256 on an EC key", jwk(t, &e.PublicKey, object{"alg": "RS256"})},
		{"alg ES384 on P-256", jwk(t, &e.PublicKey, object{"alg": "ES384"})},
		{"an algorithm of encryption", jwk(t, &r.PublicKey, object{"alg": "RSA-OAEP"})},
		{"use enc", jwk(t, &r.PublicKey, object{"use": "enc"})},
		{"use SIG", jwk(t, &r.PublicKey, object{"use": "SIG"})},
		{"operations without verify", jwk(t, &r.PublicKey, object{"key_ops": []string{"encrypt"}})},
		{"no operations", jwk(t, &r.PublicKey, object{"key_ops": []string{}})},
		{"a kid of 2 kB", jwk(t, &r.PublicKey, object{"kid": strings.Repeat("k", 2000)})},
		{"a kid that is a number", jwk(t, &r.PublicKey, object{"kid": 7})},
		{"no type", jwk(t, &r.PublicKey, object{"kty": nil})},
		{"a type in another case", jwk(t, &r.PublicKey, object{"kty": "rsa"})},
		{"an unknown type", object{"kty": "AKP", "alg": "ML-DSA-65", "pub": b64(1)}},
		{"no object", "key"},
		{"null", nil},
	}
}

func TestA058KeysThatDoNotCount(t *testing.T) {
	good := jwk(t, &ecKey(t, elliptic.P256()).PublicKey, object{"kid": "good"})
	for _, tt := range badKeys(t) {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(document(t, tt.key, good))
			if err != nil {
				t.Fatalf("one bad key spoils the set: %v", err)
			}
			if len(s.Keys) != 1 || s.Keys[0].ID != "good" || len(s.Ignored) != 1 {
				t.Errorf("got %d keys, ignored %q", len(s.Keys), s.Ignored)
			}
			if _, err := Parse(document(t, tt.key)); err == nil {
				t.Error("a set of nothing else is accepted")
			}
		})
	}
}

func make65536() []byte {
	b := make([]byte, 1<<16)
	b[0], b[len(b)-1] = 1, 1
	return b
}

func TestA058DocumentsThatAreNoKeySet(t *testing.T) {
	good, err := json.Marshal(jwk(t, &ecKey(t, elliptic.P256()).PublicKey, nil))
	if err != nil {
		t.Fatal(err)
	}
	many := "[" + strings.Repeat(string(good)+",", 100) + string(good) + "]"
	for name, text := range map[string]string{
		"nothing":             "",
		"null":                "null",
		"an array":            "[" + string(good) + "]",
		"a bare key":          string(good),
		"no keys":             `{}`,
		"an empty set":        `{"keys":[]}`,
		"keys null":           `{"keys":null}`,
		"keys in large":       `{"Keys":[` + string(good) + `]}`,
		"keys twice":          `{"keys":[` + string(good) + `],"keys":[` + string(good) + `]}`,
		"a member twice":      `{"keys":[{"kty":"oct",` + string(good[1:]) + `]}`,
		"101 keys":            `{"keys":` + many + `}`,
		"text after it":       `{"keys":[` + string(good) + `]} {}`,
		"a mark before it":    "\xef\xbb\xbf" + `{"keys":[` + string(good) + `]}`,
		"text that is no UTF": `{"keys":[` + string(good) + `],"x":"` + "\xff" + `"}`,
		"HTML":                "<html></html>",
		"more than a MiB":     `{"keys":[` + string(good) + `]` + strings.Repeat(" ", MaxBytes) + `}`,
		"a deep hole":         `{"keys":` + strings.Repeat("[", 200_000),
	} {
		if s, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: got %d keys", name, len(s.Keys))
		}
	}
}

func TestA058KidsThatOccurTwice(t *testing.T) {
	a, b, r := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256()), rsaKey(t, 2048)
	id := object{"kid": "k"}
	s, err := Parse(document(t, jwk(t, &a.PublicKey, id), jwk(t, &a.PublicKey, id), jwk(t, &b.PublicKey, id), jwk(t, &r.PublicKey, id)))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Find("k", "ES256"); len(got) != 2 || !a.PublicKey.Equal(got[0]) || !b.PublicKey.Equal(got[1]) {
		t.Errorf("ES256: got %v, want both, each once", got)
	}
	if got := s.Find("k", "RS256"); len(got) != 1 || !r.PublicKey.Equal(got[0]) {
		t.Errorf("RS256: got %v", got)
	}
	if ids := s.IDs(); !slices.Equal(ids, []string{"k"}) {
		t.Errorf("got %q", ids)
	}
}

func TestKeysFitTheirAlgorithms(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := rsaKey(t, 2048)
	keys := map[string]any{
		"RSA": jwk(t, &r.PublicKey, nil), "RSA for PS256": jwk(t, &r.PublicKey, object{"alg": "PS256", "use": "sig", "key_ops": []string{"verify"}}),
		"P-256": jwk(t, &ecKey(t, elliptic.P256()).PublicKey, nil), "P-384": jwk(t, &ecKey(t, elliptic.P384()).PublicKey, nil),
		"P-521": jwk(t, &ecKey(t, elliptic.P521()).PublicKey, nil), "Ed25519": jwk(t, ed.Public(), nil), "Ed25519 for EdDSA": jwk(t, ed.Public(), object{"alg": "EdDSA"}),
	}
	want := map[string]string{
		"RSA": "RS256 RS384 RS512 PS256 PS384 PS512", "RSA for PS256": "PS256", "P-256": "ES256", "P-384": "ES384",
		"P-521": "ES512", "Ed25519": "EdDSA Ed25519", "Ed25519 for EdDSA": "EdDSA Ed25519",
	}
	for name, key := range keys {
		s, err := Parse(document(t, key))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, alg := range append([]string{"", "none", "None", "HS256", "HS512", "rs256", "ES256K", "dir"}, Algorithms...) {
			if len(s.Find("", alg)) > 0 {
				got = append(got, alg)
			}
		}
		if strings.Join(got, " ") != want[name] {
			t.Errorf("%s: fits %q, want %q", name, got, want[name])
		}
	}
}

func TestFindTakesKidsExactly(t *testing.T) {
	s, err := Parse(document(t, jwk(t, &ecKey(t, elliptic.P256()).PublicKey, object{"kid": "k1"}), jwk(t, &ecKey(t, elliptic.P256()).PublicKey, object{"kid": ""})))
	if err != nil {
		t.Fatal(err)
	}
	for kid, want := range map[string]int{"k1": 1, "K1": 0, "k1 ": 0, "../k1": 0, "k": 0, "": 2} {
		if got := s.Find(kid, "ES256"); len(got) != want {
			t.Errorf("%q: got %d keys, want %d", kid, len(got), want)
		}
	}
	if !s.Has("k1") || s.Has("k2") {
		t.Error("Has is wrong about k1 or k2")
	}
}

// FuzzParse looks for a document that gives a key nobody should verify by.
func FuzzParse(f *testing.F) {
	for _, key := range []any{&rsaKey(f, 2048).PublicKey, rsaKey(f, 2048), &ecKey(f, elliptic.P256()).PublicKey, []byte("secret")} {
		f.Add(document(f, jwk(f, key, object{"kid": "k", "alg": ""})))
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(raw)
		if err != nil {
			return
		}
		if len(s.Keys) == 0 || len(s.Keys) > MaxKeys {
			t.Fatalf("%d keys", len(s.Keys))
		}
		for _, k := range s.Keys {
			switch p := k.Public.(type) {
			case *rsa.PublicKey:
				if p.N.BitLen() < 2048 || p.E < 3 {
					t.Fatalf("weak RSA %v", p)
				}
			case *ecdsa.PublicKey:
				if _, err := p.ECDH(); err != nil {
					t.Fatalf("no point: %v", err)
				}
			case ed25519.PublicKey:
			default:
				t.Fatalf("a %T", p)
			}
			if len(s.Find(k.ID, k.Alg)) == 0 && k.Alg != "" {
				t.Fatalf("%q does not find itself", k.ID)
			}
			_ = fmt.Sprint(k)
		}
	})
}
