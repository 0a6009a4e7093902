package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestReadObject(t *testing.T) {
	registered := []string{"sub", "iss", "kid"}
	tests := []struct {
		name, json string
		want       string // in the error; empty: accepted
	}{
		{"an object", `{"sub":"ada","n":{"a":[1,{"b":null}]},"t":"\u0041\ud83d\ude00"}`, ""},
		{"an empty object", ` {} `, ""},
		{"an array", `[]`, "not an object"},
		{"nothing", ``, "not an object"},
		{"null", `null`, "not an object"},
		{"a byte order mark", "\ufeff{}", "not an object"},
		{"a second value", `{} {}`, "follows"},
		{"half an object", `{"sub":"ada"`, "syntax"},
		{"a member twice", `{"sub":"a","sub":"b"}`, "twice"},
		{"a member twice by an escape", `{"sub":"a","s\u0075b":"b"}`, "twice"},
		{"a member twice further down", `{"x":[{"y":{"a":1,"a":2}}]}`, "twice"},
		{"invalid UTF-8", "{\"x\":\"\xff\"}", "syntax"},
		{"a lone surrogate", `{"x":"\ud800"}`, "syntax"},
		{"a lone surrogate in a name", `{"\udc00":1}`, "syntax"},
		{"another spelling", `{"Sub":"ada"}`, `"sub"`},
		{"another spelling beside the right one", `{"sub":"ada","SUB":"eve"}`, "case"},
		{"the long s", `{"ſub":"ada"}`, `"sub"`},
		{"the sign for kelvin", `{"` + "\u212a" + `id":"1"}`, `"kid"`},
		{"the sign for kelvin by an escape", `{"\u212aid":"1"}`, `"kid"`},
		{"two unregistered names in two cases", `{"role":"a","Role":"b"}`, "case"},
		{"an unregistered name in capitals", `{"OrgID":"a"}`, ""},
		{"a name with a NUL", `{"sub\u0000":"ada"}`, "control"},
		{"a name with a C1 control", `{"sub\u0085":"ada"}`, "control"},
		{"much depth", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), "deeply"},
		{"brackets in a text", `{"a":"` + strings.Repeat("[", 100) + `\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}`, ""},
		{"a number without measure", `{"a":1e400}`, "range"},
		{"a long number without measure", `{"a":[` + strings.Repeat("9", 400) + `]}`, "range"},
		{"a number that can be had", `{"a":-1.5e300,"b":9223372036854775808}`, ""},
		{"many members", "{" + members(257) + "}", "many"},
		{"as many as may be", "{" + members(256) + "}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := ReadObject([]byte(tt.json), registered)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want it accepted", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error with %q", err, tt.want)
			case err != nil && o != nil:
				t.Error("got an object beside the error")
			}
		})
	}
}

func members(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `"m` + strings.Repeat("x", i) + `":1`
	}
	return strings.Join(list, ",")
}

