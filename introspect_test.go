package gatehouse_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

const opaque = "oat_2mP9xQ4vL7rT1wZ8"

// introspector is an issuer's introspection endpoint over TLS.
type introspector struct {
	*httptest.Server
	answer atomic.Value // http.HandlerFunc
	asked  atomic.Int64
	mu     sync.Mutex
	form   url.Values // of the last question
	id     string
	secret string
	basic  bool
}

func newIntrospector(t testing.TB) *introspector {
	t.Helper()
	i := &introspector{}
	i.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("asked by %s %s: %v", r.Method, r.URL, err)
		}
		i.mu.Lock()
		i.form = r.PostForm
		i.id, i.secret, i.basic = r.BasicAuth()
		i.mu.Unlock()
		i.answer.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(i.Close)
	i.say(claimsWith(obj{"active": true}))
	return i
}

func (i *introspector) say(claims obj) { i.answer.Store(answering(jsonOf(claims))) }

// verifier is a verifier that asks i, changed by the given functions.
func (i *introspector) verifier(t testing.TB, change ...func(*gatehouse.IntrospectionVerifier)) *gatehouse.IntrospectionVerifier {
	t.Helper()
	v := &gatehouse.IntrospectionVerifier{
		Issuer: theirURL, Endpoint: i.URL + "/introspect", ClientID: "gatehouse", ClientSecret: "s3cret",
		Audience: ourURL, HTTP: trusted(t, i.Server), Now: func() time.Time { return noon },
	}
	for _, f := range change {
		f(v)
	}
	return v
}

// verdictOn is "" for an identity, "not mine", or the refusal's code; in
// brackets if others may try.
func verdictOn(t testing.TB, v gatehouse.Verifier, c *gatehouse.Credential) string {
	t.Helper()
	who, err := v.Verify(context.Background(), c)
	if (who != nil) == (err != nil) {
		t.Fatalf("got identity %v beside %v", who, err)
	}
	var e *gatehouse.Error
	has := errors.As(err, &e)
	switch {
	case err == nil:
		return ""
	case has && (e.Description == "" || strings.Contains(e.Error(), "127.0.0.1") || strings.Contains(fmt.Sprint(e.Cause), c.Text)):
		t.Errorf("%s tells too much or nothing: %q, %v", e.Code, e.Description, e.Cause)
	case has && e.Status == 401 && (e.Challenge == nil || e.Challenge.Error == ""):
		t.Errorf("%s has no challenge", e.Code)
	}
	switch {
	case errors.Is(err, gatehouse.ErrNotMine) && has:
		return "(" + e.Code + ")"
	case errors.Is(err, gatehouse.ErrNotMine):
		return "not mine"
	case has:
		return e.Code
	}
	t.Fatal(err)
	return ""
}

func bearer(text string) *gatehouse.Credential { return &gatehouse.Credential{Text: text} }

func TestIntrospectionGivesAnIdentity(t *testing.T) {
	i := newIntrospector(t)
	i.say(claimsWith(obj{"active": true, "token_type": "Bearer", "roles": []string{"editor"}, "username": "ada@example.com"}))
	who, err := i.verifier(t).Verify(t.Context(), bearer(opaque))
	if err != nil {
		t.Fatal(err)
	}
	if who.Issuer != theirURL || who.Subject != "ada" || who.Client != "app" || !slices.Equal(who.Scopes, []string{"tools:read", "tools:write"}) ||
		!slices.Equal(who.Roles, []string{"editor"}) || who.TokenID != "t1" || !who.Expires.Equal(noon.Add(10*time.Minute)) || who.KeyID != "" {
		t.Errorf("got %+v", who)
	}
	if i.form.Get("token") != opaque || i.form.Get("token_type_hint") != "access_token" || i.form.Has("client_secret") || !i.basic || i.id != "gatehouse" || i.secret != "s3cret" {
		t.Errorf("asked with %v, basic %t %q %q", i.form, i.basic, i.id, i.secret)
	}
}

func TestIntrospectionAuthenticates(t *testing.T) {
	i := newIntrospector(t)
	const id, secret = "gate:house é", "p&ss=w+rd%:/"
	basic := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.ClientID, v.ClientSecret = id, secret })
	if got := verdictOn(t, basic, bearer(opaque)); got != "" || i.id != url.QueryEscape(id) || i.secret != url.QueryEscape(secret) {
		t.Errorf("basic: got %q, %q %q", got, i.id, i.secret)
	}
	body := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) {
		v.ClientID, v.ClientSecret, v.SecretInBody = id, secret, true
	})
	if got := verdictOn(t, body, bearer(opaque)); got != "" || i.basic || i.form.Get("client_id") != id || i.form.Get("client_secret") != secret {
		t.Errorf("body: got %q, %v", got, i.form)
	}
	nobody := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.ClientID, v.ClientSecret, v.Anonymous = "", "", true })
	if got := verdictOn(t, nobody, bearer(opaque)); got != "" || i.basic || i.form.Has("client_id") {
		t.Errorf("anonymous: got %q, %v", got, i.form)
	}
}

