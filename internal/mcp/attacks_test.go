package mcp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// refusal reads a body and returns the code it is refused with, 0 when it is accepted.
func refusal(t *testing.T, body string, h http.Header) int {
	t.Helper()
	c, err := mcp.Limits{}.Read([]byte(body), h)
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*mcp.Error](err)
	switch {
	case !ok:
		t.Fatalf("got %T, want *mcp.Error", err)
	case c != nil:
		t.Errorf("a call beside the error %v", err)
	case e.Status != http.StatusBadRequest:
		t.Errorf("got status %d, want 400", e.Status)
	case !json.Valid(e.JSON()):
		t.Errorf("the answer is not JSON: %s", e.JSON())
	}
	return e.Code
}

func legacy(version string) http.Header {
	if version == "" {
		return http.Header{}
	}
	return http.Header{"Mcp-Protocol-Version": {version}}
}

func TestA140CaseVariantKeys(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet"%s}%s}`
	tests := []struct{ name, params, envelope string }{
		{"Method beside method", ``, `,"Method":"tools/list"`},
		{"METHOD beside method", ``, `,"METHOD":"tools/list"`},
		{"params with a long s", ``, `,"param\u017f":{"name":"danger"}`},
		{"params with a raw long s", ``, `,"paramſ":{"name":"danger"}`},
		{"params and NUL", ``, `,"params\u0000":{"name":"danger"}`},
		{"params and a zero-width space", ``, `,"params\u200b":{"name":"danger"}`},
		{"params and a soft hyphen", ``, `,"par\u00adams":{"name":"danger"}`},
		{"params and a grapheme joiner", ``, `,"params\u034f":{"name":"danger"}`},
		{"params and a Hangul filler", ``, `,"par\u3164ams":{"name":"danger"}`},
		{"params behind a space", ``, `," params":{"name":"danger"}`},
		{"params behind a byte order mark", ``, `,"\ufeffparams":{"name":"danger"}`},
		{"Id", ``, `,"Id":2`},
		{"ID", ``, `,"ID":2`},
		{"a dotted capital i in id", ``, `,"\u0130d":2`},
		{"a dotless i in id", ``, `,"\u0131d":2`},
		{"jsonRpc", ``, `,"jsonRpc":"2.0"`},
		{"Result", ``, `,"Result":{}`},
		{"ERROR", ``, `,"ERROR":{}`},
		{"Name beside name", `,"Name":"danger"`, ``},
		{"NAME beside name", `,"NAME":"danger"`, ``},
		{"Arguments", `,"arguments":{},"Arguments":{}`, ``},
		{"URI", `,"URI":"file:///etc/passwd"`, ``},
		{"_META", `,"_META":{}`, ``},
		{"requestID", `,"requestID":1`, ``},
		{"taskid", `,"taskid":"1"`, ``},
		{"ProgressToken in _meta", `,"_meta":{"ProgressToken":1}`, ``},
		{"a version in capitals in _meta", `,"_meta":{"IO.modelcontextprotocol/protocolVersion":"2026-07-28"}`, ``},
		{"a version with a Kelvin sign in _meta", `,"_meta":{"io.modelcontextprotoc\u00adol/protocolversion":"2026-07-28"}`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, fmt.Sprintf(call, tt.params, tt.envelope), nil); got != mcp.CodeInvalidRequest {
				t.Errorf("got %d, want %d", got, mcp.CodeInvalidRequest)
			}
		})
	}
	for _, free := range []string{
		`,"arguments":{"Method":1,"method":2,"NAME":3,"params\u0000":4}`, `,"nameplate":1,"uris":[],"cursor":"c"`,
		`,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1"},"example.com/Name":1,"traceparent":"x"}`,
	} {
		if got := refusal(t, fmt.Sprintf(call, free, `,"methods":1,"x":{"Method":1}`), nil); got != 0 {
			t.Errorf("%s: got %d, want it accepted", free, got)
		}
	}
}

