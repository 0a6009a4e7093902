package gatehouse_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// jwkOf returns a public key as a JWK. RFC 7518 §6, RFC 8037 §2
func jwkOf(key crypto.Signer) obj {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return obj{"kty": "RSA", "n": b64url.EncodeToString(k.N.Bytes()), "e": b64url.EncodeToString(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		n := len(point) / 2
		return obj{"kty": "EC", "crv": k.Curve.Params().Name, "x": b64url.EncodeToString(point[1 : 1+n]), "y": b64url.EncodeToString(point[1+n:])}
	case ed25519.PublicKey:
		return obj{"kty": "OKP", "crv": "Ed25519", "x": b64url.EncodeToString(k)}
	}
	panic("no such key")
}

// thumbprint is what a token names a key by: the JWK's required members in
// the order of their names. RFC 7638 §3
func thumbprint(key crypto.Signer) string {
	sum := sha256.Sum256([]byte(jsonOf(jwkOf(key)))) // encoding/json sorts, and there are no others
	return b64url.EncodeToString(sum[:])
}

func athOf(tok string) string {
	sum := sha256.Sum256([]byte(tok))
	return b64url.EncodeToString(sum[:])
}

var proofCount atomic.Int64

// prove makes a proof for a token by a key, changed as asked.
func prove(key crypto.Signer, alg, tok string, claims, header obj) string {
	h := obj{"typ": "dpop+jwt", "alg": alg, "jwk": jwkOf(key)}
	maps.Copy(h, header)
	c := obj{"jti": fmt.Sprint("p", proofCount.Add(1)), "htm": "POST", "htu": ourURL, "iat": noon.Unix(), "ath": athOf(tok)}
	maps.Copy(c, claims)
	for _, x := range []obj{h, c} {
		maps.DeleteFunc(x, func(_ string, v any) bool { return v == gone })
	}
	return signRaw(key, alg, jsonOf(h), jsonOf(c))
}

// bound returns a token that is bound to a key.
func bound(key crypto.Signer) string {
	return mint(claimsWith(obj{"cnf": obj{"jkt": thumbprint(key)}}))
}

func withProof(tok string, proofs ...string) *gatehouse.Credential {
	return &gatehouse.Credential{Scheme: "DPoP", Text: tok, Proofs: proofs, Method: "POST", URL: ourURL}
}

func TestA054ABoundTokenIsAcceptedWithItsProof(t *testing.T) {
	for _, k := range []struct{ key, alg string }{{"ec", "ES256"}, {"rsa", "RS256"}, {"rsa", "PS256"}, {"ed", "EdDSA"}, {"ec384", "ES384"}, {"ec521", "ES512"}} {
		key, v := signers()[k.key], jwtVerifier()
		tok := bound(key)
		for range 2 { // the second time from the cache
			id, err := v.Verify(t.Context(), withProof(tok, prove(key, k.alg, tok, nil, nil)))
			if err != nil || id.Subject != "ada" {
				t.Errorf("%s: got %v, %v", k.alg, id, errors.Unwrap(err))
			}
		}
		c := withProof(tok, prove(key, k.alg, tok, obj{"htu": "HTTPS://MCP.example.com:443/mcp?x=1#y"}, nil))
		if _, err := v.Verify(t.Context(), c); err != nil {
			t.Errorf("%s: an equivalent htu: %v", k.alg, errors.Unwrap(err))
		}
	}
}

// misfit is what does not prove anything, and the code of its refusal.
type misfit struct {
	proofs []string
	code   string
}

// misfitting are proofs that are not what a proof has to be.
func misfitting(key crypto.Signer, tok string) map[string]misfit {
	secretly := func(member string) obj {
		k := jwkOf(key)
		k[member] = "AAAA"
		return k
	}
	p := func(claims, header obj) []string { return []string{prove(key, "ES256", tok, claims, header)} }
	return map[string]misfit{
		"none":                   {nil, "GH-1114"},
		"two":                    {append(p(nil, nil), p(nil, nil)...), "GH-1114"},
		"two in one header":      {[]string{p(nil, nil)[0] + ", " + p(nil, nil)[0]}, "GH-1114"},
		"an empty one":           {[]string{""}, "GH-1114"},
		"nonsense":               {[]string{"x.y.z"}, "GH-1114"},
		"the token itself":       {[]string{tok}, "GH-1114"},
		"a long one":             {p(obj{"x": strings.Repeat("x", 8<<10)}, nil), "GH-1114"},
		"without a method":       {p(obj{"htm": gone}, nil), "GH-1114"},
		"without a URL":          {p(obj{"htu": gone}, nil), "GH-1114"},
		"without ath":            {p(obj{"ath": gone}, nil), "GH-1114"},
		"with an empty ath":      {p(obj{"ath": ""}, nil), "GH-1114"},
		"without iat":            {p(obj{"iat": gone}, nil), "GH-1114"},
		"with iat as a text":     {p(obj{"iat": fmt.Sprint(noon.Unix())}, nil), "GH-1114"},
		"without jti":            {p(obj{"jti": gone}, nil), "GH-1114"},
		"with a long jti":        {p(obj{"jti": strings.Repeat("j", 257)}, nil), "GH-1114"},
		"with an empty jti":      {p(obj{"jti": ""}, nil), "GH-1114"},
		"with a prime":           {p(nil, obj{"jwk": secretly("p")}), "GH-1114"},
		"with a secret of a MAC": {p(nil, obj{"jwk": secretly("k")}), "GH-1114"},
		"with a seed":            {p(nil, obj{"jwk": secretly("priv")}), "GH-1114"},
		"with jti as a number":   {p(obj{"jti": 1}, nil), "GH-1114"},
		"with another typ":       {p(nil, obj{"typ": "JWT"}), "GH-1114"},
		"without typ":            {p(nil, obj{"typ": gone}), "GH-1114"},
		"without a key":          {p(nil, obj{"jwk": gone}), "GH-1114"},
		"with a private key":     {p(nil, obj{"jwk": secretly("d")}), "GH-1114"},
		"with a key of a MAC":    {p(nil, obj{"jwk": obj{"kty": "oct", "k": "AAAA"}}), "GH-1114"},
		"with a key that is odd": {p(nil, obj{"jwk": "key"}), "GH-1114"},
		"with kid instead":       {p(nil, obj{"jwk": gone, "kid": "ec"}), "GH-1114"},
		"with HS256":             {p(nil, obj{"alg": "HS256"}), "GH-1114"},
		"with none":              {p(nil, obj{"alg": "none"}), "GH-1114"},
		"with crit":              {p(nil, obj{"crit": []string{"x"}}), "GH-1114"},
		"with an alg of others":  {p(nil, obj{"alg": "RS256"}), "GH-1114"},
		"with a claim twice":     {[]string{signRaw(key, "ES256", jsonOf(obj{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwkOf(key)}), `{"jti":"a","jti":"b"}`)}, "GH-1114"},
	}
}

// elsewhere are proofs that are for something else.
func elsewhere(key crypto.Signer, tok string) map[string]misfit {
	other := signers()["ec-other"]
	second := mint(claimsWith(obj{"sub": "bob", "cnf": obj{"jkt": thumbprint(key)}}))
	p := func(claims, header obj) []string { return []string{prove(key, "ES256", tok, claims, header)} }
	return map[string]misfit{
		"by another key":        {[]string{prove(other, "ES256", tok, nil, nil)}, "GH-1116"},
		"signed by another key": {[]string{prove(other, "ES256", tok, nil, obj{"jwk": jwkOf(key)})}, "GH-1114"},
		"for another method":    {p(obj{"htm": "GET"}, nil), "GH-1114"},
		"for a method in case":  {p(obj{"htm": "post"}, nil), "GH-1114"},
		"for another URL":       {p(obj{"htu": "https://mcp.example.com/other"}, nil), "GH-1114"},
		"for another host":      {p(obj{"htu": "https://evil.example/mcp"}, nil), "GH-1114"},
		"for plain HTTP":        {p(obj{"htu": "http://mcp.example.com/mcp"}, nil), "GH-1114"},
		"for another token":     {[]string{prove(key, "ES256", second, nil, nil)}, "GH-1114"},
		"an hour old":           {p(obj{"iat": noon.Add(-time.Hour).Unix()}, nil), "GH-1114"},
		"61 s old":              {p(obj{"iat": noon.Add(-61 * time.Second).Unix()}, nil), "GH-1114"},
		"from the future":       {p(obj{"iat": noon.Add(61 * time.Second).Unix()}, nil), "GH-1114"},
	}
}

func TestA054ProofsThatDoNotFit(t *testing.T) {
	key := signers()["ec"]
	tok := bound(key)
	p := func(claims, header obj) []string { return []string{prove(key, "ES256", tok, claims, header)} }
	all := misfitting(key, tok)
	maps.Copy(all, elsewhere(key, tok))
	for name, tt := range all {
		t.Run(name, func(t *testing.T) {
			id, err := jwtVerifier().Verify(t.Context(), withProof(tok, tt.proofs...))
			e := refusedAs(t, id, err, tt.code)
			want := map[string]string{"GH-1114": "invalid_dpop_proof", "GH-1116": "invalid_token"}[tt.code]
			if c := e.Challenge.String(); !strings.HasPrefix(c, "DPoP ") || !strings.Contains(c, `error="`+want+`"`) || !strings.Contains(c, `algs="RS256 `) {
				t.Errorf("got %s", c)
			}
		})
	}
	weak := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.DPoP = &gatehouse.DPoP{Algorithms: []string{"EdDSA"}} })
	id, err := weak.Verify(t.Context(), withProof(tok, p(nil, nil)...))
	refusedAs(t, id, err, "GH-1114")
	for _, c := range []*gatehouse.Credential{
		{Scheme: "DPoP", Text: tok, Proofs: p(nil, nil), URL: ourURL},
		{Scheme: "DPoP", Text: tok, Proofs: p(nil, nil), Method: "POST"},
	} {
		id, err := jwtVerifier().Verify(t.Context(), c)
		refusedAs(t, id, err, "GH-1114")
	}
}