func TestOnlyPlausibleTokensAreShownToTheIssuer(t *testing.T) {
	i := newIntrospector(t)
	key, _ := gatehouse.NewAPIKey()
	jwt := mint(claimsWith())
	v := i.verifier(t)
	for name, text := range map[string]string{
		"nothing": "", "a short text": "oat_1234", "a blank": "oat_2mP9xQ4vL7rT 1wZ8", "a line": opaque + "\n", "no ASCII": "oat_2mP9xQ4vL7rT1wZé",
		"a control character": "oat_2mP9xQ4vL7rT1wZ\x00", "a long text": strings.Repeat("x", 5000), "a JWT": jwt, "a JWE": "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn",
		"an API key": key, "an API key with something before it": "x" + key,
	} {
		if got := verdictOn(t, v, bearer(text)); got != "not mine" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	ours := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.Prefixes = []string{"oat_", "ory_at_"} })
	if got := verdictOn(t, ours, bearer("pat_2mP9xQ4vL7rT1wZ8")); got != "not mine" {
		t.Errorf("another beginning: got %q", got)
	}
	if n := i.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	if got := verdictOn(t, ours, bearer("ory_at_2mP9xQ4vL7rT1wZ8")); got != "" {
		t.Errorf("its own beginning: got %q", got)
	}
	both := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.JWTs = true })
	if got := verdictOn(t, both, bearer(jwt)); got != "" {
		t.Errorf("a JWT, with JWTs: got %q", got)
	}
	i.say(claimsWith(obj{"active": true, "nonce": "n"})) // as an ID token has
	if got := verdictOn(t, i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.JWTs = true }), bearer(jwt)); got != "GH-1107" {
		t.Errorf("an ID token, with JWTs: got %q", got)
	}
}

var ofCertificate = sha256.Sum256([]byte("a certificate"))

type held struct {
	name   string
	claims obj
	change func(*gatehouse.IntrospectionVerifier)
	want   string
}

func heldTokens() []held {
	type verifier = gatehouse.IntrospectionVerifier
	return []held{
		{"expired", obj{"exp": noon.Add(-2 * time.Minute).Unix()}, nil, "GH-1109"},
		{"expired within the leeway", obj{"exp": noon.Add(-30 * time.Second).Unix()}, nil, ""},
		{"expired, no leeway", obj{"exp": noon.Add(-1 * time.Second).Unix()}, func(v *verifier) { v.Leeway = -1 }, "GH-1109"},
		{"an end that is a text", obj{"exp": "1795464000"}, nil, "GH-1109"},
		{"an end that is null", obj{"exp": nil}, nil, "GH-1109"},
		{"no end", obj{"exp": gone}, nil, ""},
		{"an end in the year 9999", obj{"exp": 253402300799}, nil, "GH-1109"},
		{"not yet", obj{"nbf": noon.Add(2 * time.Minute).Unix()}, nil, "GH-1109"},
		{"not yet, no end", obj{"exp": gone, "nbf": noon.Add(2 * time.Minute).Unix()}, nil, "GH-1109"},
		{"without iat", obj{"iat": gone}, func(v *verifier) { v.RequireIssued = true }, "GH-1109"},
		{"longer than MaxLife", nil, func(v *verifier) { v.MaxLife = time.Minute }, "GH-1109"},
		{"another audience", obj{"aud": "https://other.example/mcp"}, nil, "GH-1104"},
		{"an audience of several", obj{"aud": []string{"x", ourURL}}, nil, ""},
		{"a further audience", obj{"aud": "project"}, func(v *verifier) { v.Audiences = []string{"project"} }, ""},
		{"another client", nil, func(v *verifier) { v.Clients = []string{"other"} }, "GH-1112"},
		{"a client of the list", nil, func(v *verifier) { v.Clients = []string{"other", "app"} }, ""},
		{"no audience, and that is said", obj{"aud": gone}, func(v *verifier) { v.Audience, v.InsecureNoAudience, v.Clients = "", true, []string{"app"} }, ""},
		{"no issuer, and that is said", obj{"iss": gone}, func(v *verifier) { v.InsecureNoIssuer = true }, ""},
		{"another issuer, though none would do", obj{"iss": "https://evil.example"}, func(v *verifier) { v.InsecureNoIssuer = true }, "GH-1103"},
		{"a further issuer", obj{"iss": "https://old.example"}, func(v *verifier) { v.AlsoIssuers = []string{"https://old.example"} }, ""},
		{"a refresh token by token_use", obj{"token_use": "refresh_token"}, nil, "GH-1107"},
		{"a refresh token by typ", obj{"typ": "Refresh"}, nil, "GH-1107"},
		{"an ID token by typ", obj{"typ": "ID"}, nil, "GH-1107"},
		{"a strange token type", obj{"token_type": "N_A"}, nil, "GH-1107"},
		{"no subject", obj{"sub": gone}, nil, "GH-1117"},
		{"a subject elsewhere", obj{"sub": gone, "uid": "u1"}, func(v *verifier) { v.Claims.Subject = []string{"uid"} }, ""},
		{"what is rejected", obj{"gty": "password"}, func(v *verifier) { v.Reject = []gatehouse.ClaimRule{{Claim: "gty", Equals: "password"}} }, "GH-1113"},
		{"what is required is missing", nil, func(v *verifier) { v.Require = []gatehouse.ClaimRule{{Claim: "mfa"}} }, "GH-1113"},
		{"bound to a key, sent as Bearer", obj{"cnf": obj{"jkt": base64.RawURLEncoding.EncodeToString(ofCertificate[:])}}, nil, "GH-1116"},
		{"bound to a certificate, sent without", obj{"cnf": obj{"x5t#S256": base64.RawURLEncoding.EncodeToString(ofCertificate[:])}}, nil, "GH-1116"},
		{"bound in an unknown way", obj{"cnf": obj{"jwk": obj{}}}, nil, "GH-1116"},
		{"bound to null", obj{"cnf": nil}, nil, "GH-1116"},
		{"free, where a proof is required", nil, func(v *verifier) { v.RequireDPoP = true }, "GH-1116"},
		{"free, where a certificate is required", nil, func(v *verifier) { v.RequireMTLS = true }, "GH-1116"},
	}
}