func TestA140DuplicateKeys(t *testing.T) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"x"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"deep":[{"a":1,"\u0061":2}]}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"x":[[{"a":1,"a":1}]]}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"progressToken":2}}}`,
	} {
		if got := refusal(t, body, nil); got != mcp.CodeParseError {
			t.Errorf("%s: got %d, want %d", body, got, mcp.CodeParseError)
		}
	}
}

func TestA142Encoding(t *testing.T) {
	const ok = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet"}}`
	tests := []struct {
		name, body string
		want       int
	}{
		{"nothing", "", mcp.CodeParseError},
		{"white space", " \n", mcp.CodeParseError},
		{"a byte order mark", "\ufeff" + ok, mcp.CodeParseError},
		{"invalid UTF-8 in a value", strings.Replace(ok, "greet", "gr\xffet", 1), mcp.CodeParseError},
		{"invalid UTF-8 in arguments", strings.Replace(ok, `"greet"`, "\"greet\",\"arguments\":{\"a\":\"\xc3\x28\"}", 1), mcp.CodeParseError},
		{"an overlong slash", strings.Replace(ok, "tools/call", "tools\xc0\xafcall", 1), mcp.CodeParseError},
		{"a lone surrogate", strings.Replace(ok, "greet", `\ud800`, 1), mcp.CodeParseError},
		{"a lone surrogate in arguments", strings.Replace(ok, `"greet"`, `"greet","arguments":{"a":"\udc00"}`, 1), mcp.CodeParseError},
		{"a raw surrogate", strings.Replace(ok, "greet", "\xed\xa0\x80", 1), mcp.CodeParseError},
		{"UTF-16", "{\x00\"\x00j\x00", mcp.CodeParseError},
		{"NUL behind the end", ok + "\x00", mcp.CodeParseError},
		{"NUL in a string", strings.Replace(ok, "greet", "gr\x00eet", 1), mcp.CodeParseError},
		{"an escaped NUL in the name", strings.Replace(ok, "greet", `greet\u0000x`, 1), mcp.CodeInvalidParams},
		{"an escaped NUL in the method", strings.Replace(ok, "tools/call", `tools/call\u0000`, 1), mcp.CodeInvalidRequest},
		{"a second value", ok + "{}", mcp.CodeParseError},
		{"a second message on the next line", ok + "\n" + ok, mcp.CodeParseError},
		{"a comment", strings.Replace(ok, "{", "{/**/", 1), mcp.CodeParseError},
		{"NaN", strings.Replace(ok, `"greet"`, `"greet","arguments":{"a":NaN}`, 1), mcp.CodeParseError},
		{"a leading zero", strings.Replace(ok, `"id":1`, `"id":01`, 1), mcp.CodeParseError},
		{"a hexadecimal number", strings.Replace(ok, `"id":1`, `"id":0x1`, 1), mcp.CodeParseError},
		{"a trailing comma", strings.Replace(ok, `"greet"}`, `"greet",}`, 1), mcp.CodeParseError},
		{"an unquoted name", `{jsonrpc:"2.0"}`, mcp.CodeParseError},
		{"single quotes", strings.ReplaceAll(ok, `"`, `'`), mcp.CodeParseError},
		{"a number of 10^6 digits as id", strings.Replace(ok, `"id":1`, `"id":`+strings.Repeat("1", 1e6), 1), mcp.CodeInvalidRequest},
		{"an escaped slash", strings.Replace(ok, "tools/call", `tools\/call`, 1), 0},
		{"an escaped letter", strings.Replace(ok, "tools/call", `\u0074ools/call`, 1), 0},
		{"an escaped member name", strings.Replace(ok, `"method"`, `"\u006dethod"`, 1), 0},
		{"white space around", " \r\n\t" + ok + "\n", 0},
		{"a surrogate pair", strings.Replace(ok, `"greet"`, `"greet","arguments":{"a":"\ud83d\ude00"}`, 1), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, tt.body, nil); got != tt.want {
				t.Fatalf("got %d, want %d", got, tt.want)
			}
			if tt.want != 0 {
				return
			}
			c, err := mcp.Limits{}.Read([]byte(tt.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if m := c.Messages[0]; m.Method != "tools/call" || m.Name != "greet" || string(c.Raw) != tt.body || string(m.Raw) != strings.TrimSpace(tt.body) {
				t.Errorf("got %+v", c)
			}
		})
	}
}

// call returns a tools/call of the tool that is called like its id.
func call(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"t` + strings.Trim(id, `"`) + `"}}`
}

// many returns a batch of n calls.
func many(n int) string {
	calls := make([]string, n)
	for i := range calls {
		calls[i] = call(fmt.Sprint(i))
	}
	return "[" + strings.Join(calls, ",") + "]"
}

