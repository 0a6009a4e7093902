package gatehouse_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestAudienceIsExactlyThisResource(t *testing.T) {
	for _, tt := range []struct {
		aud any
		ok  bool
	}{
		{ourURL, true}, {[]string{ourURL}, true}, {[]string{"https://a.example", ourURL}, true}, {ourURL + "/", true},
		{ourURL + "//", false}, {"https://mcp.example.com", false}, {"https://mcp.example.com/", false}, {"https://mcp.example.com/mcp/x", false},
		{"https://MCP.example.com/mcp", false}, {"https://mcp.example.com/MCP", false}, {"http://mcp.example.com/mcp", false},
		{"https://mcp.example.com:443/mcp", false}, {ourURL + "?x", false}, {ourURL + " ", false}, {"https://mcp.example.com/mcp https://x", false},
		{gone, false}, {nil, false}, {"", false}, {[]string{}, false}, {[]string{"", ourURL[:10]}, false}, {1, false}, {true, false},
		{obj{"x": ourURL}, false}, {[]any{ourURL, 1}, false}, {[]any{[]string{ourURL}}, false},
	} {
		id, err := present(jwtVerifier(), mint(claimsWith(obj{"aud": tt.aud})))
		if !tt.ok {
			refusedAs(t, id, err, "GH-1104")
		} else if err != nil {
			t.Errorf("%v: got %v, want it accepted", tt.aud, err)
		}
	}
	many := make([]string, 65)
	many[64] = ourURL
	id, err := present(jwtVerifier(), mint(claimsWith(obj{"aud": many})))
	refusedAs(t, id, err, "GH-1104")

	guid := func(v *gatehouse.JWTVerifier) { v.Audience, v.Audiences = "api", []string{"api://x"} } // no URL: no second spelling
	for aud, ok := range map[string]bool{"api": true, "api/": false, "api://x": true, "api://x/": false} {
		if _, err := present(jwtVerifier(guid), mint(claimsWith(obj{"aud": aud}))); (err == nil) != ok {
			t.Errorf("%s: got %v, want accepted: %v", aud, err, ok)
		}
	}
	slash := func(v *gatehouse.JWTVerifier) { v.Audience = ourURL + "/" }
	if _, err := present(jwtVerifier(slash), mint(claimsWith())); err != nil {
		t.Errorf("without the slash of our own URL: got %v", err)
	}
}