func TestIntrospectedTokensAreHeldToTheConfiguration(t *testing.T) {
	i := newIntrospector(t)
	for _, tt := range heldTokens() {
		t.Run(tt.name, func(t *testing.T) {
			i.say(claimsWith(obj{"active": true}, tt.claims))
			v := i.verifier(t)
			if tt.change != nil {
				tt.change(v)
			}
			for range 2 { // the second one from memory
				if got := verdictOn(t, v, bearer(opaque)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
	i.say(claimsWith(obj{"active": true, "cnf": obj{"x5t#S256": base64.RawURLEncoding.EncodeToString(ofCertificate[:])}}))
	v := i.verifier(t)
	for range 2 {
		if got := verdictOn(t, v, &gatehouse.Credential{Text: opaque, Certificate: []byte("a certificate")}); got != "" {
			t.Errorf("with its certificate: got %q", got)
		}
		if got := verdictOn(t, v, &gatehouse.Credential{Text: opaque, Certificate: []byte("another")}); got != "GH-1116" {
			t.Errorf("with another certificate: got %q", got)
		}
	}
}

func TestATokenWithoutEndGetsOne(t *testing.T) {
	i := newIntrospector(t)
	i.say(claimsWith(obj{"active": true, "exp": gone, "iss": gone}))
	who, err := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.InsecureNoIssuer = true }).Verify(t.Context(), bearer(opaque))
	if err != nil {
		t.Fatal(err)
	}
	if !who.Expires.Equal(noon.Add(time.Hour)) || who.Issuer != theirURL {
		t.Errorf("got %+v", who)
	}
}

func TestIntrospectionConfiguration(t *testing.T) {
	type verifier = gatehouse.IntrospectionVerifier
	i := newIntrospector(t)
	for field, change := range map[string]func(*verifier){
		"Issuer":               func(v *verifier) { v.Issuer = "" },
		"Endpoint is empty":    func(v *verifier) { v.Endpoint = "" },
		"Endpoint: ":           func(v *verifier) { v.Endpoint = "http://idp.example.com/introspect" },
		"ClientID":             func(v *verifier) { v.ClientID = "" },
		"ClientSecret":         func(v *verifier) { v.ClientSecret = "" },
		"Anonymous":            func(v *verifier) { v.Anonymous = true },
		"Audience":             func(v *verifier) { v.Audience = "" },
		"Clients":              func(v *verifier) { v.Audience, v.InsecureNoAudience = "", true },
		"Leeway":               func(v *verifier) { v.Leeway = time.Hour },
		"MaxLife":              func(v *verifier) { v.MaxLife = -1 },
		"CacheFor":             func(v *verifier) { v.CacheFor = time.Minute },
		"CacheSize":            func(v *verifier) { v.CacheSize = -1 },
		"Prefixes":             func(v *verifier) { v.Prefixes = []string{""} },
		"Reject":               func(v *verifier) { v.Reject = []gatehouse.ClaimRule{{}} },
		"not a public address": func(v *verifier) { v.HTTP = nil },
	} {
		v := i.verifier(t, change)
		if err := v.Check(); err == nil || !strings.Contains(err.Error(), field) || !strings.HasPrefix(err.Error(), "IntrospectionVerifier.") {
			t.Errorf("%s: got %v", field, err)
		}
		if who, err := v.Verify(t.Context(), bearer(opaque)); err == nil || errors.Is(err, gatehouse.ErrNotMine) {
			t.Errorf("%s: got %v, %v", field, who, err)
		}
	}
	if err := new(gatehouse.IntrospectionVerifier).Check(); err == nil {
		t.Error("the zero value is accepted")
	}
	if i.asked.Load() != 0 {
		t.Error("it was asked")
	}
}
