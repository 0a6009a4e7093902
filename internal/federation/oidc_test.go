package federation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-mcp/gatehouse/internal/federation"
)

func TestPeopleSignInByOpenIDConnect(t *testing.T) {
	d := newDouble(t)
	d.claims = map[string]any{
		"name": "Ada", "email": "Ada@Acme.com", "email_verified": true, "groups": []string{"eng"}, "amr": []string{"pwd", "otp"}, "auth_time": time.Now().Unix(),
	}
	s := d.settings()
	s.Authoritative = []string{"acme.com"}
	p := open(t, s)
	start, sent := d.begin(p, false)
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "our-client", "redirect_uri": callback, "scope": "openid profile email", "state": start.Pending.State,
		"nonce": start.Pending.Nonce, "code_challenge": challenge(start.Pending.Verifier), "code_challenge_method": "S256", "login_hint": "ada@acme.com", "prompt": "",
		"resource": "", "max_age": "",
	} {
		if got := sent.Get(name); got != want {
			t.Errorf("sent %s=%q, want %q", name, got, want)
		}
	}
	who, err := p.Finish(t.Context(), callback, &start.Pending, &federation.Callback{Code: "a-code", State: start.Pending.State})
	if err != nil {
		t.Fatal(err)
	}
	if who.Issuer != d.URL || who.Subject != "sub-ada" || who.Name != "Ada" || who.Email != "Ada@Acme.com" || who.Domain != "acme.com" || !who.Vouched ||
		!slices.Equal(who.Groups, []string{"eng"}) || !slices.Equal(who.Methods, []string{"pwd", "otp"}) || who.AuthTime.IsZero() || who.Tokens != nil || who.Provider != "acme" {
		t.Errorf("got %+v", who)
	}
	if d.basic != [2]string{"our-client", "our-secret"} || d.form.Get("code_verifier") != start.Pending.Verifier || d.form.Get("redirect_uri") != callback || d.form.Get("client_secret") != "" {
		t.Errorf("asked for tokens with %v %v", d.basic, d.form)
	}
	// A second time, without the metadata and the keys being fetched again.
	if _, err := d.signIn(p); err != nil {
		t.Error(err)
	}
	if d.calls("/keys") != 1 || d.calls("/.well-known/openid-configuration") != 1 {
		t.Errorf("fetched %v", d.asked)
	}
}

// What is not said by both, by the one that may say it: see merge.
func TestUserinfoAddsToTheIDToken(t *testing.T) {
	tests := []struct {
		name          string
		token, answer map[string]any
		email         string
	}{
		{"an address that is verified there", nil, map[string]any{"email": "ada@acme.com", "email_verified": true}, "ada@acme.com"},
		{"an address of the token that userinfo's word does not verify", map[string]any{"email": "boss@acme.com"}, map[string]any{"email_verified": true}, ""},
		{"the pair of userinfo, not one of each", map[string]any{"email": "boss@acme.com"}, map[string]any{"email": "ada@acme.com", "email_verified": true}, "ada@acme.com"},
		{"a pair of the token that userinfo does not change", map[string]any{"email": "ada@acme.com", "email_verified": false}, map[string]any{"email": "ada@acme.com", "email_verified": true}, ""},
		{"the word of the token for an address of userinfo", map[string]any{"email_verified": true}, map[string]any{"email": "boss@acme.com"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDouble(t)
			d.claims, d.userinfo = tt.token, tt.answer
			d.userinfo["sub"], d.userinfo["groups"] = "sub-ada", []string{"eng"}
			who, err := d.signIn(open(t, d.settings()))
			if err != nil {
				t.Fatal(err)
			}
			if who.Email != tt.email || !slices.Equal(who.Groups, []string{"eng"}) {
				t.Errorf("got %q %q, want %q", who.Email, who.Groups, tt.email)
			}
		})
	}
}

