package gatehouse_test

import (
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestA043NoNameTwiceOrInAnotherSpelling(t *testing.T) {
	head := `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`
	payload := jsonOf(claimsWith())
	with := func(more string) string { return payload[:len(payload)-1] + "," + more + "}" }
	for name, p := range map[string][2]string{
		"aud twice":             {head, with(`"aud":"https://evil"`)},
		"aud twice, escaped":    {head, with(`"a\u0075d":"https://evil"`)},
		"Aud beside aud":        {head, with(`"Aud":"https://evil"`)},
		"Aud instead of aud":    {head, strings.Replace(payload, `"aud"`, `"Aud"`, 1)},
		"SCOPE":                 {head, with(`"SCOPE":"admin"`)},
		"the long s":            {head, with(`"ſub":"eve"`)},
		"a NUL":                 {head, with(`"sub\u0000":"eve"`)},
		"twice further down":    {head, with(`"act":{"sub":"a","sub":"b"}`)},
		"Sub of act":            {head, with(`"act":{"Sub":"b"}`)},
		"two cases of a custom": {head, with(`"tenant":"a","Tenant":"b"`)},
		"alg twice":             {`{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"ec"}`, payload},
		"Alg":                   {`{"alg":"ES256","Alg":"none","typ":"at+jwt","kid":"ec"}`, payload},
		"kid with the kelvin":   {`{"alg":"ES256","typ":"at+jwt","\u212aid":"ec"}`, payload},
		"CRIT":                  {`{"alg":"ES256","typ":"at+jwt","kid":"ec","CRIT":["x"]}`, payload},
		"header and more":       {head + `{}`, payload},
		"payload and more":      {head, payload + `{}`},
		"a header that is none": {`["ES256"]`, payload},
		"a payload as a text":   {head, `"` + ourURL + `"`},
		"invalid UTF-8":         {head, with("\"x\":\"\xff\"")},
		"a lone surrogate":      {head, with(`"x":"\ud800"`)},
		"a number out of range": {head, with(`"x":1e999`)},
	} {
		t.Run(name, func(t *testing.T) { refusedAny(t, jwtVerifier(), signRaw(signers()["ec"], "ES256", p[0], p[1])) })
	}
}

func TestA044OneSerializationOnly(t *testing.T) {
	whole := mint(claimsWith())
	parts := strings.Split(whole, ".")
	nested := signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec","cty":"JWT"}`, whole)
	jwe := func(header string) string { return b64url.EncodeToString([]byte(header)) + ".AAAA.AAAA.AAAA.AAAA" }
	for name, tok := range map[string]string{
		"flattened":      jsonOf(obj{"payload": parts[1], "protected": parts[0], "signature": parts[2]}),
		"general":        jsonOf(obj{"payload": parts[1], "signatures": []obj{{"protected": parts[0], "signature": parts[2]}, {"protected": parts[0], "signature": parts[2]}}}),
		"unprotected":    jsonOf(obj{"payload": parts[1], "header": obj{"alg": "ES256"}, "signature": parts[2]}),
		"blanks first":   " " + jsonOf(obj{"payload": parts[1]}),
		"nested":         nested,
		"nested, untold": signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, whole),
		"JWE":            jwe(`{"alg":"dir","enc":"A256GCM","iss":"` + theirURL + `"}`),
		"PBES2":          jwe(`{"alg":"PBES2-HS512+A256KW","p2c":2147483648,"p2s":"AAAA","enc":"A256GCM"}`),
		"a bomb":         jwe(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`),
		"four parts":     whole + ".AAAA",
		"two tokens":     whole + "." + whole,
	} {
		t.Run(name, func(t *testing.T) { refusedAny(t, jwtVerifier(), tok) })
	}
	id, err := present(jwtVerifier(), jwe(`{"alg":"dir","enc":"A256GCM"}`))
	refusedAs(t, id, err, "GH-1106")
}

func TestA045EveryByteCounts(t *testing.T) {
	for _, kid := range []string{"ec", "rsa", "ed"} {
		alg := map[string]string{"ec": "ES256", "rsa": "RS256", "ed": "EdDSA"}[kid]
		whole := mint(claimsWith(), obj{"alg": alg, "kid": kid})
		v := jwtVerifier()
		if _, err := present(v, whole); err != nil {
			t.Fatal(err)
		}
		variants := []string{
			whole + "=", whole + "==", whole + " ", whole + ".", whole + "A", whole + "\n", whole + "\x00", " " + whole, "\t" + whole,
			"Bearer " + whole, "x" + whole, url.QueryEscape(whole) + "%", strings.ReplaceAll(whole, ".", "%2E"), strings.ToLower(whole), strings.ToUpper(whole),
			strings.Replace(whole, ".", "\n.", 1), strings.Replace(whole, ".", "=.", 1), strings.Replace(whole, ".", ".\r\n", 1),
			strings.NewReplacer("-", "+", "_", "/").Replace(whole) + "+",
		}
		for i := range len(whole) { // cut anywhere
			variants = append(variants, whole[:i])
		}
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		for _, end := range partEnds(whole) { // the bits of the last character of each part that count for nothing
			for _, d := range digits {
				if changed := whole[:end] + string(d) + whole[end+1:]; changed != whole {
					variants = append(variants, changed)
				}
			}
		}
		for _, tok := range variants {
			if id, err := present(v, tok); err == nil {
				t.Fatalf("%s: %q was accepted as %v", alg, tok, id)
			}
		}
	}
}

// partEnds returns where the last character of each part stands.
func partEnds(tok string) []int {
	first, last := strings.Index(tok, "."), strings.LastIndex(tok, ".")
	return []int{first - 1, last - 1, len(tok) - 1}
}

func TestA046HugeTokensCostLittle(t *testing.T) {
	v := jwtVerifier()
	big := jwtVerifier(func(v *gatehouse.JWTVerifier) { v.MaxToken = 4 << 20 }) // even where an operator lets them in
	claims := claimsWith()
	for i := range 10_000 {
		claims[fmt.Sprintf("c%d", i)] = 1
	}
	head := `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`
	deep := strings.Repeat(`{"a":`, 1_000_000) + "1" + strings.Repeat("}", 1_000_000)
	for name, tok := range map[string]string{
		"a megabyte":       strings.Repeat("A", 1<<20),
		"a million dots":   strings.Repeat(".", 1<<20),
		"dots after eyJ":   "eyJhbGciOiJFUzI1NiJ9" + strings.Repeat(".", 1<<20),
		"a large header":   signRaw(signers()["ec"], "ES256", `{"alg":"ES256","typ":"at+jwt","kid":"ec","x":"`+strings.Repeat("x", 64<<10)+`"}`, jsonOf(claimsWith())),
		"10,000 claims":    signRaw(signers()["ec"], "ES256", head, jsonOf(claims)),
		"a million levels": signRaw(signers()["ec"], "ES256", head, deep),
		"levels in header": signRaw(signers()["ec"], "ES256", `{"alg":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}", "{}"),
		"a long kid":       mint(claimsWith(), obj{"kid": strings.Repeat("k", 16<<10)}),
	} {
		t.Run(name, func(t *testing.T) {
			refusedAny(t, v, tok)
			refusedAny(t, big, tok)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 10 {
				_, _ = present(v, tok)
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / 10; each > 1<<20 {
				t.Errorf("got %d bytes for one token, want at most a MiB", each)
			}
		})
	}
}
