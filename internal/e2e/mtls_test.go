package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// identity is a client's certificate, and its key.
type identity struct {
	tls.Certificate
	authority *identity // nil: it has signed itself
}

// certified makes a certificate, signed by an authority or by itself.
func certified(t testing.TB, subject pkix.Name, by *identity) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		IsCA: by == nil, BasicConstraintsValid: true,
	}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, by}
}

func (i *identity) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Leaf.Raw}))
}

// thumbprint is how a token names it. RFC 8705 §3.1
func (i *identity) thumbprint() string {
	sum := sha256.Sum256(i.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// with is a client on connections with a certificate; nil: without.
func (f *front) with(i *identity) *http.Client {
	return f.client(func(way *http.Transport) {
		if i != nil {
			way.TLSClientConfig.Certificates = []tls.Certificate{i.Certificate}
		}
	})
}

// grant asks the token endpoint.
func (f *front) grant(c *http.Client, form url.Values, headers ...string) (got, granted) {
	f.t.Helper()
	answer := f.ask(c, http.MethodPost, "https://"+f.address+"/token", form.Encode(), append([]string{"Content-Type: application/x-www-form-urlencoded"}, headers...)...)
	var g granted
	if err := json.Unmarshal([]byte(answer.body), &g); err != nil {
		f.t.Fatalf("the token endpoint answered %d %s: %v", answer.status, answer.body, err)
	}
	return answer, g
}

// use calls a tool on a client's connections.
func (f *front) use(c *http.Client, token string) got {
	f.t.Helper()
	return f.ask(c, http.MethodPost, f.url, toolCall(reading, `{}`), toolHeaders(token, reading)...)
}

// openMTLS starts a front that asks for certificates: of an authority, or of anybody.
func openMTLS(t *testing.T) (f *front, ca *identity) {
	f, ca = reserved(t), certified(t, pkix.Name{CommonName: "Acme clients"}, nil)
	write(t, filepath.Join(f.dir, "clients.pem"), ca.pem())
	f.tls = "client_ca: DIR/clients.pem, client_self_signed: true"
	f.openOwn(t, goServer(t, true))
	return f, ca
}

// TestA069ClientsWithACertificate has programs prove who they are by a certificate
// that an authority vouches for (tls_client_auth), and be given tokens that are
// good with it alone. RFC 8705 §2.1, §3
func TestA069ClientsWithACertificate(t *testing.T) {
	t.Parallel()
	f, ca := openMTLS(t)
	subject := pkix.Name{CommonName: "ci", Organization: []string{"Acme"}}
	ci, other := certified(t, subject, ca), certified(t, pkix.Name{CommonName: "cd", Organization: []string{"Acme"}}, ca)
	pretender := certified(t, subject, nil)
	id := func(more ...string) string {
		var c struct {
			ID string `json:"client_id"`
		}
		text := f.run(append([]string{"client", "create", "--name", "ci", "--certificate-subject", "CN=ci,O=Acme", "--scope", "tools:read", "--json"}, more...)...)
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	bound, free := id("--certificate-bound"), id()
	ask := func(id string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "resource": {f.url}}
	}
	for what, who := range map[string]*identity{"no certificate": nil, "another subject": other, "its subject by nobody's word": pretender} {
		if answer, g := f.grant(f.with(who), ask(bound)); answer.status != http.StatusUnauthorized || g.Error != "invalid_client" {
			t.Errorf("%s: got %d %s, want invalid_client", what, answer.status, answer.body)
		}
	}
	_, g := f.grant(f.with(ci), ask(bound))
	_, claims := peek(t, g.Access)
	if cnf := fmt.Sprint(claims["cnf"]); cnf != "map[x5t#S256:"+ci.thumbprint()+"]" || g.Type != "Bearer" || claims["kind"] != "service" {
		t.Errorf("got a token of %v, type %s, want it bound to %s", claims, g.Type, ci.thumbprint())
	}
	if got := f.use(f.with(ci), g.Access); got.status != http.StatusOK {
		t.Errorf("with its certificate: got %d %s", got.status, got.body)
	}
	f.use(f.with(nil), g.Access).wantRefusal(t, "without its certificate", http.StatusUnauthorized, "GH-1116", "invalid_token")
	f.use(f.with(other), g.Access).wantRefusal(t, "with another", http.StatusUnauthorized, "GH-1116", "invalid_token")
	_, g = f.grant(f.with(ci), ask(free))
	if _, claims := peek(t, g.Access); claims["cnf"] != nil {
		t.Errorf("got cnf %v, and nobody asked for it", claims["cnf"])
	}
	if got := f.use(f.with(nil), g.Access); got.status != http.StatusOK {
		t.Errorf("a token that is bound to nothing: got %d %s", got.status, got.body)
	}
	doc := f.ask(f.with(nil), http.MethodGet, "https://"+f.address+"/.well-known/oauth-authorization-server", "")
	for _, want := range []string{`"tls_client_auth"`, `"self_signed_tls_client_auth"`, `"tls_client_certificate_bound_access_tokens":true`} {
		if !strings.Contains(doc.body, want) {
			t.Errorf("the metadata lacks %s: %s", want, doc.body)
		}
	}
}

// TestA069ClientsWithACertificateOfTheirOwn has an app register itself with a
// certificate that nobody vouches for (self_signed_tls_client_auth), sign its user
// in, and refresh. RFC 8705 §2.2
func TestA069ClientsWithACertificateOfTheirOwn(t *testing.T) {
	t.Parallel()
	f, ca := openMTLS(t)
	own, twin := certified(t, pkix.Name{CommonName: "app"}, nil), certified(t, pkix.Name{CommonName: "app"}, nil)
	vouched := certified(t, pkix.Name{CommonName: "app"}, ca)
	key := own.Leaf.PublicKey.(*ecdsa.PublicKey) //nolint:forcetypeassert // it was made so
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	part := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	body := fmt.Sprintf(`{"client_name":"App","redirect_uris":[%q],"token_endpoint_auth_method":"self_signed_tls_client_auth",
		"tls_client_certificate_bound_access_tokens":true,"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":%q,"y":%q,"x5c":[%q]}]}}`,
		redirectURI, part(point[1:33]), part(point[33:]), base64.StdEncoding.EncodeToString(own.Leaf.Raw))
	var c struct {
		ID    string `json:"client_id"`
		Bound bool   `json:"tls_client_certificate_bound_access_tokens"`
	}
	if got := f.ask(f.with(nil), http.MethodPost, "https://"+f.address+"/register", body); json.Unmarshal([]byte(got.body), &c) != nil || got.status != http.StatusCreated || !c.Bound {
		t.Fatalf("register: got %d %s", got.status, got.body)
	}
	ada := settle(t, f, "ada")
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	to, err := ada.visit(t.Context(), "https://"+f.address+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {redirectURI}, "resource": {f.url}, "code_challenge": {part(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {c.ID}, "redirect_uri": {redirectURI}, "code": {to.Query().Get("code")}, "code_verifier": {verifier}}
	others := map[string]*identity{"no certificate": nil, "one of the same name": twin, "one of the same name that is vouched for": vouched}
	refused := func(form url.Values) {
		t.Helper()
		for what, who := range others {
			if answer, g := f.grant(f.with(who), form); answer.status != http.StatusUnauthorized || g.Error != "invalid_client" {
				t.Errorf("%s: got %d %s, want invalid_client", what, answer.status, answer.body)
			}
		}
	}
	refused(form)
	mine := f.with(own)
	_, g := f.grant(mine, form)
	form = url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ID}, "refresh_token": {g.Refresh}}
	refused(form)
	_, g = f.grant(mine, form)
	if _, claims := peek(t, g.Access); fmt.Sprint(claims["cnf"]) != "map[x5t#S256:"+own.thumbprint()+"]" {
		t.Errorf("got a token of %v, want it bound to %s", claims, own.thumbprint())
	}
	if got := f.use(mine, g.Access); got.status != http.StatusOK {
		t.Errorf("with its certificate: got %d %s", got.status, got.body)
	}
	for what, who := range others {
		f.use(f.with(who), g.Access).wantRefusal(t, what, http.StatusUnauthorized, "GH-1116", "invalid_token")
	}
	// A key's certificate is another matter: it has to be vouched for.
	write(t, filepath.Join(f.dir, "own.pem"), own.pem())
	_, text := f.key("--name", "nightly", "--certificate", filepath.Join(f.dir, "own.pem"))
	f.use(mine, text).wantRefusal(t, "a key with a certificate of nobody", http.StatusUnauthorized, "GH-1011", "")
}