func TestA029AnswersThatAreNotBelieved(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, v any) func(*double) {
		return func(d *double) { d.claims[name] = v }
	}
	tests := []struct {
		name  string
		setup func(*double)
	}{
		{"another issuer", claim("iss", "https://evil.example")},
		{"no issuer", claim("iss", nil)},
		{"an issuer with a slash", func(d *double) { d.claims["iss"] = d.URL + "/" }},
		{"an issuer in another case", func(d *double) { d.claims["iss"] = strings.ToUpper(d.URL[:5]) + d.URL[5:] }},
		{"another audience", claim("aud", "other-client")},
		{"no audience", claim("aud", nil)},
		{"several audiences, and nobody who asked", claim("aud", []string{"our-client", "other-client"})},
		{"somebody else who asked", func(d *double) {
			d.claims["aud"], d.claims["azp"] = []string{"our-client", "other-client"}, "other-client"
		}},
		{"somebody else who asked, for us alone", claim("azp", "other-client")},
		{"azp that is no text", claim("azp", 1)},
		{"another nonce", claim("nonce", "another")},
		{"no nonce", claim("nonce", nil)},
		{"an end that is over", claim("exp", time.Now().Add(-2*time.Minute).Unix())},
		{"no end", claim("exp", nil)},
		{"a beginning that is to come", claim("nbf", time.Now().Add(time.Hour).Unix())},
		{"made in the future", claim("iat", time.Now().Add(time.Hour).Unix())},
		{"made long before", claim("iat", time.Now().Add(-time.Hour).Unix())},
		{"no time at which it was made", claim("iat", nil)},
		{"no subject", claim("sub", nil)},
		{"an empty subject", claim("sub", "")},
		{"a subject that is a number", claim("sub", 7)},
		{"a subject with a line break", claim("sub", "a\nb")},
		{"the hash of another access token", claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
		{"a signature by another key", func(d *double) { d.sign = func(c map[string]any) string { return d.jwt(jose.ES256, other, c) } }},
		{"a signature under the client's secret", func(d *double) {
			d.sign = func(c map[string]any) string { return d.jwt(jose.HS256, []byte("our-secret-our-secret-our-secret"), c) }
		}},
		{"no signature", func(d *double) {
			d.sign = func(map[string]any) string { return "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWItYWRhIn0." }
		}},
		{"no ID token", func(d *double) { d.sign = func(map[string]any) string { return "" } }},
		{"two subjects in one", func(d *double) { d.claims["SUB"] = "sub-boss" }},
		{"userinfo of another person", func(d *double) { d.userinfo = map[string]any{"sub": "sub-boss"} }},
		{"userinfo of nobody", func(d *double) { d.userinfo = map[string]any{"email": "a@acme.com"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDouble(t)
			tt.setup(d)
			who, err := d.signIn(open(t, d.settings()))
			wantRefusal(t, tt.name, who, err, federation.CodeAnswer)
		})
	}
}

// Of an answer that is somebody else's nothing is looked at, and nobody is asked.
func TestA029WhoAnswersIsLookedAtFirst(t *testing.T) {
	script := "<script>alert(1)</script>"
	tests := []struct {
		name       string
		advertised bool
		answer     func(d *double) federation.Callback
		code       string
	}{
		{"iss of another", false, func(*double) federation.Callback {
			return federation.Callback{Code: "x", Issuer: "https://evil.example"}
		}, federation.CodeAnswer},
		{"iss that differs by a slash", false, func(d *double) federation.Callback { return federation.Callback{Code: "x", Issuer: d.URL + "/"} }, federation.CodeAnswer},
		{"iss that differs by its case", false, func(d *double) federation.Callback {
			return federation.Callback{Code: "x", Issuer: strings.ToUpper(d.URL)}
		}, federation.CodeAnswer},
		{"no iss where it is promised", true, func(*double) federation.Callback { return federation.Callback{Code: "x"} }, federation.CodeAnswer},
		{"an error of another", true, func(*double) federation.Callback {
			return federation.Callback{Error: "access_denied", ErrorDescription: script, Issuer: "https://evil.example"}
		}, federation.CodeAnswer},
		{"an error", true, func(d *double) federation.Callback {
			return federation.Callback{Error: "access_denied", ErrorDescription: script, Issuer: d.URL}
		}, federation.CodeDenied},
		{"an error that nobody knows", false, func(*double) federation.Callback { return federation.Callback{Error: script} }, federation.CodeDenied},
		{"an error and a code", false, func(*double) federation.Callback { return federation.Callback{Code: "x", Error: "server_error"} }, federation.CodeUnavailable},
		{"neither", false, func(*double) federation.Callback { return federation.Callback{} }, federation.CodeAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDouble(t)
			d.metadata["authorization_response_iss_parameter_supported"] = tt.advertised
			p := open(t, d.settings())
			start, _ := d.begin(p, false)
			c := tt.answer(d)
			c.State = start.Pending.State
			who, err := p.Finish(t.Context(), callback, &start.Pending, &c)
			wantRefusal(t, tt.name, who, err, tt.code)
			if n := d.calls("/token"); n != 0 {
				t.Errorf("the token endpoint was asked %d times", n)
			}
		})
	}
	d := newDouble(t)
	d.metadata["authorization_response_iss_parameter_supported"] = true
	p := open(t, d.settings())
	start, _ := d.begin(p, false)
	if _, err := p.Finish(t.Context(), callback, &start.Pending, &federation.Callback{Code: "x", State: start.Pending.State, Issuer: d.URL}); err != nil {
		t.Errorf("its own iss: %v", err)
	}
}

