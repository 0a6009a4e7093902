package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func TestATokenIsVerifiedOnce(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Scope: "read", Exp: h.clock().Unix() + 3600})
	one := h.in(t, text)
	if one.TenantName != "default" || one.Tenant == "" || one.IssuerName != "acme-idp" || one.ID != acmeIDP+" ada" {
		t.Errorf("got %+v", one)
	}
	for range 100 {
		if again := h.in(t, text); again != one {
			t.Fatal("another answer for the same token")
		}
	}
	if n := h.acme.calls.Load(); n != 1 {
		t.Errorf("verified %d times, want once", n)
	}
	h.pass(11 * time.Minute) // its key may have been withdrawn
	if again := h.in(t, text); again != one || h.acme.calls.Load() != 2 {
		t.Errorf("verified %d times after eleven minutes, want twice; the same right: %v", h.acme.calls.Load(), again == one)
	}
	h.acme.set(func() { h.acme.err = gatehouse.Refuse("GH-1110", "no such key", nil) })
	watched, stop := h.v.Watch(t.Context(), one)
	defer stop(nil)
	h.pass(11 * time.Minute)
	h.out(t, text, "GH-1110")
	wantCode(t, context.Cause(watched), "GH-1110")
}

// A048: nothing but the whole token finds what is remembered of it, and what is
// remembered dies with the token.
func TestA048OnlyTheWholeTokenIsRemembered(t *testing.T) {
	h := newHouse(t)
	exp := h.clock().Unix() + 3600
	good := jwt(t, claims{Jti: "1", Scope: "foo", Exp: exp})
	h.in(t, good)
	h.out(t, strings.TrimSuffix(good, "good")+"evil", "GH-1102")       // all but the signature
	h.out(t, good[:len(good)-1], "GH-1102")                            // a prefix
	h.out(t, good+"\n", "GH-1102")                                     // a suffix that text functions drop
	other := h.in(t, jwt(t, claims{Jti: "1", Scope: "bar", Exp: exp})) // the same jti, kid and beginning
	if got := other.Scopes; len(got) != 1 || got[0] != "bar" {
		t.Errorf("got scopes %v, want those of the token itself", got)
	}
	foreign := h.in(t, jwt(t, claims{Iss: boltIDP, Jti: "1", Scope: "foo", Exp: exp}))
	if foreign.Issuer != boltIDP || h.bolt.calls.Load() != 1 {
		t.Errorf("got %s after %d questions, want another issuer's own verdict", foreign.Issuer, h.bolt.calls.Load())
	}
	// Another server has another memory: there the audience may be another.
	elsewhere := h.verifier(t, func(v *token.Verifier) {
		v.Issuers[0].Verifier = &provider{err: gatehouse.Refuse("GH-1104", "audience", nil)}
	})
	_, err := elsewhere.Verify(t.Context(), &gatehouse.Credential{Text: good})
	wantCode(t, err, "GH-1104")

	for name, text := range map[string]string{"without iat": good, "with iat": jwt(t, claims{Iat: exp - 3600, Exp: exp})} {
		h.at(time.Unix(exp-1, 0))
		h.in(t, text)
		before := h.acme.calls.Load()
		h.at(time.Unix(exp, 0)) // within the leeway its verifier decides, each time
		h.in(t, text)
		h.in(t, text)
		if n := h.acme.calls.Load() - before; n != 2 {
			t.Errorf("%s: remembered beyond exp: asked %d times, want 2", name, n)
		}
		h.at(time.Unix(exp+60, 0))
		h.out(t, text, "GH-1109")
	}
}

// A048: a token that is bound to its sender is not let in by what is remembered
// of it, but by a proof.
func TestA048BoundTokensNeedTheirProofEachTime(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Cnf: "x", Exp: h.clock().Unix() + 3600})
	proved := &gatehouse.Credential{Scheme: "DPoP", Text: text, Proofs: []string{"p"}}
	for range 3 {
		_, err := h.v.Verify(t.Context(), proved)
		must(t, err)
	}
	if n := h.acme.calls.Load(); n != 3 {
		t.Errorf("verified %d times, want three times", n)
	}
	h.out(t, text, "GH-1116")

	// With something that judges the proof alone, the token itself is remembered.
	proofs, calls := 0, h.acme.calls.Load()
	h.v = h.verifier(t, func(v *token.Verifier) {
		v.Issuers[0].Bound = func(_ context.Context, c *gatehouse.Credential, id *gatehouse.Identity) error {
			proofs++
			if len(c.Proofs) == 0 || id.Subject != "ada" {
				return gatehouse.Refuse("GH-1114", "no proof", nil)
			}
			return nil
		}
	})
	for range 3 {
		_, err := h.v.Verify(t.Context(), proved)
		must(t, err)
	}
	if n := h.acme.calls.Load() - calls; n != 1 || proofs != 2 {
		t.Errorf("got %d verifications and %d proofs, want 1 and 2", n, proofs)
	}
	h.out(t, text, "GH-1114")
	// A token that is not bound, presented as if it were: its verifier decides.
	plain := jwt(t, claims{Exp: h.clock().Unix() + 3600})
	h.in(t, plain)
	before := h.acme.calls.Load()
	_, _ = h.v.Verify(t.Context(), &gatehouse.Credential{Scheme: "DPoP", Text: plain, Proofs: []string{"p"}})
	if h.acme.calls.Load() == before {
		t.Error("the memory let in what was presented with a proof")
	}
}