func TestA042TimesAndTheirEdges(t *testing.T) {
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	tests := []struct {
		name   string
		claims string
		ok     bool
	}{
		{"an hour to go", fmt.Sprintf(`"exp":%d`, at(time.Hour)), true},
		{"ended within the skew", fmt.Sprintf(`"exp":%d`, at(-59*time.Second)), true},
		{"ended at the skew", fmt.Sprintf(`"exp":%d`, at(-60*time.Second)), false},
		{"ended", fmt.Sprintf(`"exp":%d`, at(-time.Hour)), false},
		{"with a fraction", fmt.Sprintf(`"exp":%d.5`, at(time.Minute)), true},
		{"with an exponent", fmt.Sprintf(`"exp":%de1`, at(10*time.Second)/10), true},
		{"missing", `"x":1`, false},
		{"null", `"exp":null`, false},
		{"a text", fmt.Sprintf(`"exp":"%d"`, at(time.Hour)), false},
		{"true", `"exp":true`, false},
		{"a list", fmt.Sprintf(`"exp":[%d]`, at(time.Hour)), false},
		{"1.5", `"exp":1.5`, false},
		{"zero", `"exp":0`, false},
		{"-1", `"exp":-1`, false},
		{"1e30", `"exp":1e30`, false},
		{"1e400", `"exp":1e400`, false},
		{"2^63", `"exp":9223372036854775808`, false},
		{"-2^63", `"exp":-9223372036854775808`, false},
		{"the year 9999", `"exp":253402300799`, false},
		{"two years", fmt.Sprintf(`"exp":%d`, at(2*366*24*time.Hour)), false},
		{"nbf ahead within the skew", fmt.Sprintf(`"exp":%d,"nbf":%d`, at(time.Hour), at(time.Minute)), true},
		{"nbf ahead", fmt.Sprintf(`"exp":%d,"nbf":%d`, at(time.Hour), at(61*time.Second)), false},
		{"nbf as a text", fmt.Sprintf(`"exp":%d,"nbf":"0"`, at(time.Hour)), false},
		{"nbf null", fmt.Sprintf(`"exp":%d,"nbf":null`, at(time.Hour)), false},
		{"nbf -1", fmt.Sprintf(`"exp":%d,"nbf":-1`, at(time.Hour)), false},
		{"nbf 1e30", fmt.Sprintf(`"exp":%d,"nbf":1e30`, at(time.Hour)), false},
		{"iat ahead within the skew", fmt.Sprintf(`"exp":%d,"iat":%d`, at(time.Hour), at(time.Minute)), true},
		{"iat ahead", fmt.Sprintf(`"exp":%d,"iat":%d`, at(time.Hour), at(61*time.Second)), false},
		{"iat as a text", fmt.Sprintf(`"exp":%d,"iat":"0"`, at(time.Hour)), false},
		{"a long life from iat", fmt.Sprintf(`"exp":%d,"iat":%d`, at(time.Hour), at(-367*24*time.Hour)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := `{"iss":"` + theirURL + `","sub":"ada","aud":"` + ourURL + `",` + tt.claims + `}`
			tok := signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, payload)
			v := jwtVerifier()
			id, err := present(v, tok)
			if !tt.ok {
				refusedAny(t, v, tok)
				return
			}
			if err != nil || id.Expires.IsZero() {
				t.Fatalf("got %v, %v, want it accepted, with an end", id, err)
			}
			if again, err := present(v, tok); err != nil || !again.Expires.Equal(id.Expires) {
				t.Errorf("from the cache: got %v, %v", again, err)
			}
		})
	}
}

func TestA042MaxLifeAndLeewayAreKept(t *testing.T) {
	short := func(v *gatehouse.JWTVerifier) { v.MaxLife = 10 * time.Minute }
	for _, tt := range []struct {
		claims obj
		ok     bool
	}{
		{obj{}, true},
		{obj{"exp": noon.Add(10*time.Minute + time.Second).Unix()}, false},
		{obj{"iat": gone}, true},
		{obj{"iat": gone, "exp": noon.Add(10*time.Minute + time.Second).Unix()}, false},
	} {
		id, err := present(jwtVerifier(short), mint(claimsWith(tt.claims)))
		if !tt.ok {
			refusedAs(t, id, err, "GH-1109")
		} else if err != nil {
			t.Error(err)
		}
	}
	none := func(v *gatehouse.JWTVerifier) { v.Leeway = -1 }
	id, err := present(jwtVerifier(none), mint(claimsWith(obj{"exp": noon.Unix()})))
	refusedAs(t, id, err, "GH-1109")
	id, err = present(jwtVerifier(none), mint(claimsWith(obj{"nbf": noon.Add(time.Second).Unix()})))
	refusedAs(t, id, err, "GH-1109")
	some := func(v *gatehouse.JWTVerifier) { v.Leeway = 5 * time.Second }
	id, err = present(jwtVerifier(some), mint(claimsWith(obj{"exp": noon.Add(-5 * time.Second).Unix()})))
	refusedAs(t, id, err, "GH-1109")
}