func TestA054TheSchemeAndTheBindingAgree(t *testing.T) {
	key := signers()["ec"]
	tok, free := bound(key), mint(claimsWith())
	must := func(v *gatehouse.JWTVerifier) { v.RequireDPoP = true }
	proof := func(tok string) string { return prove(key, "ES256", tok, nil, nil) }
	with := func(scheme, tok string, proofs ...string) *gatehouse.Credential {
		c := withProof(tok, proofs...)
		c.Scheme = scheme
		return c
	}
	for name, tt := range map[string]struct {
		v    *gatehouse.JWTVerifier
		c    *gatehouse.Credential
		code string
	}{
		"a bound token as Bearer":                {jwtVerifier(), with("Bearer", tok), "GH-1116"},
		"a bound token as Bearer with its proof": {jwtVerifier(), with("Bearer", tok, proof(tok)), "GH-1116"},
		"a bound token without a scheme":         {jwtVerifier(), with("", tok, proof(tok)), "GH-1116"},
		"a free token as DPoP":                   {jwtVerifier(), with("DPoP", free, proof(free)), "GH-1116"},
		"a free token where a bound is asked":    {jwtVerifier(must), with("Bearer", free), "GH-1116"},
		"another scheme":                         {jwtVerifier(), with("Basic", free), "GH-1116"},
		"dpop in lower case":                     {jwtVerifier(must), with("dpop", tok, proof(tok)), ""},
		"a free token as bearer":                 {jwtVerifier(), with("bearer", free), ""},
		"a free token with a proof nobody asked": {jwtVerifier(), with("Bearer", free, "nonsense"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := tt.v.Verify(t.Context(), tt.c)
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := refusedAs(t, id, err, tt.code)
			if e.Challenge.Error != "invalid_token" || (e.Challenge.Scheme == "DPoP") == (tt.c.Scheme == "Basic") {
				t.Errorf("got %s", e.Challenge)
			}
		})
	}
	id, err := jwtVerifier(must).Verify(t.Context(), with("Bearer", mint(claimsWith(obj{"aud": "x"})))) // any refusal asks for a bound one
	if e := refusedAs(t, id, err, "GH-1104"); e.Challenge.Scheme != "DPoP" {
		t.Errorf("got %s", e.Challenge)
	}
}

func TestA054BindingsThatAreNotUnderstood(t *testing.T) {
	key := signers()["ec"]
	for _, cnf := range []any{
		nil, "jkt", obj{}, obj{"jkt": []string{thumbprint(key)}}, obj{"jkt": nil}, obj{"jkt": ""}, obj{"jkt": thumbprint(key)[:42]}, obj{"jkt": thumbprint(key) + "="},
		obj{"jkt": thumbprint(key)[:42] + "B"}, obj{"jkt": 1}, obj{"jwk": jwkOf(key)}, obj{"kid": "ec"}, obj{"jkt": thumbprint(key), "x": 1}, obj{"JKT": thumbprint(key)},
		obj{"x5t#S256": []string{"a"}}, obj{"x5t": "abc"}, []any{},
	} {
		tok := mint(claimsWith(obj{"cnf": cnf}))
		for _, scheme := range []string{"DPoP", "Bearer"} {
			c := withProof(tok, prove(key, "ES256", tok, nil, nil))
			c.Scheme = scheme
			id, err := jwtVerifier().Verify(t.Context(), c)
			refusedAs(t, id, err, "GH-1116")
		}
	}
}
