package gatehouse_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// refusedAny demands a refusal of 401, whatever its code.
func refusedAny(t *testing.T, v gatehouse.Verifier, tok string) {
	t.Helper()
	id, err := present(v, tok)
	var e *gatehouse.Error
	switch {
	case err == nil || id != nil:
		t.Errorf("it was accepted as %+v", id)
	case !errors.As(err, &e) || e.Status != 401:
		t.Errorf("got %v, want a refusal of 401", err)
	case len(e.Description) > 200 || strings.Contains(e.Description, "evil"):
		t.Errorf("a stranger is told %q", e.Description)
	}
}

func TestA035NoneIsNoAlgorithm(t *testing.T) {
	payload := jsonOf(claimsWith())
	body := b64url.EncodeToString([]byte(payload))
	for _, header := range []string{
		`{"alg":"none","typ":"at+jwt"}`, `{"alg":"None","typ":"at+jwt"}`, `{"alg":"NONE","typ":"at+jwt"}`, `{"alg":"nOnE","typ":"at+jwt"}`,
		`{"alg":"","typ":"at+jwt"}`, `{"typ":"at+jwt"}`, `{"alg":["none"],"typ":"at+jwt"}`, `{"alg":null,"typ":"at+jwt"}`, `{"alg":"none ","typ":"at+jwt"}`,
		`{"alg":"es256","typ":"at+jwt","kid":"ec"}`,
	} {
		head := b64url.EncodeToString([]byte(header))
		for _, tok := range []string{head + "." + body + ".", head + "." + body, signRaw(signers()["ec"], "ES256", header, payload)} {
			refusedAny(t, jwtVerifier(), tok)
		}
	}
	whole := mint(claimsWith()) // a good algorithm, and the signature taken off
	refusedAny(t, jwtVerifier(), whole[:strings.LastIndex(whole, ".")+1])
	refusedAny(t, jwtVerifier(), whole[:strings.LastIndex(whole, ".")])
	id, err := present(jwtVerifier(), whole[:strings.LastIndex(whole, ".")+1])
	refusedAs(t, id, err, "GH-1102")
	id, err = present(jwtVerifier(), mint(claimsWith(), obj{"alg": "none"}))
	refusedAs(t, id, err, "GH-1105")
}

func TestA036PublicKeysAreNoSecrets(t *testing.T) {
	der, err := x509.MarshalPKIXPublicKey(signers()["rsa"].Public())
	if err != nil {
		t.Fatal(err)
	}
	n := signers()["rsa"].Public().(*rsa.PublicKey).N.Bytes()
	jwk := jsonOf(obj{"kty": "RSA", "n": b64url.EncodeToString(n), "e": "AQAB"})
	for name, secret := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": []byte(jwk), "modulus": n, "empty": {}, "NUL": {0},
	} {
		for _, kid := range []any{"rsa", "nobody's", "", gone} {
			t.Run(fmt.Sprintf("%s %v", name, kid), func(t *testing.T) {
				h := obj{"alg": "HS256", "typ": "at+jwt", "kid": kid}
				if kid == gone {
					delete(h, "kid")
				}
				input := b64url.EncodeToString([]byte(jsonOf(h))) + "." + b64url.EncodeToString([]byte(jsonOf(claimsWith())))
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				refusedAny(t, jwtVerifier(), input+"."+b64url.EncodeToString(mac.Sum(nil)))
			})
		}
	}
	t.Run("an algorithm that is not the issuer's", func(t *testing.T) {
		v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Algorithms = []string{"RS256"} })
		id, err := present(v, mint(claimsWith()))
		refusedAs(t, id, err, "GH-1105")
	})
	t.Run("an algorithm of another key", func(t *testing.T) { // the key set is asked by kid, and answers with what does not fit
		id, err := present(jwtVerifier(), mint(claimsWith(), obj{"alg": "RS256", "kid": "ec"}))
		refusedAs(t, id, err, "GH-1102")
	})
	t.Run("a secret among the keys", func(t *testing.T) {
		v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = fixedKeys{"ec": []byte("secret")} })
		id, err := present(v, mint(claimsWith()))
		refusedAs(t, id, err, "GH-1102")
	})
	t.Run("no key at all", func(t *testing.T) {
		id, err := present(jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = fixedKeys{} }), mint(claimsWith(), obj{"kid": gone}))
		refusedAs(t, id, err, "GH-1110")
	})
	t.Run("too many keys to try", func(t *testing.T) {
		many := fixedKeys{}
		for i := range 9 {
			many[fmt.Sprint(i)] = signers()["ec"].Public()
		}
		id, err := present(jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = many }), mint(claimsWith(), obj{"kid": gone}))
		refusedAs(t, id, err, "GH-1110")
	})
}

