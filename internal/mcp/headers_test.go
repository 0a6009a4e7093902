package mcp_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// mirrors is a body and the headers that repeat it.
type mirrors struct {
	name, body            string
	version, method, tool []string
	want                  int
}

func (m mirrors) check(t *testing.T) {
	h := http.Header{}
	for name, values := range map[string][]string{"Mcp-Protocol-Version": m.version, "Mcp-Method": m.method, "Mcp-Name": m.tool} {
		if values != nil {
			h[name] = values
		}
	}
	if got := refusal(t, m.body, h); got != m.want {
		t.Errorf("got %d, want %d", got, m.want)
	}
}

const (
	called   = "tools/call"
	now, old = mcp.Version20260728, mcp.Version20251125
	mismatch = mcp.CodeHeaderMismatch
)

func TestA145MirroredHeaders(t *testing.T) {
	const (
		list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
		task = `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t1","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
		uri  = `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///ä","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
	)
	for _, tt := range []mirrors{
		{"agreeing headers", modern, []string{now}, []string{called}, []string{"echo"}, 0},
		{"white space around them", modern, []string{now + " "}, []string{" " + called}, []string{"  echo  "}, 0},
		{"a wrapped name", modern, []string{now}, []string{called}, []string{"=?base64?ZWNobw==?="}, 0},
		{"a wrapped name that is another", modern, []string{now}, []string{called}, []string{"=?base64?ZGFuZ2Vy?="}, mismatch},
		{"capital markers", modern, []string{now}, []string{called}, []string{"=?BASE64?ZWNobw==?="}, mismatch},
		{"a name wrapped twice", modern, []string{now}, []string{called}, []string{"=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?="}, mismatch},
		{"no padding", modern, []string{now}, []string{called}, []string{"=?base64?ZWNobw?="}, mismatch},
		{"another name", modern, []string{now}, []string{called}, []string{"danger"}, mismatch},
		{"a name in capitals", modern, []string{now}, []string{called}, []string{"Echo"}, mismatch},
		{"no name", modern, []string{now}, []string{called}, nil, mismatch},
		{"an empty name", modern, []string{now}, []string{called}, []string{""}, mismatch},
		{"two names", modern, []string{now}, []string{called}, []string{"echo", "danger"}, mismatch},
		{"the same name twice", modern, []string{now}, []string{called}, []string{"echo", "echo"}, mismatch},
		{"another method", modern, []string{now}, []string{"tools/list"}, []string{"echo"}, mismatch},
		{"a method in capitals", modern, []string{now}, []string{"TOOLS/CALL"}, []string{"echo"}, mismatch},
		{"a wrapped method", modern, []string{now}, []string{"=?base64?dG9vbHMvY2FsbA==?="}, []string{"echo"}, mismatch},
		{"no method", modern, []string{now}, nil, []string{"echo"}, mismatch},
		{"two methods", modern, []string{now}, []string{called, called}, []string{"echo"}, mismatch},
		{"a name where there is none", list, []string{now}, []string{"tools/list"}, []string{"echo"}, mismatch},
		{"a list", list, []string{now}, []string{"tools/list"}, nil, 0},
		{"a wrapped URI", uri, []string{now}, []string{"resources/read"}, []string{"=?base64?ZmlsZTovLy/DpA==?="}, 0},
		{"a URI without its header", uri, []string{now}, []string{"resources/read"}, nil, mismatch},
		{"a task's id", task, []string{now}, []string{"tasks/get"}, []string{"t1"}, 0},
		{"a task without its header", task, []string{now}, []string{"tasks/get"}, nil, 0},
		{"another task's id", task, []string{now}, []string{"tasks/get"}, []string{"t2"}, mismatch},
		{"a modern body under an old version", modern, []string{old}, []string{called}, []string{"echo"}, mismatch},
		{"a modern body without a version", modern, nil, []string{called}, []string{"echo"}, mismatch},
		{"two versions", modern, []string{now, now}, []string{called}, []string{"echo"}, mismatch},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestA145HeadersOnOldMessages(t *testing.T) {
	const (
		note   = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
		answer = `{"jsonrpc":"2.0","id":1,"result":{}}`
	)
	for _, tt := range []mirrors{
		{"an old request without them", small, []string{old}, nil, nil, 0},
		{"an old request with them", small, []string{old}, []string{called}, []string{"echo"}, 0},
		{"an old request with another name", small, []string{old}, []string{called}, []string{"danger"}, mismatch},
		{"an old request with another method", small, nil, []string{"tools/list"}, nil, mismatch},
		{"an old request with two versions", small, []string{old, old}, nil, nil, mismatch},
		{"an answer with a method", answer, []string{old}, []string{called}, nil, mismatch},
		{"an answer with a name", answer, []string{old}, nil, []string{"echo"}, mismatch},
		{"a notification without a method", note, []string{now}, nil, nil, 0},
		{"a notification with another method", note, []string{now}, []string{called}, nil, mismatch},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestA146ParameterHeaders(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   int
	}{
		{"what only the server can judge", []string{"eu"}, 0},
		{"Base64", []string{"=?base64?SGVsbG8=?="}, 0},
		{"no prefix", []string{"SGVsbG8="}, 0},
		{"no suffix", []string{"=?base64?SGVsbG8="}, 0},
		{"wrong padding", []string{"=?base64?SGVsbG8?="}, mcp.CodeHeaderMismatch},
		{"characters of another alphabet", []string{"=?base64?SGVs!!!bG8=?="}, mcp.CodeHeaderMismatch},
		{"bits behind the end", []string{"=?base64?SGVsbG9=?="}, mcp.CodeHeaderMismatch},
		{"no text", []string{"=?base64?/w==?="}, mcp.CodeHeaderMismatch},
		{"two values", []string{"eu", "us"}, mcp.CodeHeaderMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := modernHeader("tools/call", "echo")
			h["Mcp-Param-Region"] = tt.values
			if got := refusal(t, modern, h); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestEra(t *testing.T) {
	const (
		plain = `{"jsonrpc":"2.0","id":"x","method":"tools/list","params":{}}`
		meta  = `{"jsonrpc":"2.0","id":"x","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":VERSION}}}`
		note  = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
		reply = `{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
		hello = `{"jsonrpc":"2.0","id":"x","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c"}}}`
	)
	with := func(version string) string { return strings.Replace(meta, "VERSION", version, 1) }
	tests := []struct {
		name, body, header string
		want               int
		era                mcp.Era
		version            string
	}{
		{"no version at all", plain, "", 0, mcp.Legacy, "2025-03-26"},
		{"2024-11-05", plain, "2024-11-05", 0, mcp.Legacy, "2024-11-05"},
		{"2025-06-18", plain, "2025-06-18", 0, mcp.Legacy, "2025-06-18"},
		{"2025-11-25", plain, "2025-11-25", 0, mcp.Legacy, "2025-11-25"},
		{"initialize", hello, "", 0, mcp.Legacy, "2025-03-26"},
		{"2026-07-28", with(`"2026-07-28"`), "2026-07-28", 0, mcp.Modern, "2026-07-28"},
		{"an old version in the body too", with(`"2025-11-25"`), "2025-11-25", 0, mcp.Legacy, "2025-11-25"},
		{"a notification of the modern era", note, "2026-07-28", 0, mcp.Modern, "2026-07-28"},
		{"an answer", reply, "2025-11-25", 0, mcp.Legacy, "2025-11-25"},
		{"an answer in the modern era", reply, "2026-07-28", mcp.CodeInvalidRequest, 0, ""},
		{"a modern header over a plain body", plain, "2026-07-28", mcp.CodeInvalidParams, 0, ""},
		{"a modern header over initialize", hello, "2026-07-28", mcp.CodeInvalidParams, 0, ""},
		{"a version that is no string", with("20260728"), "2026-07-28", mcp.CodeInvalidParams, 0, ""},
		{"a version that is null", with("null"), "2025-11-25", mcp.CodeInvalidParams, 0, ""},
		{"a later version in both", with(`"v999.0.0"`), "v999.0.0", mcp.CodeUnsupportedVersion, 0, ""},
		{"a later version in the body", with(`"v999.0.0"`), "2026-07-28", mcp.CodeHeaderMismatch, 0, ""},
		{"a later version in the header", with(`"2026-07-28"`), "2027-01-01", mcp.CodeHeaderMismatch, 0, ""},
		{"a later version in the body only", with(`"2027-01-01"`), "", mcp.CodeHeaderMismatch, 0, ""},
		{"garbage in the header", plain, "latest", mcp.CodeUnsupportedVersion, 0, ""},
		{"a list in the header", plain, "2025-11-25, 2026-07-28", mcp.CodeUnsupportedVersion, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := legacy(tt.header)
			if tt.header == "2026-07-28" && tt.want == 0 && tt.body != note {
				h["Mcp-Method"] = []string{"tools/list"}
			}
			if got := refusal(t, tt.body, h); got != tt.want {
				t.Fatalf("got %d, want %d", got, tt.want)
			}
			if tt.want != 0 {
				return
			}
			c, err := mcp.Limits{}.Read([]byte(tt.body), h)
			if err != nil || c.Era != tt.era || c.Version != tt.version {
				t.Errorf("got era %v of %q, %v, want %v of %q", c.Era, c.Version, err, tt.era, tt.version)
			}
		})
	}
}

func TestHeaderVersion(t *testing.T) {
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{nil, "2025-03-26"}, {[]string{""}, "2025-03-26"}, {[]string{"2025-11-25"}, "2025-11-25"}, {[]string{"2026-07-28"}, "2026-07-28"},
		{[]string{"nonsense"}, ""}, {[]string{"2025-11-25", "2025-11-25"}, ""},
	} {
		got, err := mcp.HeaderVersion(http.Header{"Mcp-Protocol-Version": tt.values})
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q: got %q, %v, want %q", tt.values, got, err, tt.want)
		}
	}
}

func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", "plain", " a", "a ", "=?base64?", "=?base64?eA==?=", "a\r\nb", "ü", "\x00", "\xff", "\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := mcp.EncodeHeaderValue(text)
		if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c > '~' }) || strings.Trim(v, " ") != v {
			t.Errorf("%q: got %q, want what a header holds", text, v)
		}
		if back, err := mcp.DecodeHeaderValue(v); utf8.ValidString(text) && (err != nil || back != text) {
			t.Errorf("%q: got %q, %v back", text, back, err)
		}
	})
}
