package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const tokenURL = issuer + "/token"

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func attempt(t *testing.T, body string, authorization ...string) *client.Attempt {
	return &client.Attempt{Authorization: authorization, Form: form(t, body), Audiences: []string{issuer, tokenURL}}
}

// signer is a client's key.
type signer struct {
	key crypto.Signer
	alg jose.SignatureAlgorithm
	kid string
}

func newSigner(t *testing.T, alg jose.SignatureAlgorithm, kid string) *signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS") {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key, alg, kid}
}

func (s *signer) set(t *testing.T) string {
	return marshal(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: s.kid, Algorithm: string(s.alg), Use: "sig"}}})
}

func (s *signer) sign(t *testing.T, typ string, claims any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := made.Sign([]byte(marshal(t, claims)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func assertionForm(text string) string {
	return url.Values{"client_assertion": {text}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode()
}

// TestA069Secrets holds clients to the way that they have registered.
func TestA069Secrets(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	public := h.register(t, `{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`)
	inHeader := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"client_secret_basic"}`)
	inBody := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"client_secret_post"}`)
	either := h.register(t, `{"redirect_uris":["https://a.test/cb"]}`)
	made, secret, err := h.Create(ctx, &client.Spec{Name: "CI", By: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	post := func(id, secret string) string {
		return url.Values{"client_id": {id}, "client_secret": {secret}}.Encode()
	}
	for what, a := range map[string]*client.Attempt{
		"a public one": attempt(t, "client_id="+public.ID), "a public one that says so in the header": attempt(t, "", basic(public.ID, "")),
		"in the header": attempt(t, "", basic(inHeader.ID, inHeader.Secret)), "in the header, id in both": attempt(t, "client_id="+inHeader.ID, basic(inHeader.ID, inHeader.Secret)),
		"in the body": attempt(t, post(inBody.ID, inBody.Secret)), "unsaid, header": attempt(t, "", basic(either.ID, either.Secret)), "unsaid, body": attempt(t, post(either.ID, either.Secret)),
		"made by an administrator": attempt(t, "", basic(made.ID, secret)), "small letters": attempt(t, "", strings.Replace(basic(made.ID, secret), "Basic", "basic", 1)),
		"beside another scheme's": attempt(t, post(inBody.ID, inBody.Secret), "Bearer old"),
	} {
		if c, err := h.Authenticate(ctx, a); err != nil || c == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, a := range map[string]*client.Attempt{
		"nothing": attempt(t, "client_id="+inHeader.ID), "no id": attempt(t, ""), "an empty secret": attempt(t, post(inBody.ID, "")), "an empty secret in the header": attempt(t, "", basic(inHeader.ID, "")),
		"a wrong secret": attempt(t, "", basic(inHeader.ID, "x")), "another's secret": attempt(t, "", basic(inHeader.ID, inBody.Secret)), "cut": attempt(t, "", basic(inHeader.ID, inHeader.Secret[:42])),
		"the other place": attempt(t, post(inHeader.ID, inHeader.Secret)), "the other place, too": attempt(t, "", basic(inBody.ID, inBody.Secret)),
		"a secret of a public one": attempt(t, post(public.ID, "x")), "its management token": attempt(t, post(inBody.ID, inBody.Token)),
		"no base64": attempt(t, "", "Basic !!"), "no colon": attempt(t, "", "Basic "+base64.StdEncoding.EncodeToString([]byte("x"))),
		"wrong escapes": attempt(t, "", "Basic "+base64.StdEncoding.EncodeToString([]byte(inHeader.ID+":%zz"))),
		"a bearer":      attempt(t, "client_id="+inHeader.ID, "Bearer "+inHeader.Secret), "a made one without": attempt(t, "client_id="+made.ID), "a made one's hash": attempt(t, post(made.ID, "0000")),
	} {
		c, err := h.Authenticate(ctx, a)
		wantCode(t, what, err, oauth.InvalidClient, "GH-1409")
		var e *oauth.Error
		if c != nil || errors.As(err, &e) && (e.Status != http.StatusUnauthorized || len(a.Authorization) > 0 && strings.HasPrefix(a.Authorization[0], "Basic") != (e.Challenge != "")) {
			t.Errorf("%s: got %v, status %d, challenge %q", what, c, e.Status, e.Challenge)
		}
	}
	for what, a := range map[string]*client.Attempt{
		"header and body": attempt(t, post(either.ID, either.Secret), basic(either.ID, either.Secret)), "two ids": attempt(t, "client_id="+public.ID, basic(either.ID, either.Secret)),
		"two headers":          attempt(t, "", basic(either.ID, either.Secret), basic(either.ID, either.Secret)),
		"secret and assertion": attempt(t, post(either.ID, either.Secret)+"&"+assertionForm(newSigner(t, jose.ES256, "k").sign(t, "JWT", map[string]any{"iss": either.ID, "sub": either.ID, "aud": issuer, "exp": 1}))),
	} {
		_, err := h.Authenticate(ctx, a)
		wantCode(t, what, err, oauth.InvalidRequest, "GH-1409")
	}
	_, err = h.Authenticate(ctx, attempt(t, "client_id=dcr_x"))
	wantCode(t, "an unknown one", err, oauth.InvalidClient, "GH-1401")
	if _, err := h.Decide(ctx, inHeader.ID, client.Blocked, "ada", ""); err != nil {
		t.Fatal(err)
	}
	_, err = h.Authenticate(ctx, attempt(t, "", basic(inHeader.ID, inHeader.Secret)))
	wantCode(t, "a blocked one", err, oauth.InvalidClient, "GH-1406")
}

// assertions is a client that signs, and what tries its assertions.
type assertions struct {
	*house
	id         string
	key, other *signer // its own, and another's by the same name
	serial     int
}

func newAssertions(t *testing.T) *assertions {
	t.Helper()
	a := &assertions{house: newHouse(t), key: newSigner(t, jose.ES256, "k1"), other: newSigner(t, jose.ES256, "k1")}
	a.id = a.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":`+a.key.set(t)+`}`).ID
	return a
}

// claims are good ones, changed; nil takes one away.
func (a *assertions) claims(change map[string]any) map[string]any {
	a.serial++
	now := a.clock.now()
	out := map[string]any{"iss": a.id, "sub": a.id, "aud": issuer, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "jti": fmt.Sprint(a.serial), "n": a.serial}
	maps.Copy(out, change)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

func (a *assertions) try(t *testing.T, text string) error {
	_, err := a.Authenticate(t.Context(), attempt(t, assertionForm(text)))
	return err
}

// TestA069Assertions takes a JWT of the client's own key that is for us and in time.
func TestA069Assertions(t *testing.T) {
	a := newAssertions(t)
	key, now := a.key, a.clock.now()
	for what, change := range map[string]map[string]any{
		"the issuer": {}, "the endpoint": {"aud": tokenURL}, "a list of it": {"aud": []string{issuer}}, "both of ours": {"aud": []string{issuer, tokenURL}},
		"no jti": {"jti": nil}, "no iat": {"iat": nil}, "a little late": {"exp": now.Add(-30 * time.Second).Unix()}, "a clock that is ahead": {"iat": now.Add(30 * time.Second).Unix()},
	} {
		if err := a.try(t, key.sign(t, "JWT", a.claims(change))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, change := range map[string]map[string]any{
		"another aud": {"aud": "https://other.test"}, "a list with another": {"aud": []string{issuer, "https://other.test"}}, "an empty list": {"aud": []string{}}, "no aud": {"aud": nil}, "a slash more": {"aud": issuer + "/"},
		"expired": {"exp": now.Add(-2 * time.Minute).Unix()}, "no exp": {"exp": nil}, "a text for exp": {"exp": "1"}, "an exp without measure": {"exp": 1e30}, "a long life": {"exp": now.Add(2 * time.Hour).Unix()},
		"not yet": {"nbf": now.Add(10 * time.Minute).Unix()}, "from the future": {"iat": now.Add(10 * time.Minute).Unix()}, "iat that is none": {"iat": "x"},
		"another iss": {"iss": "x"}, "another sub": {"sub": "x"}, "no sub": {"sub": nil}, "no iss": {"iss": nil},
	} {
		wantCode(t, what, a.try(t, key.sign(t, "JWT", a.claims(change))), oauth.InvalidClient, "GH-1409")
	}
	for what, text := range map[string]string{
		"another key": a.other.sign(t, "JWT", a.claims(nil)), "an access token": key.sign(t, "at+jwt", a.claims(nil)), "a proof": key.sign(t, "dpop+jwt", a.claims(nil)),
		"no signature": key.sign(t, "JWT", a.claims(nil)) + ".", "nonsense": "x.y.z", "too long": strings.Repeat("a", 20<<10),
		"alg none": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(marshal(t, a.claims(nil)))) + ".",
	} {
		wantCode(t, what, a.try(t, text), oauth.InvalidClient, "GH-1409")
	}
	text := key.sign(t, "JWT", a.claims(nil))
	for what, body := range map[string]string{
		"no type": url.Values{"client_assertion": {text}}.Encode(), "a type alone": "client_id=" + a.id + "&client_assertion_type=x", "SAML": url.Values{"client_assertion": {text}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}}.Encode(),
		"without one": "client_id=" + a.id, "a secret": "client_secret=x&client_id=" + a.id,
	} {
		_, err := a.Authenticate(t.Context(), attempt(t, body))
		wantCode(t, what, err, oauth.InvalidClient, "GH-1409")
	}
	_, err := a.Authenticate(t.Context(), attempt(t, assertionForm(text)+"&client_id=other"))
	wantCode(t, "about another", err, oauth.InvalidRequest, "GH-1409")
}

// TestA069AssertionsCountOnce takes each once, and none when nobody can tell.
func TestA069AssertionsCountOnce(t *testing.T) {
	a := newAssertions(t)
	for what, change := range map[string]map[string]any{"with a jti": nil, "without": {"jti": nil}} {
		claims := a.claims(change)
		if err := a.try(t, a.key.sign(t, "client-authentication+jwt", claims)); err != nil {
			t.Fatal(err)
		}
		wantCode(t, what, a.try(t, a.key.sign(t, "JWT", claims)), oauth.InvalidClient, "GH-1409") // another signature
	}
	a.once.err = errors.New("the store is away")
	if err := a.try(t, a.key.sign(t, "JWT", a.claims(nil))); !errors.Is(err, a.once.err) {
		t.Errorf("when nobody can tell: got %v", err)
	}
}

// Keys that a client publishes are fetched when it uses them, and again when it has others.
func TestAssertionsByPublishedKeys(t *testing.T) {
	host := newHost(t)
	h := near(t, host)
	old, fresh := newSigner(t, jose.RS256, "old"), newSigner(t, jose.RS256, "new")
	host.says(old.set(t))
	c := h.register(t, fmt.Sprintf(`{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":%q}`, host.URL+"/jwks.json"))
	serial := 0
	try := func(s *signer) error {
		serial++
		now := h.clock.now()
		_, err := h.Authenticate(t.Context(), attempt(t, assertionForm(s.sign(t, "JWT", map[string]any{"iss": c.ID, "sub": c.ID, "aud": issuer, "exp": now.Add(time.Minute).Unix(), "jti": serial, "iat": now.Unix()}))))
		return err
	}
	if n := host.requests.Load(); n != 0 {
		t.Errorf("%d requests before it is used", n)
	}
	if err := try(old); err != nil {
		t.Fatal(err)
	}
	host.says(fresh.set(t))
	if err := try(fresh); err != nil {
		t.Errorf("a new key: %v", err)
	}
	wantCode(t, "a key that was withdrawn", try(old), oauth.InvalidClient, "GH-1409")
	away := h.register(t, fmt.Sprintf(`{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":%q}`, host.URL+"/other.json"))
	host.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	c = away
	wantCode(t, "keys that cannot be fetched", try(old), oauth.Unavailable, "GH-1405")
}

func certificate(t *testing.T, name string) []byte {
	t.Helper()
	key := newSigner(t, jose.ES256, "").key
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme"}},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestA069Certificates recognizes a client by its certificate: by the subject only
// if the chain was verified, by the certificate itself in any case.
func TestA069Certificates(t *testing.T) {
	h, ctx := newHouse(t), t.Context()
	mine, other := certificate(t, "ci"), certificate(t, "ci")
	stranger := certificate(t, "stranger")
	byName := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=ci,O=Acme"}`)
	key := newSigner(t, jose.ES256, "k")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(key.set(t)), &set); err != nil {
		t.Fatal(err)
	}
	set.Keys[0]["x5c"] = []string{base64.StdEncoding.EncodeToString(mine)}
	byItself := h.register(t, `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":`+marshal(t, set)+`}`)
	made, secret, err := h.Create(ctx, &client.Spec{Name: "CI", Certs: [][32]byte{sha256.Sum256(mine)}})
	if err != nil || secret != "" {
		t.Fatalf("got a secret %q, %v", secret, err)
	}
	for _, tt := range []struct {
		name              string
		id                string
		verified, offered []byte
		want              bool
	}{
		{"the subject, verified", byName.ID, mine, mine, true},
		{"the subject, of another key that was verified", byName.ID, other, other, true},
		{"the subject, not verified", byName.ID, nil, mine, false},
		{"another subject", byName.ID, stranger, stranger, false},
		{"no certificate", byName.ID, nil, nil, false},
		{"itself", byItself.ID, nil, mine, true},
		{"itself, verified", byItself.ID, mine, nil, true},
		{"another of the same name", byItself.ID, other, other, false},
		{"none", byItself.ID, nil, nil, false},
		{"one that an administrator named", made.ID, nil, mine, true},
		{"one that nobody named", made.ID, other, other, false},
	} {
		a := attempt(t, "client_id="+tt.id)
		a.Certificate, a.Offered = tt.verified, tt.offered
		_, err := h.Authenticate(ctx, a)
		if tt.want != (err == nil) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err != nil {
			wantCode(t, tt.name, err, oauth.InvalidClient, "GH-1409")
		}
	}
}