func TestA037KeysComeFromTheIssuerAlone(t *testing.T) {
	hits := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer evil.Close()
	attacker := signers()["ec-other"]
	pub := attacker.Public().(*ecdsa.PublicKey)
	point, err := pub.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := obj{"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64url.EncodeToString(point[1:33]), "y": b64url.EncodeToString(point[33:])}
	for name, header := range map[string]obj{
		"a path":                {"kid": "../../dev/null"},
		"SQL":                   {"kid": "' OR 1=1 --"},
		"a NUL":                 {"kid": "ec\x00"},
		"a long kid":            {"kid": strings.Repeat("k", 1<<10+1)},
		"a megabyte kid":        {"kid": strings.Repeat("k", 1<<20)},
		"a kid that is no text": {"kid": []string{"ec"}},
		"an empty kid":          {"kid": ""},
		"jku":                   {"jku": evil.URL},
		"x5u":                   {"x5u": evil.URL},
		"jwk":                   {"jwk": jwk},
		"x5c":                   {"x5c": []string{"MIIB"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := obj{"alg": "ES256", "typ": "at+jwt", "kid": "ec"}
			for k, v := range header {
				h[k] = v
			}
			refusedAny(t, jwtVerifier(), signRaw(attacker, "ES256", jsonOf(h), jsonOf(claimsWith())))
			refusedAny(t, jwtVerifier(), signRaw(signers()["ec"], "ES256", jsonOf(h), jsonOf(claimsWith()))) // and by the issuer's own key
		})
	}
	if hits > 0 {
		t.Errorf("the token had %d URLs fetched", hits)
	}
	for _, jku := range []string{"http://idp.example.com/keys", "https://idp.example.com:8443/keys", "https://idp.example.com.evil/", "/keys", "keys", "https://idp.example.com/%zz"} {
		id, err := present(jwtVerifier(), mint(claimsWith(), obj{"jku": jku}))
		refusedAs(t, id, err, "GH-1101")
	}
	for _, iss := range []string{"joe", "https://idp.example.com/%zz"} { // an issuer without an origin has no keys of the same
		for _, jku := range []string{"keys", "https://idp.example.com/keys"} {
			v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Issuer = iss })
			id, err := present(v, mint(claimsWith(obj{"iss": iss}), obj{"jku": jku}))
			refusedAs(t, id, err, "GH-1101")
		}
	}
	if _, err := present(jwtVerifier(), mint(claimsWith(), obj{"jku": theirURL + "/keys", "x5t": "abc"})); err != nil {
		t.Errorf("got %v, want what some issuers put into every token to be passed over", err)
	}
}

func TestA038NoExtensionIsUnderstood(t *testing.T) {
	for _, more := range []string{
		`"crit":["exp"]`, `"crit":["x"],"x":1`, `"crit":[]`, `"crit":null`, `"b64":false`, `"b64":true`, `"crit":["b64"],"b64":false`,
		`"zip":"DEF"`, `"enc":"A256GCM"`, `"cty":"JWT"`,
	} {
		id, err := present(jwtVerifier(), signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec",`+more+`}`, jsonOf(claimsWith())))
		refusedAs(t, id, err, "GH-1101")
	}
}

func TestA039OnlyAccessTokens(t *testing.T) {
	lax := func(v *gatehouse.JWTVerifier) { v.Types = []string{"at+jwt", "JWT", ""} }
	for name, tt := range map[string]struct {
		claims, header obj
		strict         bool // refused by typ already
	}{
		"an ID token":                {obj{"nonce": "n"}, obj{"typ": "JWT"}, true},
		"an ID token with at_hash":   {obj{"at_hash": "x"}, obj{"typ": "JWT"}, true},
		"an ID token with c_hash":    {obj{"c_hash": "x"}, obj{}, true},
		"an ID token of Cognito":     {obj{"token_use": "id"}, obj{"typ": gone}, true},
		"an ID token of Keycloak":    {obj{"typ": "ID"}, obj{"typ": "JWT"}, true},
		"a refresh token":            {obj{"typ": "Refresh"}, obj{"typ": "JWT"}, true},
		"a refresh token by its use": {obj{"token_use": "refresh"}, obj{"typ": "JWT"}, true},
		"a use that is no text":      {obj{"token_use": []string{"access"}}, obj{"typ": "JWT"}, true},
		"a logout token":             {obj{"events": obj{"http://schemas.openid.net/event/backchannel-logout": obj{}}}, obj{"typ": "logout+jwt"}, true},
		"a logout token without typ": {obj{"events": obj{}}, obj{"typ": gone}, true},
		"an ID-JAG":                  {obj{"resource": ourURL}, obj{"typ": "oauth-id-jag+jwt"}, true},
		"a client assertion":         {obj{"sub": theirURL}, obj{"typ": "JWT"}, true},
		"a typed client assertion":   {obj{}, obj{"typ": "client-authentication+jwt"}, true},
		"a DPoP proof":               {obj{"htm": "POST", "htu": ourURL}, obj{"typ": "dpop+jwt"}, true},
		"a DPoP proof without typ":   {obj{"htu": ourURL}, obj{"typ": gone}, true},
		"an introspection answer":    {obj{"token_introspection": obj{"active": true}}, obj{"typ": "token-introspection+jwt"}, true},
		"an untyped answer":          {obj{"token_introspection": obj{"active": true}}, obj{"typ": gone}, true},
		"a session of Clerk":         {obj{"sid": "s", "v": 2, "client_id": gone}, obj{"typ": "JWT"}, true},
		"a session of Supabase":      {obj{"session_id": "s", "client_id": gone}, obj{"typ": "JWT"}, true},
		"our own signed identity":    {obj{"tool": "x"}, obj{"typ": "gatehouse-identity+jwt"}, true},
		"a security event":           {obj{}, obj{"typ": "application/secevent+jwt"}, true},
		"a consent of ours":          {obj{}, obj{"typ": "gatehouse-consent+jwt"}, true},
		"an ID token as at+jwt":      {obj{"at_hash": "x"}, obj{}, false},
		"an assertion as at+jwt":     {obj{"sub": theirURL}, obj{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			tok := mint(claimsWith(tt.claims), tt.header)
			id, err := present(jwtVerifier(lax), tok)
			refusedAs(t, id, err, "GH-1107")
			if tt.strict {
				id, err = present(jwtVerifier(), tok)
				refusedAs(t, id, err, "GH-1107")
			}
		})
	}
	for _, typ := range []any{"JWT", gone, "at+jwt ", "at", "text/at+jwt", "application/x/at+jwt"} {
		id, err := present(jwtVerifier(), mint(claimsWith(), obj{"typ": typ}))
		refusedAs(t, id, err, "GH-1107")
	}
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"} {
		if _, err := present(jwtVerifier(), mint(claimsWith(), obj{"typ": typ})); err != nil {
			t.Errorf("typ %s: got %v, want it accepted", typ, err)
		}
	}
	for _, claims := range []obj{{"token_use": "access"}, {"typ": "Bearer"}, {"sid": "s"}, {"token_type": "access_token"}} {
		if _, err := present(jwtVerifier(lax), mint(claimsWith(claims), obj{"typ": "JWT"})); err != nil {
			t.Errorf("%v: got %v, want it accepted", claims, err)
		}
	}
}

