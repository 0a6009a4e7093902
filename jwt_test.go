package gatehouse_test

import (
	"context"
	"crypto"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestJWTVerifierAcceptsAndTellsWhoItIs(t *testing.T) {
	for _, alg := range []struct{ alg, kid string }{
		{"RS256", "rsa"}, {"RS384", "rsa"}, {"RS512", "rsa"}, {"PS256", "rsa"}, {"PS384", "rsa"}, {"PS512", "rsa"},
		{"ES256", "ec"}, {"ES384", "ec384"}, {"ES512", "ec521"}, {"EdDSA", "ed"},
	} {
		t.Run(alg.alg, func(t *testing.T) {
			claims := claimsWith(obj{"auth_time": noon.Add(-time.Hour).Unix(), "act": obj{"sub": "agent", "act": obj{"sub": "other"}}, "roles": []string{"r"}})
			tok := mint(claims, obj{"alg": alg.alg, "kid": alg.kid})
			v := jwtVerifier()
			id, err := present(v, tok)
			if err != nil {
				t.Fatal(err, errors.Unwrap(err))
			}
			want := &gatehouse.Identity{
				Issuer: theirURL, Subject: "ada", Client: "app", Scopes: []string{"tools:read", "tools:write"}, Roles: []string{"r"}, TokenID: "t1",
				Issued: noon, Expires: noon.Add(10 * time.Minute), SignedIn: noon.Add(-time.Hour), Actor: []string{"agent", "other"},
				Claims: []byte(jsonOf(claims)),
			}
			if !reflect.DeepEqual(id, want) {
				t.Errorf("got %+v, want %+v", id, want)
			}
			again, err := present(v, tok)
			if err != nil || again != id {
				t.Errorf("from the cache: got %v, %v", again, err)
			}
		})
	}
}

func TestJWTVerifierLeavesOthersTokensToOthers(t *testing.T) {
	for name, tt := range map[string]struct{ tok, code string }{
		"another issuer's": {mint(claimsWith(obj{"iss": "https://other.example"})), "GH-1103"},
		"without an iss":   {mint(claimsWith(obj{"iss": gone})), "GH-1103"},
		"an opaque text":   {"oat_1234", "GH-1106"},
		"an API key":       {"gthk_0123456789ab", "GH-1106"},
		"a long text":      {strings.Repeat("x", 20<<10), "GH-1101"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := present(jwtVerifier(), tt.tok)
			if !errors.Is(err, gatehouse.ErrNotMine) {
				t.Errorf("got %v, want ErrNotMine", err)
			}
			refusedAs(t, id, err, tt.code)
		})
	}
	id, err := present(jwtVerifier(), mint(claimsWith(obj{"x": strings.Repeat("x", 20<<10)}))) // long, and a JWT
	if errors.Is(err, gatehouse.ErrNotMine) {
		t.Error("a JWT that is too long is left to others")
	}
	refusedAs(t, id, err, "GH-1101")
	id, err = present(jwtVerifier(), mint(claimsWith(obj{"aud": "https://other"})))
	if errors.Is(err, gatehouse.ErrNotMine) {
		t.Error("what is of this issuer is left to others")
	}
	e := refusedAs(t, id, err, "GH-1104")
	if e.Status != 401 || e.Challenge.Error != "invalid_token" {
		t.Errorf("got %d %s, want 401 invalid_token", e.Status, e.Challenge)
	}
}

func TestJWTVerifierTellsItsOperatorWhatToDo(t *testing.T) {
	for name, tt := range map[string]struct {
		v    *gatehouse.JWTVerifier
		tok  string
		want string
	}{
		"issuer": {jwtVerifier(), mint(claimsWith(obj{"iss": theirURL + "/"})),
			`iss "https://idp.example.com/" ≠ configured "https://idp.example.com": only the final "/" differs. It is compared exactly`},
		"audience": {jwtVerifier(), mint(claimsWith(obj{"aud": "https://mcp.example.com/"})),
			`aud "https://mcp.example.com/" ≠ this server's resource "https://mcp.example.com/mcp" (alike as far as "https://mcp.example.com/")`},
		"no audience": {jwtVerifier(), mint(claimsWith(obj{"aud": gone})),
			`the token has no aud, so it may be for anybody; expected is this server's resource "https://mcp.example.com/mcp". The client has to ask with resource=, and the issuer to put it in`},
		"algorithm": {jwtVerifier(), mint(claimsWith(), obj{"alg": "HS256"}),
			`alg "HS256" is not accepted: anyone who knows the shared secret could mint tokens; have the issuer use asymmetric signing keys (accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA)`},
		"JWE":      {jwtVerifier(), "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc", `the token is not a signed JWT: it is encrypted (5 parts, a JWE)`},
		"ID token": {jwtVerifier(), mint(claimsWith(obj{"token_use": "id"})), `this is an ID token (token_use=id). Send the access token`},
		"time": {jwtVerifier(), mint(claimsWith(obj{"exp": noon.Add(-4 * time.Minute).Unix()})),
			`expired 4 minutes ago (exp 2026-11-27T11:56:00Z, our clock 2026-11-27T12:00:00Z, skew allowed 1m0s)`},
		"no issuer":       {jwtVerifier(), mint(claimsWith(obj{"iss": gone})), `the token has no "iss", so nobody can tell whose it is`},
		"a known type":    {jwtVerifier(), mint(claimsWith(), obj{"typ": "dpop+jwt"}), `this is a DPoP proof (typ is dpop+jwt). Send the access token`},
		"no client":       {jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Clients = []string{"a"} }), mint(claimsWith(obj{"client_id": gone})), `the token names no client, and only some are accepted (Clients)`},
		"no certificate":  {jwtVerifier(), mint(claimsWith(obj{"cnf": obj{"x5t#S256": thumbprint(signers()["ec"])}})), `the token is bound to a client certificate (` + thumbprint(signers()["ec"]) + `), and the request came without one`},
		"a serialization": {jwtVerifier(), `{"payload":"e30"}`, `the token is not a signed JWT: it is in the JSON serialization, and only the compact one is accepted`},
		"key":             {jwtVerifier(), mint(claimsWith(), obj{"kid": "k9"}), `key "k9": the issuer has published no such key: kids rsa, ec, ed; fetched 4 s ago`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := present(tt.v, tt.tok)
			var e *gatehouse.Error
			if !errors.As(err, &e) || e.Cause == nil || e.Cause.Error() != tt.want {
				t.Errorf("got %v\nwant %s", errors.Unwrap(e), tt.want)
			}
		})
	}
}

func TestJWTVerifierPassesOnThatKeysCannotBeHad(t *testing.T) {
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = keysAway{errors.New("DNS timeout")} })
	id, err := present(v, mint(claimsWith()))
	if e := refusedAs(t, id, err, "GH-1111"); e.Status != 503 || e.Challenge != nil {
		t.Errorf("got %d, want 503 without a challenge", e.Status)
	}
	own := &gatehouse.Error{Code: "GH-1111", Status: 503, Description: "x", Cause: errors.New("y")}
	v = jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys = keysAway{own} })
	if _, err := present(v, mint(claimsWith())); err != error(own) {
		t.Errorf("got %v, want the refusal of the keys", err)
	}
}

type keysAway struct{ err error }

func (f keysAway) Keys(context.Context, string, string) ([]crypto.PublicKey, error) {
	return nil, f.err
}
