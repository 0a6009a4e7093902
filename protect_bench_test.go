package gatehouse_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse"
)

// nobody takes an answer and keeps nothing of it.
type nobody struct{ h http.Header }

func (n nobody) Header() http.Header         { return n.h }
func (n nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n nobody) WriteHeader(int)             {}

// BenchmarkProtect is what a warm request costs over the handler that is
// protected: with a verifier that knows at once, and with API keys.
func BenchmarkProtect(b *testing.B) {
	key, digest := gatehouse.NewAPIKey()
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := gatehouse.FromContext(r.Context()); !ok {
			panic("nobody")
		}
	})
	token, jwt := signed(b)
	known := says(func(context.Context, *gatehouse.Credential) (*gatehouse.Identity, error) { return ada, nil })
	for _, with := range []struct {
		name, text string
		v          gatehouse.Verifier
	}{
		{"known", key, known},
		{"key", key, &gatehouse.APIKeyVerifier{Keys: []gatehouse.APIKey{{Digest: digest}}}},
		{"token", token, jwt},
	} {
		b.Run(with.name, func(b *testing.B) {
			h := protect(b, next, resource(), with.v)
			r := request("POST", "/mcp", "Authorization", "Bearer "+with.text)
			w := nobody{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// signed returns a token and the verifier that knows it.
func signed(b *testing.B) (string, gatehouse.Verifier) {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig", Algorithm: "ES256"}}})
	if err != nil {
		b.Fatal(err)
	}
	keys, err := gatehouse.ParseKeys(set)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "1"))
	if err != nil {
		b.Fatal(err)
	}
	r := resource()
	claims, err := json.Marshal(map[string]any{
		"iss": r.AuthorizationServers[0], "aud": r.URL, "sub": "ada", "client_id": "c", "scope": "files:read",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "jti": "1",
	})
	if err != nil {
		b.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		b.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		b.Fatal(err)
	}
	return text, &gatehouse.JWTVerifier{Issuer: r.AuthorizationServers[0], Audience: r.URL, Keys: keys}
}
