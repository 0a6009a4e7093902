package server

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// provider is the identity provider of a fixture, on this machine.
type provider struct {
	t      *testing.T
	f      *fixture
	server *httptest.Server
	issuer string // as it is configured; set before anything is asked
	alg    string
	key    any // that signs
	wire   string
}

func newProvider(t *testing.T, f *fixture) *provider {
	t.Helper()
	p := &provider{t: t, f: f, alg: "RS256"}
	if h := f.Header["alg"]; h != nil {
		_ = json.Unmarshal(h, &p.alg)
	}
	p.key = throwAway(t, p.alg)
	p.wire = spelled(f.Wire)
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	return p
}

var slot = regexp.MustCompile(`<[^<>]*>`)

// spelled puts random text where a fixture only says that there is some.
func spelled(wire string) string {
	return slot.ReplaceAllStringFunc(wire, func(s string) string {
		n, err := strconv.Atoi(s[1 : len(s)-1])
		if err != nil || n < 1 || n > 4096 {
			n = 40
		}
		text := ""
		for len(text) < n {
			text += rand.Text()
		}
		return text[:n]
	})
}

var thrownAway sync.Map // by algorithm

// throwAway returns a key for an algorithm, made once in a run.
func throwAway(t *testing.T, alg string) any {
	t.Helper()
	made, _ := thrownAway.LoadOrStore(alg, sync.OnceValue(func() any { return signingKey(t, alg) }))
	key, _ := made.(func() any)
	return key()
}

func signingKey(t *testing.T, alg string) any {
	t.Helper()
	curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
	var key any
	var err error
	switch {
	case curve != nil:
		key, err = ecdsa.GenerateKey(curve, rand.Reader)
	case alg == "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case strings.HasPrefix(alg, "HS"), alg == "dir":
		secret := make([]byte, 64)
		_, _ = rand.Read(secret)
		key = secret
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// client leads every host to the provider.
func (p *provider) client(*config.Issuer) (*http.Client, error) {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	address := p.server.Listener.Addr().String()
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}, // which the certificate is for
	}}, nil
}

// ServeHTTP is metadata, keys, and what is said of opaque tokens.
func (p *provider) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	base := "https://" + q.Host
	switch {
	case p.f.code() == "GH-1111":
		http.Error(w, "{}", http.StatusServiceUnavailable)
	case q.Method == http.MethodPost:
		if q.PostFormValue("token") != p.wire || p.f.Introspection == nil {
			_, _ = w.Write([]byte(`{"active": false}`))
			return
		}
		_, _ = w.Write(p.f.Introspection)
	case strings.Contains(q.URL.Path, "/.well-known/") && !strings.HasSuffix(q.URL.Path, "jwks.json"):
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.issuer, "jwks_uri": base + "/published/keys", "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	default:
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.published()}})
	}
}

// published is the key that goes with the token's, or what a fixture wants there
// to be instead: another key (GH-1102), or none of that name (GH-1110).
func (p *provider) published() jose.JSONWebKey {
	alg := p.alg
	signer, ok := p.key.(crypto.Signer)
	if !ok || p.f.code() == "GH-1102" {
		if !ok {
			alg = "RS256" // no provider publishes a shared secret
		}
		signer, _ = signingKey(p.t, alg).(crypto.Signer)
	}
	k := jose.JSONWebKey{Key: signer.Public(), Algorithm: alg, Use: "sig"}
	_ = json.Unmarshal(p.f.Header["kid"], &k.KeyID)
	if p.f.code() == "GH-1110" {
		k.KeyID = "another"
	}
	return k
}

// token is what a client would send.
func (p *provider) token(t *testing.T) string {
	t.Helper()
	if p.wire != "" {
		return p.wire
	}
	payload := []byte(p.f.raw["payload"])
	if p.f.Payload == nil {
		payload = []byte(`{"sub":"hidden"}`)
	}
	header := maps.Clone(p.f.Header)
	if header == nil {
		header = map[string]json.RawMessage{"typ": json.RawMessage(`"at+jwt"`), "kid": json.RawMessage(`"k1"`)}
	}
	if _, encrypted := header["enc"]; encrypted {
		return p.encrypted(t, header, payload)
	}
	if strings.EqualFold(p.alg, "none") {
		text, _ := json.Marshal(header)
		return base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	options := &jose.SignerOptions{}
	for name, value := range header {
		if name != "alg" {
			options = options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(p.alg), Key: p.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (p *provider) encrypted(t *testing.T, header map[string]json.RawMessage, payload []byte) string {
	t.Helper()
	var enc string
	_ = json.Unmarshal(header["enc"], &enc)
	to := jose.Recipient{Algorithm: jose.KeyAlgorithm(p.alg), Key: p.key}
	switch key := p.key.(type) {
	case []byte:
		to.Key = key[:map[string]int{"A128GCM": 16, "A192GCM": 24, "A256GCM": 32, "A128CBC-HS256": 32, "A192CBC-HS384": 48, "A256CBC-HS512": 64}[enc]]
	case crypto.Signer:
		to.Key = key.Public()
	}
	options := &jose.EncrypterOptions{}
	for name, value := range header {
		if name != "alg" && name != "enc" {
			options = options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	e, err := jose.NewEncrypter(jose.ContentEncryption(enc), to, options)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := e.Encrypt(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parsedURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		return &url.URL{}
	}
	return u
}