// Whoever only has the text of a bound token cannot use it, and cannot end what
// its owner has open either. Nor does the owner who is told to use a new nonce.
func TestAProofThatIsRefusedEndsNothing(t *testing.T) {
	for _, code := range []string{"GH-1114", "GH-1115", "GH-1116"} {
		h := newHouse(t)
		h.v = h.verifier(t, func(v *token.Verifier) {
			v.Issuers[0].Bound = func(context.Context, *gatehouse.Credential, *gatehouse.Identity) error { return nil }
		})
		proved := &gatehouse.Credential{Scheme: "DPoP", Text: jwt(t, claims{Cnf: "x", Exp: h.clock().Unix() + 3600}), Proofs: []string{"p"}}
		a, err := h.v.Verify(t.Context(), proved)
		must(t, err)
		watched, stop := h.v.Watch(t.Context(), a)
		defer stop(nil)
		h.pass(11 * time.Minute) // its issuer's word is too old
		h.acme.set(func() { h.acme.err = gatehouse.Refuse(code, "not by this sender", nil) })
		_, err = h.v.Verify(t.Context(), &gatehouse.Credential{Scheme: "Bearer", Text: proved.Text})
		wantCode(t, err, code)
		if watched.Err() != nil {
			t.Errorf("%s ended what is open: %v", code, context.Cause(watched))
		}
		h.acme.set(func() { h.acme.err = gatehouse.Refuse("GH-1102", "the key was withdrawn", nil) })
		_, err = h.v.Verify(t.Context(), proved)
		wantCode(t, err, "GH-1102")
		if watched.Err() == nil {
			t.Error("its issuer says no, and what is open goes on")
		}
	}
}

// A048: claims that nobody can see may bind a token to its sender.
func TestA048ATokenWithoutClaimsIsNotRemembered(t *testing.T) {
	h := newHouse(t)
	h.v = h.verifier(t, func(v *token.Verifier) { v.Issuers[0].Introspects = true })
	h.acme.active = map[string]gatehouse.Identity{"opaque": {Issuer: acmeIDP, Subject: "ada"}}
	for range 3 {
		h.in(t, "opaque")
	}
	if n := h.acme.calls.Load(); n != 3 {
		t.Errorf("asked %d times, want each time", n)
	}
}

func TestRefusals(t *testing.T) {
	h := newHouse(t)
	part := func(s string) string { return strings.Split(s, ".")[0] }
	header := part(jwt(t, claims{}))
	body := func(raw string) string { return header + "." + b64(raw) + ".good" }
	for _, tt := range []struct {
		name, text, code, cause string
	}{
		{"nothing", "", "GH-1101", ""},
		{"too much", strings.Repeat("a", 16<<10+1), "GH-1101", ""},
		{"no base64", header + ".!!.good", "GH-1101", "base64"},
		{"padding", header + "." + b64("{}") + "=.good", "GH-1101", "base64"},
		{"no object", body(`["iss"]`), "GH-1101", "object"},
		{"iss twice", body(`{"iss":"` + acmeIDP + `","iss":"` + boltIDP + `"}`), "GH-1101", "twice"},
		{"iss in another case", body(`{"ISS":"` + acmeIDP + `"}`), "GH-1101", "case"},
		{"iss twice, once with an escape", body(`{"iss":"` + acmeIDP + `","\u0069ss":"` + boltIDP + `"}`), "GH-1101", "twice"},
		{"iss with a long s", body(`{"iss":"` + acmeIDP + `","i\u017fs":"` + boltIDP + `"}`), "GH-1101", "case"},
		{"sub twice", body(`{"iss":"` + acmeIDP + `","sub":"ada","x":1,"sub":"bob"}`), "GH-1101", "twice"},
		{"cnf in another case", body(`{"iss":"` + acmeIDP + `","CNF":{}}`), "GH-1101", "case"},
		{"exp is a text", body(`{"iss":"` + acmeIDP + `","exp":"1"}`), "GH-1101", "no time"},
		{"no end", body(`{"iss":"` + acmeIDP + `"`), "GH-1101", "not JSON"},
		{"iss is a list", body(`{"iss":["` + acmeIDP + `"]}`), "GH-1101", "no string"},
		{"something behind", body(`{"iss":"x"}{}`), "GH-1101", ""},
		{"no UTF-8", body("{\"iss\":\"\xff\"}"), "GH-1101", "UTF-8"},
		{"no iss", body(`{"sub":"ada"}`), "GH-1103", ""},
		{"no slash", body(`{"iss":"https://acme.idp.example"}`), "GH-1103", `acme-idp): only the final "/"`},
		{"another case", body(`{"iss":"https://ACME.idp.example/"}`), "GH-1103", "upper and lower case"},
		{"http", body(`{"iss":"http://acme.idp.example/"}`), "GH-1103", "http and https"},
		{"a stranger", body(`{"iss":"https://bolt.idp.evil/"}`), "GH-1103", "closest is \"https://bolt.idp.example/\" (bolt-idp)"},
		{"opaque", "ory_at_abc.def", "GH-1106", "opaque"},
		{"encrypted", header + "....", "GH-1106", "five-part"},
		{"a bad signature", strings.TrimSuffix(jwt(t, claims{}), "good"), "GH-1102", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.sees(t, tt.text)
			e := wantCode(t, err, tt.code)
			if tt.cause != "" && (e.Cause == nil || !strings.Contains(e.Cause.Error(), tt.cause)) {
				t.Errorf("got the cause %v, want %q in it", e.Cause, tt.cause)
			}
			if strings.Contains(e.Description, "idp.example") {
				t.Errorf("strangers read %q", e.Description)
			}
		})
	}
}