// Where the audience does not tell an access token from an ID token, more is asked.
func TestA039IDTokensForAClientThatIsUs(t *testing.T) {
	v := func(typ ...string) gatehouse.Verifier {
		return jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Audiences, v.Types = []string{"app-id"}, typ })
	}
	for name, tt := range map[string]struct {
		claims obj
		ok     bool
	}{
		"no client":                {obj{"aud": "app-id", "client_id": gone, "scope": gone}, false},
		"no client, but scopes":    {obj{"aud": "app-id", "client_id": gone}, false},
		"for its own client":       {obj{"aud": "app-id", "client_id": "app-id", "scope": gone}, false},
		"the same with scopes":     {obj{"aud": "app-id", "client_id": "app-id"}, true},
		"for another client":       {obj{"aud": "app-id", "client_id": "cli", "scope": gone}, true},
		"for our URL":              {obj{"client_id": gone, "scope": gone}, true},
		"for our URL among others": {obj{"aud": []string{"app-id", ourURL}, "client_id": gone, "scope": gone}, true},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := present(v("JWT"), mint(claimsWith(tt.claims), obj{"typ": "JWT"}))
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refusedAs(t, id, err, "GH-1107")
			if _, err := present(v("at+jwt"), mint(claimsWith(tt.claims))); err != nil {
				t.Errorf("as at+jwt: got %v, want it accepted", err)
			}
		})
	}
}

func TestA041IssuersAreKeptApart(t *testing.T) {
	other := jwtVerifier(func(v *gatehouse.JWTVerifier) {
		v.Issuer, v.Keys = "https://other.example.com", fixedKeys{"ec": signers()["ec-other"].Public()} // the same kid
	})
	ours := jwtVerifier()
	byOther := signRaw(signers()["ec-other"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, jsonOf(claimsWith()))
	id, err := present(ours, byOther)
	refusedAs(t, id, err, "GH-1102")
	refusedAny(t, other, byOther)
	for _, iss := range []any{
		theirURL + "/", "https://IDP.example.com", "https://idp.example.com:443", "http://idp.example.com", " " + theirURL, theirURL + "\x00",
		"https://evil.example", "", nil, gone, []string{theirURL}, 1, obj{"x": theirURL},
	} {
		id, err := present(ours, mint(claimsWith(obj{"iss": iss})))
		refusedAs(t, id, err, "GH-1103")
	}
	also := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.AlsoIssuers = []string{"https://old.example.com"} })
	if id, err := present(also, mint(claimsWith(obj{"iss": "https://old.example.com"}))); err != nil || id.Issuer != "https://old.example.com" {
		t.Errorf("got %v, %v, want the further issuer to be accepted", id, err)
	}
}
