package gatehouse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse"
)

// corpus are tokens of many kinds, good and bad.
func corpus() []string {
	key := signers()["ec"]
	return []string{
		mint(claimsWith()), mint(claimsWith(obj{"aud": []string{ourURL, "x"}})), mint(claimsWith(obj{"exp": "x"})), mint(claimsWith(obj{"sub": gone})),
		mint(claimsWith(), obj{"alg": "RS256", "kid": "rsa"}), mint(claimsWith(), obj{"alg": "EdDSA", "kid": "ed"}), mint(claimsWith(), obj{"alg": "none"}),
		mint(claimsWith(), obj{"kid": gone}), mint(claimsWith(), obj{"typ": "JWT"}), mint(claimsWith(obj{"nonce": "x"})), bound(key),
		mint(claimsWith(obj{"cnf": obj{"x5t#S256": thumbprint(key)}})), mint(claimsWith(obj{"act": obj{"sub": "x"}, "roles": []string{"a"}})),
		signRaw(key, "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, `{"sub":"a","sub":"b"}`), "", "..", "a.b.c", "eyJhbGciOiJub25lIn0..", "eyJ.eyJ.a.b.c",
	}
}

// FuzzJWT looks for texts that are accepted and were not signed, and for panics.
func FuzzJWT(f *testing.F) {
	for _, tok := range corpus() {
		f.Add(tok)
	}
	v := jwtVerifier()
	f.Fuzz(func(t *testing.T, tok string) {
		id, err := present(v, tok)
		again, errAgain := present(v, tok)
		if (err == nil) != (errAgain == nil) || id != again && err == nil {
			t.Fatalf("got %v, then %v", err, errAgain)
		}
		if err == nil {
			if parts := strings.Split(tok, "."); len(parts) != 3 || id == nil || id.Subject == "" || id.Expires.IsZero() {
				t.Fatalf("%q was accepted as %+v", tok, id)
			}
			return
		}
		var e *gatehouse.Error
		if id != nil || !errors.As(err, &e) || e.Status != 401 {
			t.Fatalf("%q: got %v, %v", tok, id, err)
		}
		if _, _, err := v.Explain(context.Background(), &gatehouse.Credential{Text: tok}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzJWTParts signs whatever header and payload are tried, so that what is
// behind the signature is reached.
func FuzzJWTParts(f *testing.F) {
	head := `{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`
	f.Add(head, jsonOf(claimsWith()))
	f.Add(head, jsonOf(claimsWith(obj{"cnf": obj{"jkt": "x"}, "nbf": 1.5, "act": obj{"sub": "b"}})))
	f.Add(`{"alg":"EdDSA","typ":"application/at+jwt"}`, `{"iss":"`+theirURL+`","aud":["`+ourURL+`"],"sub":"ada","exp":1795783000}`)
	f.Add(`{"alg":"EdDSA","crit":[],"kid":"ed"}`, `{"Iss":1}`)
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.CacheSize = -1 })
	f.Fuzz(func(t *testing.T, header, payload string) {
		id, err := present(v, signRaw(signers()["ed"], "EdDSA", header, payload))
		if err != nil {
			return
		}
		// What was accepted must say to a lenient reader what we have read.
		var lenient struct {
			Iss, Sub string
			Aud      any
			Exp      float64
		}
		if err := json.Unmarshal([]byte(payload), &lenient); err != nil {
			t.Fatalf("%s was accepted, and is not JSON to others: %v", payload, err)
		}
		one, _ := lenient.Aud.(string)
		list, _ := lenient.Aud.([]any)
		if lenient.Iss != theirURL || lenient.Sub != id.Subject || lenient.Exp+60 < float64(noon.Unix()) ||
			strings.TrimSuffix(one, "/") != ourURL && !slices.Contains(list, any(ourURL)) && !slices.Contains(list, any(ourURL+"/")) {
			t.Fatalf("%s was accepted as %+v", payload, id)
		}
	})
}

// FuzzClaimMap looks for identities that are out of bounds or contradict their claims.
func FuzzClaimMap(f *testing.F) {
	f.Add(`{"sub":"ada","scope":"a b","roles":["x"],"org":{"a":{"id":1}},"email":"a@b.c","email_verified":true}`, "org.*.id", "roles", "{sub}.x")
	f.Add(`{"sub":1,"scope":["a"],"access":{"x":{"roles":[{"value":"y"}]}}}`, "sub", "access.*.roles", "*")
	f.Add(`{"sub":"a","act":{"sub":"b","act":{"sub":"c"}}}`, "act.sub", "act.*", "*.*")
	f.Fuzz(func(t *testing.T, claims, tenant, roles, groups string) {
		m := gatehouse.ClaimMap{
			Tenant: []string{tenant}, Roles: []string{roles}, Groups: []string{groups}, Drop: []string{"x*"}, Email: []string{"email"}, Name: []string{"name"},
			GroupsOmitted: []string{groups + ".omitted"}, ScopePrefix: []string{"a"},
		}
		id, err := m.Identity([]byte(claims))
		if err != nil {
			if id != nil {
				t.Fatal("an identity beside an error")
			}
			return
		}
		if id.Subject == "" || len(id.Subject) > 512 || !utf8.ValidString(id.Subject) || !json.Valid(id.Claims) {
			t.Fatalf("got %+v", id)
		}
		for _, list := range [][]string{id.Scopes, id.Roles, id.Groups, id.Actor} {
			if len(list) > 1024 {
				t.Fatalf("got %d rights", len(list))
			}
			for _, s := range list {
				if s == "" || len(s) > 2048 || strings.ContainsAny(s, "\r\n\x00\x1b") {
					t.Fatalf("got the right %q", s)
				}
			}
		}
		for _, s := range id.Roles {
			if strings.HasPrefix(s, "x") {
				t.Fatalf("%q was to be dropped", s)
			}
		}
		if id.GroupsOmitted && id.Groups != nil {
			t.Fatal("a part of the groups beside the mark that there are more")
		}
		if id.Email != "" && !bytes.Contains(id.Claims, []byte("true")) {
			t.Fatal("an address that nobody says is verified")
		}
	})
}

// FuzzDPoPProof signs whatever proof is tried.
func FuzzDPoPProof(f *testing.F) {
	key := signers()["ed"]
	tok := mint(claimsWith(obj{"cnf": obj{"jkt": thumbprint(key)}}))
	head := jsonOf(obj{"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwkOf(key)})
	f.Add(head, jsonOf(obj{"jti": "1", "htm": "POST", "htu": ourURL, "iat": noon.Unix(), "ath": athOf(tok)}), ourURL)
	f.Add(head, `{"jti":"1","htm":"POST","htu":"https://x/../%2f","iat":1}`, "https://mcp.example.com/%6dcp/.")
	f.Add(`{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"oct","k":"AA"}}`, `{}`, "")
	f.Fuzz(func(t *testing.T, header, payload, url string) {
		c := withProof(tok, signRaw(key, "EdDSA", header, payload))
		c.URL = url
		if _, err := jwtVerifier().Verify(context.Background(), c); err != nil {
			return
		}
		var p struct{ Jti, Htm, Htu, Ath string }
		if err := json.Unmarshal([]byte(payload), &p); err != nil || p.Jti == "" || p.Htm != "POST" || p.Ath != athOf(tok) || p.Htu == "" {
			t.Fatalf("%s was accepted", payload)
		}
	})
}