func TestEntraVersionsAreToldApart(t *testing.T) {
	h := newHouse(t)
	h.v = h.verifier(t, func(v *token.Verifier) {
		v.Issuers[0].Values = []string{"https://login.microsoftonline.com/0854/v2.0"}
	})
	_, err := h.sees(t, jwt(t, claims{Iss: "https://sts.windows.net/0854/"}))
	if e := wantCode(t, err, "GH-1103"); !strings.Contains(e.Cause.Error(), "requestedAccessTokenVersion to 2") {
		t.Errorf("got %v", e.Cause)
	}
}

// What a preset knows of a token that nobody takes is what is said.
func TestUnclaimedTokens(t *testing.T) {
	h := newHouse(t)
	h.v = h.verifier(t, func(v *token.Verifier) {
		v.Unclaimed = &provider{err: gatehouse.Refuse("GH-1108", "google", errors.New("broker mode"))}
	})
	h.out(t, "ya29.abc", "GH-1108")
	h.out(t, jwt(t, claims{Iss: "https://nobody.example"}), "GH-1108")
}

func TestSettingsAreChecked(t *testing.T) {
	h := newHouse(t)
	good := func() token.Verifier {
		return token.Verifier{Rights: h.rights, Issuers: []token.Issuer{{Name: "a", Values: []string{acmeIDP}, Verifier: h.acme}}}
	}
	for name, spoil := range map[string]func(*token.Verifier){
		"no rights":     func(v *token.Verifier) { v.Rights = nil },
		"no source":     func(v *token.Verifier) { v.Rights = &token.Rights{} },
		"no name":       func(v *token.Verifier) { v.Issuers[0].Name = "" },
		"no verifier":   func(v *token.Verifier) { v.Issuers[0].Verifier = nil },
		"no iss":        func(v *token.Verifier) { v.Issuers[0].Values = nil },
		"an empty iss":  func(v *token.Verifier) { v.Issuers[0].Values = []string{""} },
		"stale answers": func(v *token.Verifier) { v.Issuers[0].Fresh = time.Hour },
		"much leeway":   func(v *token.Verifier) { v.Issuers[0].Leeway = time.Hour },
		"a name twice": func(v *token.Verifier) {
			v.Issuers = append(v.Issuers, token.Issuer{Name: "a", Values: []string{boltIDP}, Verifier: h.bolt})
		},
		"an iss twice": func(v *token.Verifier) {
			v.Issuers = append(v.Issuers, token.Issuer{Name: "b", Values: []string{acmeIDP}, Verifier: h.bolt})
		},
	} {
		v := good()
		spoil(&v)
		if v.Open() == nil {
			t.Errorf("%s: nothing is said", name)
		}
		if _, err := v.Verify(t.Context(), &gatehouse.Credential{Text: jwt(t, claims{})}); err == nil {
			t.Errorf("%s: a token is accepted", name)
		}
	}
	v := good()
	must(t, v.Open())
}

// A verifier that speaks for another issuer than its own is not believed.
func TestAnIdentityOfAnotherIssuer(t *testing.T) {
	h := newHouse(t)
	h.v = h.verifier(t, func(v *token.Verifier) {
		v.Issuers[0].Introspects = true
		h.acme.active = map[string]gatehouse.Identity{"x": {Issuer: boltIDP, Subject: "eve"}, "y": {Issuer: acmeIDP}}
	})
	if _, err := h.sees(t, "x"); err == nil {
		t.Error("acme's verifier lets in somebody of bolt's")
	}
	h.out(t, "y", "GH-1117")
}