// An answer to a sign-in at one provider is never one to that at another.
func TestA031AnswersStayWithTheirProvider(t *testing.T) {
	honest, attacker := newDouble(t), newDouble(t)
	p := open(t, honest.settings())
	s := attacker.settings()
	s.Name = "evil"
	q := open(t, s)
	start, _ := attacker.begin(q, false)
	answer := &federation.Callback{Code: "honest-code", State: start.Pending.State}
	who, err := p.Finish(t.Context(), callback, &start.Pending, answer)
	wantRefusal(t, "at the honest provider", who, err, federation.CodeState)
	who, err = q.Finish(t.Context(), callback+"2", &start.Pending, answer)
	wantRefusal(t, "at another redirect URI", who, err, federation.CodeState)
	answer.State = "another"
	who, err = q.Finish(t.Context(), callback, &start.Pending, answer)
	wantRefusal(t, "with another state", who, err, federation.CodeState)
	if honest.calls("/token")+attacker.calls("/token") != 0 {
		t.Error("a code was posted")
	}
}

func TestA022AnUpstreamSignInEnds(t *testing.T) {
	d := newDouble(t)
	s := d.settings()
	later := time.Duration(0)
	s.Now = func() time.Time { return time.Now().Add(later) }
	p := open(t, s)
	start, _ := d.begin(p, false)
	later = federation.Life + time.Minute
	who, err := p.Finish(t.Context(), callback, &start.Pending, &federation.Callback{Code: "x", State: start.Pending.State})
	wantRefusal(t, "after eleven minutes", who, err, federation.CodeState)
}

func TestA032AddressesThatAreNotVerified(t *testing.T) {
	for name, c := range map[string]map[string]any{
		"false":               {"email": "a@acme.com", "email_verified": false},
		"not told":            {"email": "a@acme.com"},
		"a text":              {"email": "a@acme.com", "email_verified": "true"},
		"a number":            {"email": "a@acme.com", "email_verified": 1},
		"null":                {"email": "a@acme.com", "email_verified": nil},
		"two addresses":       {"email": "a@acme.com,x@evil.example", "email_verified": true},
		"two at signs":        {"email": "a@evil.example@acme.com", "email_verified": true},
		"a quoted part":       {"email": `"a@evil.example"@acme.com`, "email_verified": true},
		"a letter that folds": {"email": "a@acme.com", "email_verified": true, "x": "x"},
		"a Kelvin sign":       {"email": "a@acme.\u212aom", "email_verified": true},
		"a Cyrillic letter":   {"email": "a@аcme.com", "email_verified": true},
		"a wide dot":          {"email": "a@acme\u3002com", "email_verified": true},
		"an address list":     {"email": []string{"a@acme.com"}, "email_verified": true},
		"a blank":             {"email": "a b@acme.com", "email_verified": true},
		"a subdomain":         {"email": "a@evil.acme.com", "email_verified": true},
		"a suffix":            {"email": "a@evilacme.com", "email_verified": true},
		"a prefix":            {"email": "a@acme.com.evil.example", "email_verified": true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.claims = c
			s := d.settings()
			s.Allow.Domains = []string{"acme.com"}
			who, err := d.signIn(open(t, s))
			if name == "a letter that folds" { // the control: this one is right
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantRefusal(t, name, who, err, federation.CodeAllow)
		})
	}
}

