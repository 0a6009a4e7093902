package gatehouse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// verdicts writes findings in short: the check, and what it said.
func verdicts(found []gatehouse.Finding) string {
	var b strings.Builder
	for _, f := range found {
		switch {
		case f.Skipped:
			fmt.Fprintf(&b, "%s ? ", f.Check)
		case f.OK:
			fmt.Fprintf(&b, "%s ok ", f.Check)
		default:
			fmt.Fprintf(&b, "%s %s ", f.Check, f.Code)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestExplainSaysWhatEachCheckFinds(t *testing.T) {
	key := signers()["ec"]
	offline := func(v *gatehouse.JWTVerifier) { v.Keys = nil }
	for name, tt := range map[string]struct {
		v    *gatehouse.JWTVerifier
		tok  string
		want string
		who  string
	}{
		"a good token": {jwtVerifier(), mint(claimsWith()),
			"form ok claims ok issuer ok header ok algorithm ok type ok kind ok key ok signature ok rules ok identity ok time ok audience ok client ok binding ok", "ada"},
		"offline": {jwtVerifier(offline), mint(claimsWith()),
			"form ok claims ok issuer ok header ok algorithm ok type ok kind ok key ? signature ? rules ok identity ok time ok audience ok client ok binding ok", "ada"},
		"everything is wrong": {
			jwtVerifier(func(v *gatehouse.JWTVerifier) {
				v.Clients, v.Algorithms, v.Require = []string{"x"}, []string{"RS256"}, []gatehouse.ClaimRule{{Claim: "x"}}
			}),
			mint(claimsWith(obj{"iss": "https://x", "token_use": "id", "exp": noon.Add(-time.Hour).Unix(), "aud": "https://x", "cnf": obj{"jkt": thumbprint(key)}}), obj{"typ": "JWT", "kid": "k9", "jku": "https://evil"}),
			"form ok claims ok issuer GH-1103 header GH-1101 algorithm GH-1105 type GH-1107 kind GH-1107 key GH-1110 signature ? rules GH-1113 identity ok time GH-1109 audience GH-1104 client GH-1112 binding GH-1116", "ada"},
		"claims that cannot be read": {jwtVerifier(), mint(claimsWith(obj{"exp": "x", "aud": 1, "cnf": 1, "sub": gone})),
			"form ok claims ok issuer ok header ok algorithm ok type ok kind ok key ok signature ok rules ok identity GH-1117 time GH-1109 audience GH-1104 binding GH-1116 client ?", ""},
		"no subject": {jwtVerifier(), mint(claimsWith(obj{"sub": gone})),
			"form ok claims ok issuer ok header ok algorithm ok type ok kind ok key ok signature ok rules ok identity GH-1117 time ok audience ? client ? binding ok", ""},
		"a wrong signature": {jwtVerifier(), mint(claimsWith(), obj{"kid": "ed"}),
			"form ok claims ok issuer ok header ok algorithm ok type ok kind ok key ok signature GH-1102 rules ok identity ok time ok audience ok client ok binding ok", "ada"},
		"a name twice": {jwtVerifier(), signRaw(key, "ES256", `{"alg":"ES256"}`, `{"sub":"a","sub":"b"}`), "form ok claims GH-1101", ""},
		"crit":         {jwtVerifier(), mint(claimsWith(), obj{"crit": []string{"x"}}), "form GH-1101", ""},
		"opaque":       {jwtVerifier(), "ya29.x", "form GH-1106", ""},
		"long":         {jwtVerifier(), strings.Repeat("x", 20<<10), "form GH-1101", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, who, err := tt.v.Explain(t.Context(), &gatehouse.Credential{Scheme: "Bearer", Text: tt.tok})
			if err != nil {
				t.Fatal(err)
			}
			if got := verdicts(found); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := subject(who); got != tt.who {
				t.Errorf("got %q, want %q", got, tt.who)
			}
			for _, f := range found {
				if f.Text == "" {
					t.Errorf("%s says nothing", f.Check)
				}
			}
		})
	}
	if _, _, err := (&gatehouse.JWTVerifier{}).Explain(t.Context(), &gatehouse.Credential{}); err == nil {
		t.Error("got no error for an empty configuration")
	}
}

func subject(id *gatehouse.Identity) string {
	if id == nil {
		return ""
	}
	return id.Subject
}

// Without a request around it, a bound token cannot be judged: it is not refused for that.
func TestExplainWithoutARequest(t *testing.T) {
	for cnf, want := range map[string]string{"jkt": "it counts only with a DPoP proof", "x5t#S256": "it counts only on a connection with that client certificate"} {
		tok := mint(claimsWith(obj{"cnf": obj{cnf: thumbprint(signers()["ec"])}}))
		found, _, err := jwtVerifier().Explain(t.Context(), &gatehouse.Credential{Text: tok})
		if last := found[len(found)-1]; err != nil || last.Check != "binding" || !last.Skipped || !strings.Contains(last.Text, want) {
			t.Errorf("got %+v, %v", last, err)
		}
	}
}

// Whatever Verify says, Explain says too: none of its checks is missing.
func TestExplainAgreesWithVerify(t *testing.T) {
	for _, tok := range corpus() {
		v := jwtVerifier()
		_, err := present(v, tok)
		found, _, bad := v.Explain(t.Context(), &gatehouse.Credential{Scheme: "Bearer", Text: tok})
		if bad != nil {
			t.Fatal(bad)
		}
		first := ""
		for _, f := range found {
			if !f.OK && first == "" {
				first = f.Code
			}
		}
		if (err == nil) != (first == "") {
			t.Errorf("Verify: %v; Explain: %s", err, verdicts(found))
		}
	}
}