func TestA143Batches(t *testing.T) {
	const answer, note = `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	tests := []struct {
		name, body, version string
		want                int
	}{
		{"one message", many(1), "2025-03-26", 0},
		{"one message without a version", many(1), "", 0},
		{"fifty messages", many(50), "", 0},
		{"a request, a notification and an answer of the same id", "[" + call("1") + "," + note + "," + answer + "]", "", 0},
		{"a number and a string that look the same", "[" + call("1") + "," + call(`"1"`) + "]", "", 0},
		{"none", "[ ]", "", mcp.CodeInvalidRequest},
		{"fifty-one messages", many(51), "", mcp.CodeInvalidRequest},
		{"ten thousand messages", many(10000), "", mcp.CodeInvalidRequest},
		{"a batch in a batch", "[" + many(1) + "]", "", mcp.CodeInvalidRequest},
		{"a number", "[1]", "", mcp.CodeInvalidRequest},
		{"the same id twice", "[" + call("1") + "," + call("1") + "]", "", mcp.CodeInvalidRequest},
		{"the same number twice", "[" + call("1") + "," + call("1.0") + "]", "", mcp.CodeInvalidRequest},
		{"ids that are the same to floating point", "[" + call("9007199254740993") + "," + call("9007199254740992") + "]", "", mcp.CodeInvalidRequest},
		{"the same string twice", "[" + call(`"a"`) + "," + call(`"\u0061"`) + "]", "", mcp.CodeInvalidRequest},
		{"two answers of the same id", "[" + answer + "," + answer + "]", "", mcp.CodeInvalidRequest},
		{"initialize", `[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]`, "", mcp.CodeInvalidRequest},
		{"a modern request", "[" + modern + "]", "", mcp.CodeInvalidRequest},
		{"a bad message behind a good one", "[" + call("1") + `,{"jsonrpc":"2.0","method":"tools/call"}]`, "", mcp.CodeInvalidRequest},
		{"a trailing comma", "[" + call("1") + ",]", "", mcp.CodeParseError},
		{"no end", "[" + call("1"), "", mcp.CodeParseError},
		{"something behind it", many(1) + "[]", "", mcp.CodeParseError},
		{"2024-11-05", many(1), "2024-11-05", mcp.CodeInvalidRequest},
		{"2025-06-18", many(1), "2025-06-18", mcp.CodeInvalidRequest},
		{"2025-11-25", many(1), "2025-11-25", mcp.CodeInvalidRequest},
		{"2026-07-28", many(1), "2026-07-28", mcp.CodeInvalidRequest},
		{"a version that does not exist", many(1), "2025-03-27", mcp.CodeUnsupportedVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, tt.body, legacy(tt.version)); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestA143BatchElements(t *testing.T) {
	c, err := mcp.Limits{}.Read([]byte(many(3)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Batch || len(c.Messages) != 3 || c.Messages[2].Name != "t2" || string(c.Messages[1].Raw) != call("1") {
		t.Errorf("got %+v", c)
	}
	if got := refusal(t, many(1), http.Header{"Mcp-Method": {"tools/call"}}); got != mcp.CodeHeaderMismatch {
		t.Errorf("Mcp-Method on a batch: got %d, want %d", got, mcp.CodeHeaderMismatch)
	}
}

func TestA144ToolsCallAsNotification(t *testing.T) {
	tests := []struct {
		name, body string
		want       int
	}{
		{"a tools/call without id", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"danger"}}`, mcp.CodeInvalidRequest},
		{"a tools/call with id null", `{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"danger"}}`, mcp.CodeInvalidRequest},
		{"any other request without id", `{"jsonrpc":"2.0","method":"x/custom"}`, mcp.CodeInvalidRequest},
		{"ping without id", `{"jsonrpc":"2.0","method":"ping"}`, mcp.CodeInvalidRequest},
		{"a notification with id", `{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}`, mcp.CodeInvalidRequest},
		{"a notification with id null", `{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}`, mcp.CodeInvalidRequest},
		{"an id of true", `{"jsonrpc":"2.0","id":true,"method":"ping"}`, mcp.CodeInvalidRequest},
		{"an id of an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, mcp.CodeInvalidRequest},
		{"an id of an array", `{"jsonrpc":"2.0","id":[1],"method":"ping"}`, mcp.CodeInvalidRequest},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 0},
		{"a fraction", `{"jsonrpc":"2.0","id":1.50,"method":"ping"}`, 0},
		{"an id beyond floating point", `{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`, 0},
		{"an empty id", `{"jsonrpc":"2.0","id":"","method":"ping"}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, tt.body, nil); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	c, err := mcp.Limits{}.Read([]byte(`{"jsonrpc":"2.0","id":1.50,"method":"ping"}`), nil)
	if err != nil || string(c.Messages[0].ID) != "1.50" {
		t.Errorf("got %+v, %v, want the id's exact bytes", c, err)
	}
}

func TestA155DepthAndSize(t *testing.T) {
	nested := func(n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"a":` +
			strings.Repeat("[", n) + strings.Repeat("]", n) + `}}}`
	}
	for n, want := range map[int]int{61: 0, 62: mcp.CodeInvalidRequest, 10_000: mcp.CodeInvalidRequest, 1_000_000: mcp.CodeInvalidRequest} {
		if got := refusal(t, nested(n), nil); got != want {
			t.Errorf("%d levels of arrays inside three objects: got %d, want %d", n, got, want)
		}
	}
	if _, err := (mcp.Limits{Depth: 100}).Read([]byte(nested(97)), nil); err != nil {
		t.Errorf("a limit of 100: %v", err)
	}
	wide := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"a":[` + strings.Repeat(`{"[":"\"]}"},`, 1000) + `0]}}}`
	quoted := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"a":"\\\"` + strings.Repeat("[", 100) + `\\\\"}}}`
	if got := refusal(t, quoted, nil); got != 0 {
		t.Errorf("brackets in a string: got %d, want them accepted", got)
	}
	if got := refusal(t, wide, nil); got != 0 {
		t.Errorf("a thousand objects side by side: got %d, want them accepted", got)
	}
	var keys bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
	}
	if got := refusal(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+keys.String()+`"name":"a"}}`, nil); got != 0 {
		t.Errorf("200,000 members: got %d, want them accepted", got)
	}
	for cut := range len(small) {
		if got := refusal(t, small[:cut], nil); got != mcp.CodeParseError {
			t.Errorf("cut at %d: got %d, want %d", cut, got, mcp.CodeParseError)
		}
	}
}