func TestPeopleProveAnewWhoTheyAre(t *testing.T) {
	d := newDouble(t)
	p := open(t, d.settings())
	start, sent := d.begin(p, true)
	if sent.Get("prompt") != "login" || sent.Get("max_age") != "0" {
		t.Errorf("sent %v", sent)
	}
	d.claims["auth_time"] = time.Now().Add(-time.Hour).Unix()
	who, err := p.Finish(t.Context(), callback, &start.Pending, &federation.Callback{Code: "x", State: start.Pending.State})
	wantRefusal(t, "without having done so", who, err, federation.CodeDenied)
}

func TestClientsProveWhoTheyAre(t *testing.T) {
	tests := []struct {
		name, secret string
		methods      []string
		basic        bool
	}{
		{"in the header, unless told", "our-secret", nil, true},
		{"in the header", "our-secret", []string{"client_secret_post", "client_secret_basic"}, true},
		{"in the form", "our-secret", []string{"client_secret_post"}, false},
		{"not at all", "", []string{"none"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDouble(t)
			if tt.methods != nil {
				d.metadata["token_endpoint_auth_methods_supported"] = tt.methods
			}
			s := d.settings()
			s.ClientSecret = tt.secret
			if _, err := d.signIn(open(t, s)); err != nil {
				t.Fatal(err)
			}
			if (d.basic[1] == tt.secret) != (tt.basic || tt.secret == "") || d.form.Get("client_secret") != map[bool]string{true: "", false: tt.secret}[tt.basic] || d.calls("/token") != 1 {
				t.Errorf("got %v %v, asked %d times", d.basic, d.form, d.calls("/token"))
			}
		})
	}
}

// An attacker's provider says in its metadata that its token endpoint is another
// one's: what we say there is for the attacker's issuer, and good nowhere else.
func TestA071AssertionsAreForTheIssuerAlone(t *testing.T) {
	honest, attacker := newDouble(t), newDouble(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	attacker.metadata["token_endpoint"] = honest.URL + "/token"
	s := attacker.settings()
	s.ClientSecret = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	s.Roots = append(roots(attacker.Server), roots(honest.Server)...)
	p := open(t, s)
	who, err := attacker.signIn(p)
	wantRefusal(t, "an ID token of the honest one", who, err, federation.CodeAnswer)
	form := honest.form
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_secret") != "" || form.Get("client_id") != "our-client" || honest.basic[0] != "" {
		t.Fatalf("got %v", form)
	}
	parsed, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	text, err := parsed.Verify(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Sub, Jti string
		Aud           any
		Exp, Iat      int64
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Aud != attacker.URL || claims.Iss != "our-client" || claims.Sub != "our-client" || claims.Jti == "" || claims.Exp-claims.Iat > 60 {
		t.Errorf("got %s, want the issuer alone as aud", text)
	}
	// Of a refresh too.
	if _, err := p.Refresh(t.Context(), "refresh-canary"); err != nil {
		t.Fatal(err)
	}
	if honest.form.Get("grant_type") != "refresh_token" || honest.form.Get("client_assertion") == form.Get("client_assertion") {
		t.Errorf("got %v", honest.form)
	}
}