// A token that does not say when it was issued passes MaxLife near its end,
// however long it has lived.
func TestA042ATokenWithoutItsBeginning(t *testing.T) {
	old := mint(claimsWith(obj{"iat": gone}))
	short := func(v *gatehouse.JWTVerifier) { v.MaxLife = 10 * time.Minute }
	if _, err := present(jwtVerifier(short), old); err != nil {
		t.Error(err)
	}
	dated := func(v *gatehouse.JWTVerifier) { v.RequireIssued = true }
	for _, how := range []func(*gatehouse.JWTVerifier){dated, func(v *gatehouse.JWTVerifier) { short(v); dated(v) }} {
		id, err := present(jwtVerifier(how), old)
		refusedAs(t, id, err, "GH-1109")
		if _, err := present(jwtVerifier(how), mint(claimsWith(obj{}))); err != nil {
			t.Errorf("with iat: %v", err)
		}
	}
	found, _, err := jwtVerifier(dated).Explain(t.Context(), &gatehouse.Credential{Text: old})
	if i := slices.IndexFunc(found, func(f gatehouse.Finding) bool { return f.Check == "time" }); err != nil || i < 0 || found[i].Code != "GH-1109" {
		t.Errorf("got %+v, %v, want the explanation to say the same", found, err)
	}
}

func TestA051EmptyConfigurationsAcceptNobody(t *testing.T) {
	for field, v := range map[string]*gatehouse.JWTVerifier{
		"Issuer":                   {},
		"Issuer ":                  {Audience: ourURL, Keys: issuerKeys()},
		"Issuer  ":                 {Issuer: theirURL, AlsoIssuers: []string{""}, Audience: ourURL, Keys: issuerKeys()},
		"Keys":                     {Issuer: theirURL, Audience: ourURL},
		"Audience":                 {Issuer: theirURL, Keys: issuerKeys()},
		"Audience ":                {Issuer: theirURL, Keys: issuerKeys(), Audiences: []string{"x"}},
		"Audiences":                jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Audiences = []string{""} }),
		"Clients":                  {Issuer: theirURL, Keys: issuerKeys(), InsecureNoAudience: true},
		"Clients ":                 jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Clients = []string{""} }),
		"Clients  ":                jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Clients = []string{"a", "*"} }),
		"InsecureNoAudience ":      {Issuer: theirURL, Keys: issuerKeys(), InsecureNoAudience: true, Clients: []string{"a"}, Audiences: []string{"x"}},
		"Keys: ":                   jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = keysUnset{issuerKeys()} }),
		"InsecureNoAudience":       jwtVerifier(func(v *gatehouse.JWTVerifier) { v.InsecureNoAudience, v.Clients = true, []string{"a"} }),
		"Algorithms":               jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Algorithms = []string{} }),
		"Algorithms has \"HS256\"": jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Algorithms = []string{"RS256", "HS256"} }),
		"Algorithms has \"none\"":  jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Algorithms = []string{"none"} }),
		"Types":                    jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Types = []string{} }),
		"Types has \"dpop+jwt\"":   jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Types = []string{"JWT", "application/DPoP+jwt"} }),
		"Leeway":                   jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Leeway = 61 * time.Second }),
		"MaxLife":                  jwtVerifier(func(v *gatehouse.JWTVerifier) { v.MaxLife = -1 }),
		"MaxToken":                 jwtVerifier(func(v *gatehouse.JWTVerifier) { v.MaxToken = -1 }),
		"Reject":                   jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Reject = []gatehouse.ClaimRule{{}} }),
		"Require":                  jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Require = []gatehouse.ClaimRule{{Equals: "x"}} }),
		"Claims.Service":           jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Claims.Service = []gatehouse.ClaimRule{{}} }),
		"Claims.Tenant":            jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Claims.Tenant = []string{"="} }),
		"Claims.Subject":           jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Claims.Subject = []string{""} }),
		"Claims.Roles":             jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Claims.Roles = []string{"a..b"} }),
		"DPoP.Algorithms":          jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Algorithms: []string{}} }),
		"DPoP.Algorithms has":      jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Algorithms: []string{"HS256"}} }),
		"DPoP.Window":              jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Window: time.Hour} }),
		"DPoP.Window ":             jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Window: -1} }),
		"DPoP.NonceKey": jwtVerifier(func(v *gatehouse.JWTVerifier) {
			v.DPoP = &gatehouse.DPoP{RequireNonce: true, NonceKey: []byte("short")}
		}),
	} {
		t.Run(field, func(t *testing.T) {
			want := "JWTVerifier." + strings.TrimRight(field, " ")
			if err := v.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v, want %s named", err, want)
			}
			if id, err := present(v, mint(claimsWith())); err == nil || id != nil {
				t.Errorf("such a verifier accepted a token: %v", id)
			}
		})
	}
	if err := jwtVerifier().Check(); err != nil {
		t.Errorf("got %v for a whole configuration", err)
	}
}