func TestFind(t *testing.T) {
	o, err := ReadObject([]byte(`{
		"a.b": {"c": "whole"}, "a": {"b": {"c": "nested"}, "x": 1}, "none": null,
		"https://acme.com/org": {"id": "org1"},
		"access": {"crm": {"roles": ["admin"]}, "odd": 3, "erp": {"roles": ["r"]}},
		"urn:roles": {"editor": {"1": "x"}, "viewer": {"2": "y"}}
	}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{"a.b.c", `="whole"`},
		{"a.x", `=1`},
		{"none", ``},
		{"nothing.at.all", ``},
		{"https://acme.com/org.id", `="org1"`},
		{"access.*.roles", `crm=["admin"] erp=["r"]`},
		{"access.*", `@crm @odd @erp`},
		{"urn:roles.*", `@editor @viewer`},
		{"urn:roles.*.*", `editor@1 viewer@2`},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range o.Find(tt.path) {
			s := strings.Join(f.Under, ":")
			if f.Value != nil {
				s += "=" + string(f.Value)
			} else {
				s += "@" + f.Name
			}
			got = append(got, s)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: got %s, want %s", tt.path, s, tt.want)
		}
	}
}

func TestReadTellsWhatIsNoSignedToken(t *testing.T) {
	for _, text := range []string{
		"", "opaque", "ya29.a0", "gthk_x", "a.b.c", "oat_1.2.3",
		`{"payload":"e30","signatures":[]}`, " {}", "eyJhbGciOiJkaXIifQ..a.b.c", "eyJhbGciOiJFUzI1NiJ9",
		"eyJhbGciOiJFUzI1NiJ9.e30", "eyJhbGciOiJFUzI1NiJ9.e30.a.",
	} {
		if _, err := Read(text); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%q: got %v, want ErrNotSigned", text, err)
		}
	}
}

func TestSameTarget(t *testing.T) {
	const us = "https://mcp.example.com/mcp"
	tests := []struct {
		htu  string
		want bool
	}{
		{us, true},
		{"HTTPS://MCP.example.com:443/mcp", true},
		{"https://mcp.example.com:/mcp", true},
		{us + "?x=1", true},
		{us + "#x", true},
		{"https://mcp.example.com/%6dcp", true},
		{"https://mcp.example.com/a/../mcp", true},
		{"https://mcp.example.com/./mcp", true},
		{us + "/", false},
		{"https://mcp.example.com/MCP", false},
		{"http://mcp.example.com/mcp", false},
		{"https://mcp.example.com:8443/mcp", false},
		{"https://mcp.example.com.evil/mcp", false},
		{"https://user@mcp.example.com/mcp", false},
		{"https://mcp.example.com/mcp%2f", false},
		{"/mcp", false},
		{"", false},
		{"mailto:x", false},
		{"https://mcp.example.com/..", false},
		{"https://mcp.example.com/%zz", false},
		{"https:mcp.example.com/mcp", false},
	}
	for _, tt := range tests {
		if got := SameTarget(tt.htu, us); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.htu, got, tt.want)
		}
	}
	for _, none := range []string{"https:///mcp", "https:mcp", "//mcp.example.com/mcp", "ftp://a.example/", "http://:", "https://:443/", "", "%zz"} {
		if SameTarget(none, none) {
			t.Errorf("%q was taken for a target", none)
		}
	}
	for _, pair := range [][2]string{
		{"https://a.example", "https://a.example/"}, {"https://a.example/%2f", "https://a.example/%2F"},
		{"http://a.example:80/x/..", "http://a.example/"}, {"https://a.example/x/.", "https://a.example/x/"},
	} {
		if !SameTarget(pair[0], pair[1]) {
			t.Errorf("%v: got different, want the same", pair)
		}
	}
}

func TestReadSaysWhatIsWrongWithAToken(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	head := part([]byte(`{"alg":"ES256"}`))
	with := func(header string) string { return part([]byte(header)) + ".e30.AAAA" }
	for text, want := range map[string]string{
		"eyJhbGciOiJFUzI1NiIgfR.e30.AAAA":                   "header is not base64url", // the last character ends in Q
		head + ".e3_=.AAAA":                                 "payload is not base64url",
		head + ".e31.AAAA":                                  "payload is not base64url",
		head + ".e3\n0.AAAA":                                "payload is not base64url",
		head + ".e30.AAB":                                   "signature is not base64url",
		head + ".e30.AA\rAA":                                "signature is not base64url",
		with(`{"alg":["ES256"]}`):                           `"alg" in its header is not a text`,
		with(`{"alg":"ES256\u0000"}`):                       `"alg" in its header is not a text`,
		with(`{"alg":"ES256","kid":"a\nb"}`):                `"kid" in its header is not a text`,
		with(`{"alg":"ES256","kid":""}`):                    `"kid" in its header is not a text`,
		with(`{"alg":"ES256","typ":null}`):                  `"typ" in its header is not a text`,
		with(`{"alg":"ES256","jku":1}`):                     `"jku" in its header is not a text`,
		with(`{"alg":"ES256","kid":"` + long(1025) + `"}`):  `"kid" in its header is too long`,
		with(`{"alg":"ES256","x":"` + long(8<<10) + `"}`):   "header is too long",
		with(`{"alg":"ES256","x":"` + `","x":""}`):          "header is not strict JSON",
		with(`{"alg":"ES256","crit":[]}`):                   `"crit"`,
		with(`{"alg":"ES256","b64":true}`):                  `"b64"`,
		with(`{"alg":"ES256","x5u":""}`):                    `"x5u"`,
		with(`{"alg":"ES256","x5c":[]}`):                    `"x5c"`,
		with(`{"alg":"ES256","zip":"DEF"}`):                 `"zip"`,
		with(`{"alg":"ES256","enc":"A"}`):                   `"enc"`,
		with(`{"alg":"ES256","cty":"JWT"}`):                 `"cty"`,
		`{"payload":""}`:                                    "JSON serialization",
		part([]byte(`{"alg":"dir","enc":"A"}`)) + "..a.b.c": "encrypted",
		head + ".e30":                                       "2 parts",
		"nonsense":                                          "opaque",
	} {
		got, err := Read(text)
		if err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%.80s: got %v, %v, want %s", text, got, err, want)
		}
	}
	got, err := Read(with(`{"alg":"","typ":"application/AT+JWT","kid":"k","jku":"https://x"}`))
	if err != nil || got.Algorithm != "" || got.Type != "at+jwt" || got.KeyID != "k" || got.URL != "https://x" || string(got.Payload) != "{}" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestFits(t *testing.T) {
	rsaKey := func(bits, e int) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), E: e}
	}
	ec := func(c elliptic.Curve) *ecdsa.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return &k.PublicKey
	}
	ed := make(ed25519.PublicKey, ed25519.PublicKeySize)
	for _, tt := range []struct {
		alg  string
		key  crypto.PublicKey
		fits bool
	}{
		{"RS256", rsaKey(2048, 65537), true}, {"PS512", rsaKey(8192, 3), true},
		{"ES256", ec(elliptic.P256()), true}, {"ES384", ec(elliptic.P384()), true}, {"ES512", ec(elliptic.P521()), true}, {"EdDSA", ed, true},
		{"RS256", rsaKey(2047, 65537), false}, {"RS256", rsaKey(8193, 65537), false}, {"RS256", rsaKey(2048, 1), false}, {"RS256", rsaKey(2048, 4), false},
		{"ES256", rsaKey(2048, 65537), false}, {"EdDSA", rsaKey(2048, 65537), false}, {"RS1", rsaKey(2048, 65537), false}, {"PS", rsaKey(2048, 65537), false},
		{"RS256", (*rsa.PublicKey)(nil), false}, {"RS256", &rsa.PublicKey{E: 3}, false},
		{"ES256", ec(elliptic.P384()), false}, {"ES384", ec(elliptic.P256()), false}, {"RS256", ec(elliptic.P256()), false}, {"ES256K", ec(elliptic.P256()), false},
		{"ES256", (*ecdsa.PublicKey)(nil), false}, {"ES256", &ecdsa.PublicKey{}, false}, {"ES224", ec(elliptic.P224()), false},
		{"ES256", ed, false}, {"EdDSA", ed[:31], false}, {"EdDSA", ed25519.PublicKey(nil), false}, {"Ed25519", ed, false},
		{"HS256", []byte("secret"), false}, {"RS256", []byte("secret"), false}, {"none", nil, false}, {"", nil, false}, {"RS256", "key", false},
	} {
		if err := Fits(tt.alg, tt.key); (err == nil) != tt.fits {
			t.Errorf("%s with a %T: got %v, want it to fit: %v", tt.alg, tt.key, err, tt.fits)
		}
	}
}

func TestVerifyAsksForAKeyThatFits(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that is the point
	if err != nil {
		t.Fatalf("a weak key to refuse: %v", err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30"
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, weak, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		input + "." + base64.RawURLEncoding.EncodeToString(sig): "1024 bits",
		input + ".": "no signature",
	} {
		tok, err := Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := tok.Verify(&weak.PublicKey); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
