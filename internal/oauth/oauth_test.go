package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

func form(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	return r
}

// TestA015Parameters reads forms and queries strictly. OAuth 2.1 §3.1
func TestA015Parameters(t *testing.T) {
	refused := map[string]string{
		"a repeated client_id":         "client_id=a&client_id=b",
		"a repeated client_id, equal":  "client_id=a&client_id=a",
		"a repeated one that is empty": "state=&state=x",
		"a repeated unknown one":       "zzz=1&zzz=2",
		"a semicolon":                  "a=1;b=2",
		"a broken escape":              "a=%zz",
		"2000 parameters":              strings.Repeat("a=1&", 2000),
		"101 parameters":               strings.Repeat("&", 100),
		"bytes that are not UTF-8":     "state=%ff",
		"a NUL":                        "state=%00",
		"a NUL in a name":              "st%00ate=1",
		"too much":                     "a=" + strings.Repeat("x", 64<<10),
	}
	for name, text := range refused {
		if _, err := oauth.ReadForm(form(text)); err == nil || err.Code != oauth.InvalidRequest || err.Ref != "GH-1400" {
			t.Errorf("form with %s: got %v, want invalid_request", name, err)
		}
		if _, err := oauth.ParseParams(text); err == nil {
			t.Errorf("query with %s is accepted", name)
		}
	}
	p, err := oauth.ReadForm(form("resource=https://a&resource=https://b&empty=&state=a%20b%2Bc"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.All("resource"); !slices.Equal(got, []string{"https://a", "https://b"}) {
		t.Errorf("resource: got %q", got)
	}
	if p.All("empty") != nil || p.Get("empty") != "" {
		t.Error("an empty parameter is there")
	}
	if got := p.Get("state"); got != "a b+c" {
		t.Errorf("state: got %q", got)
	}
	r := httptest.NewRequest(http.MethodGet, "/authorize?client_id=x&client_id=y", nil)
	if _, err := oauth.ReadQuery(r); err == nil {
		t.Error("a query with two client ids is accepted")
	}
}

// TestA077FormOnly refuses bodies in another form, and reads no query.
func TestA077FormOnly(t *testing.T) {
	for _, kind := range []string{"", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded,application/json"} {
		r := form("grant_type=refresh_token")
		r.Header.Set("Content-Type", kind)
		if kind == "" {
			r.Header.Del("Content-Type")
		}
		if _, err := oauth.ReadForm(r); err == nil {
			t.Errorf("a body of type %q is read", kind)
		}
	}
	zipped := form("a=1")
	zipped.Header.Set("Content-Encoding", "gzip")
	if _, err := oauth.ReadForm(zipped); err == nil {
		t.Error("a compressed body is read")
	}
	big := form("a=" + strings.Repeat("x", 2<<20))
	if _, err := oauth.ReadForm(big); err == nil || err.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB: got %v", err)
	}
	r := form("a=1")
	r.URL.RawQuery = "client_secret=s"
	if p, err := oauth.ReadForm(r); err != nil || p.Get("client_secret") != "" {
		t.Errorf("the query was read: %v", err)
	}
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, Appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// TestA008Verifier accepts a challenge's own verifier and nothing else.
func TestA008Verifier(t *testing.T) {
	if !oauth.VerifyPKCE(challenge, verifier) {
		t.Fatal("the vector of RFC 7636 is refused")
	}
	for name, v := range map[string]string{
		"empty": "", "42 characters": verifier[:42], "129 characters": strings.Repeat("a", 129),
		"the challenge": challenge, "padding": verifier + "=", "base64": "+/" + verifier[2:], "a line break": verifier + "\n",
	} {
		if oauth.VerifyPKCE(challenge, v) {
			t.Errorf("the verifier %s is accepted", name)
		}
		if sum := sha256.Sum256([]byte(v)); name != "the challenge" && oauth.VerifyPKCE(base64.RawURLEncoding.EncodeToString(sum[:]), v) {
			t.Errorf("the verifier %s is accepted by its own challenge", name)
		}
	}
	if oauth.VerifyPKCE("", verifier) || oauth.VerifyPKCE("", "") || oauth.VerifyPKCE(verifier, verifier) {
		t.Error("nothing, or the plain method, is accepted")
	}
}

// TestA007Challenge accepts S256 alone.
func TestA007Challenge(t *testing.T) {
	if err := oauth.CheckChallenge(challenge, "S256"); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"", ""}, {"", "S256"}, {challenge, ""}, {challenge, "plain"}, {challenge, "s256"}, {challenge, "S512"},
		{challenge + "=", "S256"}, {challenge[:42], "S256"}, {challenge[:42] + "N", "S256"}, {challenge + "\n", "S256"}, {strings.Repeat("a", 128), "S256"},
	} {
		if err := oauth.CheckChallenge(c[0], c[1]); err == nil || err.Code != oauth.InvalidRequest {
			t.Errorf("%q by %q: got %v, want invalid_request", c[0], c[1], err)
		}
	}
}

