package gatehouse_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestA054TokensBoundToACertificate(t *testing.T) {
	der, stranger := []byte("the certificate"), []byte("another")
	sum := sha256.Sum256(der)
	cnf := obj{"x5t#S256": b64url.EncodeToString(sum[:])}
	key := signers()["ec"]
	must := func(v *gatehouse.JWTVerifier) { v.RequireMTLS = true }
	tok := mint(claimsWith(obj{"cnf": cnf}))
	both := mint(claimsWith(obj{"cnf": obj{"jkt": thumbprint(key), "x5t#S256": cnf["x5t#S256"]}}))
	for name, tt := range map[string]struct {
		v    *gatehouse.JWTVerifier
		c    gatehouse.Credential
		code string
	}{
		"its certificate":              {jwtVerifier(), gatehouse.Credential{Text: tok, Certificate: der}, ""},
		"its certificate, required":    {jwtVerifier(must), gatehouse.Credential{Scheme: "Bearer", Text: tok, Certificate: der}, ""},
		"no certificate":               {jwtVerifier(), gatehouse.Credential{Text: tok}, "GH-1116"},
		"another certificate":          {jwtVerifier(), gatehouse.Credential{Text: tok, Certificate: stranger}, "GH-1116"},
		"a free token, required":       {jwtVerifier(must), gatehouse.Credential{Text: mint(claimsWith()), Certificate: der}, "GH-1116"},
		"both, certificate alone":      {jwtVerifier(), gatehouse.Credential{Text: both, Certificate: der}, "GH-1116"},
		"both, key alone":              {jwtVerifier(), *withProof(both, prove(key, "ES256", both, nil, nil)), "GH-1116"},
		"as DPoP":                      {jwtVerifier(), gatehouse.Credential{Scheme: "DPoP", Text: tok, Certificate: der}, "GH-1116"},
		"a key where a cert is wanted": {jwtVerifier(must), *withProof(bound(key), prove(key, "ES256", bound(key), nil, nil)), "GH-1116"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				id, err := tt.v.Verify(t.Context(), &tt.c)
				if tt.code != "" {
					refusedAs(t, id, err, tt.code)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	c := withProof(both, prove(key, "ES256", both, nil, nil))
	c.Certificate = der
	if _, err := jwtVerifier().Verify(t.Context(), c); err != nil {
		t.Errorf("bound to both, with both: %v", errors.Unwrap(err))
	}
}

// A refusal that a key set keeps and returns again stays as it is.
func TestA054ARefusalOfOthersIsNotChanged(t *testing.T) {
	kept := gatehouse.Refuse("GH-9999", "x", errors.New("y"))
	v := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.Keys, v.RequireDPoP = keysAway{kept}, true })
	_, err := present(v, mint(claimsWith()))
	var e *gatehouse.Error
	if !errors.As(err, &e) || e.Code != "GH-9999" || e.Challenge.Scheme != "DPoP" || kept.Challenge.Scheme != "" {
		t.Errorf("got %v with %s, and the kept one with %s", err, e.Challenge, kept.Challenge)
	}
}

// CheckBinding is for those who keep identities of verified tokens themselves.
func TestA054ABindingCanBeJudgedAlone(t *testing.T) {
	key := signers()["ec"]
	tok := bound(key)
	id, err := jwtVerifier().Verify(t.Context(), withProof(tok, prove(key, "ES256", tok, nil, nil)))
	if err != nil {
		t.Fatal(err)
	}
	v := jwtVerifier()
	if err := v.CheckBinding(t.Context(), withProof(tok, prove(key, "ES256", tok, nil, nil)), id); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]*gatehouse.Credential{
		"no proof": withProof(tok), "as Bearer": {Scheme: "Bearer", Text: tok},
		"for another token": withProof(mint(claimsWith()), prove(key, "ES256", tok, nil, nil)),
	} {
		if err := v.CheckBinding(t.Context(), c, id); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
	escaped := *id
	escaped.Claims = []byte(strings.Replace(string(id.Claims), `"cnf"`, `"\u0063nf"`, 1))
	if err := v.CheckBinding(t.Context(), &gatehouse.Credential{Text: tok}, &escaped); err == nil {
		t.Error("a binding that is written with an escape was passed over")
	}
	for _, claims := range []string{`{"cnf":1}`, `{"cnf"`, `{"cnf":{"jkt":"a"},"cnf":{}}`} {
		escaped.Claims = []byte(claims)
		if err := v.CheckBinding(t.Context(), &gatehouse.Credential{Text: tok}, &escaped); err == nil {
			t.Errorf("%s was passed over", claims)
		}
	}
	if err := (&gatehouse.JWTVerifier{}).CheckBinding(t.Context(), &gatehouse.Credential{}, id); err == nil {
		t.Error("an empty verifier judged a binding")
	}
}