func TestClientsAndRulesAreKept(t *testing.T) {
	list := func(names ...string) *gatehouse.JWTVerifier {
		return jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Clients = names })
	}
	for _, tt := range []struct {
		v      *gatehouse.JWTVerifier
		claims obj
		code   string
	}{
		{list("app"), obj{}, ""}, {list("*"), obj{}, ""}, {list("*"), obj{"client_id": gone}, ""},
		{list("other"), obj{}, "GH-1112"}, {list("APP"), obj{}, "GH-1112"}, {list("app"), obj{"client_id": gone}, "GH-1112"},
		{list("app"), obj{"client_id": []string{"app"}}, "GH-1117"},
	} {
		id, err := present(tt.v, mint(claimsWith(tt.claims)))
		if tt.code != "" {
			refusedAs(t, id, err, tt.code)
		} else if err != nil {
			t.Error(err)
		}
	}
	rules := jwtVerifier(func(v *gatehouse.JWTVerifier) {
		v.Reject = []gatehouse.ClaimRule{{Claim: "gty", Equals: "password"}, {Claim: "anonymous", Equals: "true"}}
		v.Require = []gatehouse.ClaimRule{{Claim: "amr", Equals: "mfa"}, {Claim: "org.id"}}
	})
	fine := obj{"amr": []string{"pwd", "mfa"}, "org": obj{"id": 7}}
	for _, tt := range []struct {
		claims obj
		ok     bool
	}{
		{obj{}, true}, {obj{"gty": "client-credentials", "anonymous": false}, true},
		{obj{"gty": "password"}, false}, {obj{"gty": []string{"x", "password"}}, false}, {obj{"anonymous": true}, false},
		{obj{"amr": []string{"pwd"}}, false}, {obj{"amr": gone}, false}, {obj{"org": obj{"id": nil}}, false}, {obj{"org": "id"}, false},
	} {
		id, err := present(rules, mint(claimsWith(fine, tt.claims)))
		if !tt.ok {
			refusedAs(t, id, err, "GH-1113")
		} else if err != nil {
			t.Errorf("%v: %v", tt.claims, err)
		}
	}
	noAudience := &gatehouse.JWTVerifier{
		Issuer: theirURL, InsecureNoAudience: true, Clients: []string{"app"}, Keys: issuerKeys(), Now: func() time.Time { return noon },
	}
	for _, aud := range []any{gone, "anything"} {
		if _, err := present(noAudience, mint(claimsWith(obj{"aud": aud}))); err != nil {
			t.Errorf("aud %v: got %v, want it unread", aud, err)
		}
	}
}

// keysUnset are keys whose configuration is wrong.
type keysUnset struct{ fixedKeys }

func (keysUnset) Check() error { return errors.New("they come from nowhere") }

// The identity of a token is JSON that others read: it must be what was signed.
func TestClaimsAreTheSignedBytes(t *testing.T) {
	payload := jsonOf(claimsWith(obj{"n": json.Number("1.50")}))
	id, err := present(jwtVerifier(), signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, payload))
	if err != nil || string(id.Claims) != payload {
		t.Errorf("got %s, %v, want %s", id.Claims, err, payload)
	}
}