func TestParseScope(t *testing.T) {
	got, err := oauth.ParseScope(" notes:read  notes:write notes:read ")
	if err != nil || !slices.Equal(got, []string{"notes:read", "notes:write"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := oauth.ParseScope(""); got != nil || err != nil {
		t.Errorf("nothing: got %q, %v", got, err)
	}
	for _, text := range []string{"a\tb", `a"b`, `a\b`, "é", "a\x00", strings.Repeat("x", 9000)} {
		if _, err := oauth.ParseScope(text); err == nil || err.Code != oauth.InvalidScope {
			t.Errorf("%.20q: got %v, want invalid_scope", text, err)
		}
	}
}

func TestMatchResource(t *testing.T) {
	one := []string{"https://mcp.acme.com/mcp"}
	two := []string{"https://mcp.acme.com/notes", "https://mcp.acme.com/files", "https://other.test/mcp"}
	for _, c := range []struct {
		served      []string
		asked, want string
	}{
		{one, "https://mcp.acme.com/mcp", one[0]},
		{one, "https://mcp.acme.com/mcp/", one[0]},
		{one, "HTTPS://MCP.acme.com:443/mcp", one[0]},
		{one, "https://mcp.acme.com", one[0]},
		{one, "https://mcp.acme.com/", one[0]},
		{one, "", one[0]},
		{one, "https://mcp.acme.com/mcp//", ""},
		{one, "https://mcp.acme.com/MCP", ""},
		{one, "https://mcp.acme.com/mcp?x", ""},
		{one, "https://mcp.acme.com/mcp#f", ""},
		{one, "https://mcp.acme.com/%6dcp", ""},
		{one, "https://mcp.acme.com/x/../mcp", ""},
		{one, "https://mcp.acme.com:8443/mcp", ""},
		{one, "http://mcp.acme.com/mcp", ""},
		{one, "https://u@mcp.acme.com/mcp", ""},
		{one, "https://mcp.acme.com./mcp", ""},
		{one, "mcp", ""},
		{two, "", ""},
		{two, "https://mcp.acme.com", ""},
		{two, "https://mcp.acme.com/files", two[1]},
		{two, "https://other.test", two[2]},
		{[]string{"https://a.test/", "https://a.test/mcp"}, "https://a.test", "https://a.test/"},
	} {
		got, ok := oauth.MatchResource(c.served, c.asked)
		if got != c.want && ok || ok != (c.want != "") {
			t.Errorf("%q among %q: got %q, %t, want %q", c.asked, c.served, got, ok, c.want)
		}
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add("a=1&b=2&resource=x&resource=y&c=")
	f.Add("a=%ff&b=%00;")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := oauth.ParseParams(text)
		if err != nil {
			return
		}
		again, err := oauth.ParseParams(p.Encode())
		if err != nil || again.Encode() != p.Encode() {
			t.Fatalf("%q is read otherwise a second time: %v", text, err)
		}
	})
}
