package audit

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// canary is a key of ours; what follows its id must be seen nowhere.
const canary = "gthk_7Qm2aB9xKp01_SECRETSECRETSECRETSECRETSECRETSECRETSEC123456"

func sample() *Event {
	return &Event{
		Time: time.Date(2026, 11, 27, 3, 12, 9, 123456789, time.FixedZone("CET", 3600)), Kind: "tool_call", Request: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
		Server: "files", Tenant: "acme", TenantID: "0193a5f0-7c1e-7b42-9d0a-3f1f4f1b7c11", Subject: "ada@example.com", KeyID: "7Qm2aB9xKp01",
		Client: "claude-code/2.1", Address: netip.MustParseAddr("203.0.113.7"), Method: "tools/call", Name: "read_file",
		Status: 200, Outcome: OK, Took: 1234567 * time.Nanosecond,
	}
}

func TestEventHasStableMembers(t *testing.T) {
	e := sample()
	e.Action, e.Phase, e.Code, e.Reason, e.By, e.Count = "key.create", Intent, "GH-1011", "expired", "ada", 3
	e.Since, e.Args, e.Detail = e.Time.Add(-time.Second), []byte(`{"path":"/etc"}`), map[string]string{"tools": "read_*", "name": "laptop"}
	const want = `{"time":"2026-11-27T02:12:09.123456Z","kind":"tool_call","action":"key.create","phase":"intent",` +
		`"request":"0a1b2c3d4e5f60718293a4b5c6d7e8f9","server":"files","tenant":"acme","tenant_id":"0193a5f0-7c1e-7b42-9d0a-3f1f4f1b7c11",` +
		`"subject":"ada@example.com","key":"7Qm2aB9xKp01","client_supplied":"claude-code/2.1","address":"203.0.113.7","method":"tools/call",` +
		`"name":"read_file","status":200,"code":"GH-1011","reason":"expired","outcome":"ok","took_us":1234,"count":3,` +
		`"since":"2026-11-27T02:12:08.123456Z","args":{"path":"/etc"},"detail":{"name":"laptop","tools":"read_*"},"by":"ada"}` + "\n"
	if got := string(appendEvent(nil, e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestA167TextCannotInjectIntoTheTrail(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"line ends":            {"a\r\nb\u2028c\u2029d\u0085", `"a\u000d\nb\u2028c\u2029d\u0085"`},
		"ANSI and OSC":         {"\x1b[31m\x1b]0;x\a\x9b1m", `"\u001b[31m\u001b]0;x\u0007\ufffd1m"`},
		"bidi":                 {"\u202e\u2066\u200f\u200e\u061cx", `"\u202e\u2066\u200f\u200e\u061cx"`},
		"quotes":               {`","kind":"admin`, `"\",\"kind\":\"admin"`},
		"invalid UTF-8":        {"a\xff\xc3(", `"a\ufffd\ufffd("`},
		"NUL and DEL":          {"\x00\x7f", `"\u0000\u007f"`},
		"invisible":            {"a\u200bb\ufeff\U000e0041", `"a\u200bb\ufeff\udb40\udc41"`},
		"readable, any tongue": {"Zürich 東京 😀", `"Zürich 東京 😀"`},
		"a key of ours":        {"use " + canary + "!", `"use gthk_7Qm2aB9xKp01…!"`},
		"two keys":             {canary + " " + canary, `"gthk_7Qm2aB9xKp01… gthk_7Qm2aB9xKp01…"`},
		"a key cut short":      {"gthk_7Q", `"gthk_7Q…"`},
		"hardly a key":         {"gthk ggthk", `"gthk ggthk"`},
		"1 MB":                 {strings.Repeat("x", 1<<20), `"` + strings.Repeat("x", maxText-len("…")) + `…"`},
		"1 MB of bells":        {strings.Repeat("\a", 1<<20), `"` + strings.Repeat(`\u0007`, (maxText-len("…"))/6) + `…"`},
		"a key at the limit":   {strings.Repeat("x", maxText-30) + canary, `"` + strings.Repeat("x", maxText-30) + `gthk_7Qm2aB9xKp01…"`},
	} {
		if got := string(appendText(nil, tt.in, maxText)); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

var keys = regexp.MustCompile(`gthk_([0-9A-Za-z_]{0,12})[0-9A-Za-z_]*`)

// expected is what reading a written text gives.
func expected(s string) string {
	var valid []rune
	for _, r := range s { // one U+FFFD for each byte that is none
		valid = append(valid, r)
	}
	return keys.ReplaceAllString(string(valid), "gthk_${1}…")
}

func same(got, in string, limit int) bool {
	want := expected(in)
	if cut, ok := strings.CutSuffix(got, "…"); ok && strings.HasPrefix(want, cut) && len(want)*6 >= limit {
		return true
	}
	return got == want
}

func FuzzEventIsOneHonestLine(f *testing.F) {
	f.Add("a\nb", "\u202e", canary, "k\x1b", "v\xff", []byte(`{"a":1}`), int64(1), 3)
	f.Add(strings.Repeat("ü", 400), "\U000e0041", "gthk_gthk_", "", "", []byte("\n"), int64(-1), -3)
	f.Fuzz(func(t *testing.T, name, client, reason, field, value string, args []byte, took int64, status int) {
		e := sample()
		e.Name, e.Client, e.Reason, e.Status, e.Took = name, client, reason, status, time.Duration(took)
		e.Kind, e.Args, e.Detail = value, args, map[string]string{field: value}
		line := appendEvent(nil, e)
		if bytes.IndexByte(line, '\n') != len(line)-1 || len(line) > maxLine {
			t.Fatalf("not one line, or too long (%d): %q", len(line), line)
		}
		for _, r := range string(line[:len(line)-1]) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U in %q", r, line)
			}
		}
		if !utf8.Valid(line) || !json.Valid(line) {
			t.Fatalf("not JSON: %q", line)
		}
		for _, k := range keys.FindAllString(string(line), -1) {
			if len(k) > len("gthk_0123456789ab") {
				t.Fatalf("%q in %q", k, line)
			}
		}
		got, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Time.Equal(e.Time.Truncate(time.Microsecond)) || got.Status != status || got.Address != e.Address ||
			got.Took != e.Took.Truncate(time.Microsecond) || got.KeyID != e.KeyID {
			t.Errorf("got %+v, want %+v", got, e)
		}
		if !same(got.Name, name, maxText) || !same(got.Client, client, maxText) || !same(got.Reason, reason, maxReason) || !same(got.Kind, value, maxText) {
			t.Errorf("got %+v, want %+v", got, e)
		}
	})
}

func TestLineIsBounded(t *testing.T) {
	long := strings.Repeat("\a", 1<<16)
	e := sample()
	for _, s := range []*string{&e.Kind, &e.Action, &e.Phase, &e.Request, &e.Server, &e.Tenant, &e.TenantID, &e.Subject, &e.KeyID, &e.Client, &e.Method, &e.Name, &e.Code, &e.Reason, &e.Outcome, &e.By} {
		*s = long
	}
	e.Args, e.Detail = []byte(long), map[string]string{}
	for i := range 100 {
		e.Detail[string(rune('a'+i))+long] = long
	}
	if n := len(appendEvent(nil, e)); n > maxLine {
		t.Errorf("got %d bytes, want at most %d", n, maxLine)
	}
}

func compile(t testing.TB, patterns ...string) policy.Tools {
	t.Helper()
	p, err := policy.Compile(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRedact(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"nothing to hide": {`{"path": "/tmp", "n": 1.50, "on": true, "x": null, "l": [1, "a", {}]}`, `{"path":"/tmp","n":1.50,"on":true,"x":null,"l":[1,"a",{}]}`},
		"names that look secret, at any depth": {
			`{"a":[{"API-Key":"s"},{"password":{"x":["s"]}}],"client_secret":["s"],"Access Token":1,"auth":"s"}`,
			`{"a":[{"API-Key":"[redacted]"},{"password":"[redacted]"}],"client_secret":"[redacted]","Access Token":"[redacted]","auth":"[redacted]"}`,
		},
		"names that were asked for": {`{"iban":"s","author":"ada","customer_id":7}`, `{"iban":"[redacted]","author":"ada","customer_id":"[redacted]"}`},
		"keys of ours":              {`{"note":"` + canary + `","\u0067thk_7Qm2aB9xKp01_XYZ":1}`, `{"note":"gthk_7Qm2aB9xKp01…","gthk_7Qm2aB9xKp01…":1}`},
		"an escaped key":            {`["\u0067\u0074hk_7Qm2aB9xKp01_SECRETSECRET"]`, `["gthk_7Qm2aB9xKp01…"]`},
		"an escaped name":           {`{"\u0070assword":"s"}`, `{"password":"[redacted]"}`},
		"doubled members":           {`{"token":"s","token":"s"}`, `{"token":"[redacted]","token":"[redacted]"}`},
		"no JSON":                   {`{"password":"s"`, `"[not JSON]"`},
		"two values":                {`{} {}`, `"[not JSON]"`},
		"nothing":                   {``, `"[not JSON]"`},
		"too deep":                  {strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat("[", maxDepth) + `"…"` + strings.Repeat("]", maxDepth)},
	} {
		if got := string(Redact([]byte(tt.in), compile(t, "iban", "customer_*"))); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

func FuzzRedactedArgumentsAreHarmless(f *testing.F) {
	f.Add([]byte(`{"password":"hunter2","a":[1,{"b":"\u202e"}]}`))
	f.Add([]byte(`[` + strings.Repeat(`{"a":"`+strings.Repeat("x", 50)+`"},`, 300) + `1]`))
	f.Add([]byte(`[` + strings.Repeat(`[`, 40) + `"` + canary + `"` + strings.Repeat(`]`, 40) + `]`))
	f.Add([]byte(`["` + strings.Repeat("a", maxArgs) + `", "b"]`))
	f.Fuzz(func(t *testing.T, args []byte) {
		got := Redact(args, policy.Tools{})
		if len(got) > maxArgs || !json.Valid(got) || !harmless(got) {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
		if !bytes.Contains(appendEvent(nil, &Event{Args: got}), append([]byte(`"args":`), got...)) {
			t.Errorf("not taken as it is: %q", got)
		}
	})
}
