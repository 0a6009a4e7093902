package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func TestA140CaseVariantKeysAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_a"%s}%s}`
	body := func(params, envelope string) string { return fmt.Sprintf(call, params, envelope) }
	s.run(t, key, []attack{
		{name: "Method beside method", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"drop_b"}}`, status: 400, code: mcp.CodeInvalidRequest},
		{name: "METHOD before method", body: `{"METHOD":"tools/call","jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":"drop_b"}}`, status: 400, code: mcp.CodeInvalidRequest},
		{name: "params with a long s", body: body(``, `,"param\u017f":{"name":"drop_b"}`), status: 400, code: mcp.CodeInvalidRequest},
		{name: "params with a raw long s", body: body(``, `,"paramſ":{"name":"drop_b"}`), status: 400, code: mcp.CodeInvalidRequest},
		{name: "params and NUL", body: body(``, `,"params\u0000":{"name":"drop_b"}`), status: 400, code: mcp.CodeInvalidRequest},
		{name: "Name beside name", body: body(`,"Name":"drop_b"`, ``), status: 400, code: mcp.CodeInvalidRequest},
		{name: "name twice", body: body(`,"name":"drop_b"`, ``), status: 400, code: mcp.CodeParseError},
		{name: "name twice, once escaped", body: body(`,"n\u0061me":"drop_b"`, ``), status: 400, code: mcp.CodeParseError},
		{name: "method twice", body: body(``, `,"method":"tools/list"`), status: 400, code: mcp.CodeParseError},
		{name: "params twice", body: body(``, `,"params":{"name":"drop_b"}`), status: 400, code: mcp.CodeParseError},
		{name: "Arguments beside arguments", body: body(`,"arguments":{},"Arguments":{"force":true}`, ``), status: 400, code: mcp.CodeInvalidRequest},
		{name: "an argument twice", body: body(`,"arguments":{"path":"a","path":"b"}`, ``), status: 400, code: mcp.CodeParseError},
		{name: "in the newer era", body: newer("tools/call", `,"name":"get_a","NAME":"drop_b"`), status: 400, code: mcp.CodeInvalidRequest, headers: mirrored("tools/call", "get_a")},
		{name: "in a batch", body: "[" + ping + "," + body(`,"Name":"drop_b"`, ``) + "]", status: 400, code: mcp.CodeInvalidRequest, headers: legacy("2025-03-26")},
	})
}

func TestA142EncodingOdditiesAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	ok := call("get_a")
	replaced := func(old, with string) string { return strings.Replace(ok, old, with, 1) }
	s.run(t, key, []attack{
		{name: "a byte order mark", body: "\ufeff" + ok, status: 400, code: mcp.CodeParseError},
		{name: "invalid UTF-8", body: replaced("get_a", "get_\xff"), status: 400, code: mcp.CodeParseError},
		{name: "a lone surrogate", body: replaced("get_a", `get_\ud800`), status: 400, code: mcp.CodeParseError},
		{name: "an overlong slash", body: replaced("tools/call", "tools\xc0\xafcall"), status: 400, code: mcp.CodeParseError},
		{name: "UTF-16", body: "{\x00\"\x00m\x00", status: 400, code: mcp.CodeParseError},
		{name: "NUL in the name", body: replaced("get_a", `get_a\u0000drop_b`), status: 400, code: mcp.CodeInvalidParams},
		{name: "a second value", body: ok + "{}", status: 400, code: mcp.CodeParseError},
		{name: "a second message on a line of its own", body: ok + "\n" + call("drop_b"), status: 400, code: mcp.CodeParseError},
		{name: "a comment", body: replaced("{", "{/*x*/"), status: 400, code: mcp.CodeParseError},
		{name: "NaN", body: replaced(`{}`, `{"a":NaN}`), status: 400, code: mcp.CodeParseError},
		{name: "a leading zero", body: replaced(`"id":1`, `"id":01`), status: 400, code: mcp.CodeParseError},
		{name: "a number of a million digits", body: replaced(`"id":1`, `"id":`+strings.Repeat("1", 1_000_000)), status: 400, code: mcp.CodeInvalidRequest},
		{name: "an escaped denied tool", body: replaced("get_a", `\u0064rop_b`), status: 403, code: mcp.CodeInvalidParams},
		{name: "an escaped method with a denied tool", body: strings.Replace(call("drop_b"), "tools/call", `\u0074ools\/call`, 1), status: 403, code: mcp.CodeInvalidParams},
		{name: "nothing", body: " ", status: 400, code: mcp.CodeParseError},
	})
	for _, body := range []string{
		ok, " \r\n\t" + ok + "\n", replaced("tools/call", `tools\/call`), replaced("tools/call", `\u0074ools/call`),
		replaced("get_a", `\u0067et_a`), replaced(`{}`, `{"n":1e400,"big":9007199254740993,"s":"\ud83d\ude00\u0000"}`),
	} {
		before := len(s.up.requests())
		got := s.post(key, body)
		seen := s.up.requests()[before:]
		if got.status != 200 || len(seen) != 1 || seen[0].body != body {
			t.Errorf("%q: got %d and %d requests at the server, want 200 and the exact bytes", body, got.status, len(seen))
		}
	}
}

func TestA143BatchesAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	numbered := func(id int, tool string) string {
		return strings.Replace(call(tool), `"id":1`, fmt.Sprintf(`"id":%d`, id), 1)
	}
	many := func(n int, tool string) string {
		calls := make([]string, n)
		for i := range calls {
			calls[i] = numbered(i, tool)
		}
		return "[" + strings.Join(calls, ",") + "]"
	}
	good, bad := numbered(1, "get_a"), numbered(2, "drop_b")
	old := legacy("2025-03-26")
	s.run(t, key, []attack{
		{name: "a denied element last", body: "[" + good + "," + bad + "]", status: 403, code: mcp.CodeInvalidParams, headers: old},
		{name: "a denied element first", body: "[" + bad + "," + good + "]", status: 403, code: mcp.CodeInvalidParams, headers: old},
		{name: "a denied element without a version", body: "[" + good + "," + bad + "]", status: 403, code: mcp.CodeInvalidParams},
		{name: "an element of an unknown method", body: "[" + good + `,{"jsonrpc":"2.0","id":3,"method":"x/custom"}]`, status: 400, code: mcp.CodeMethodNotFound, headers: old},
		{name: "a tools/call without an id", body: "[" + good + `,{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_a"}}]`, status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "none", body: "[]", status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "in a batch", body: "[[" + good + "]]", status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "fifty-one", body: many(51, "get_a"), status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "ten thousand", body: many(10_000, "get_a"), status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "the same id twice", body: "[" + good + "," + good + "]", status: 400, code: mcp.CodeInvalidRequest, headers: old},
		{name: "of 2025-06-18", body: many(1, "get_a"), status: 400, code: mcp.CodeInvalidRequest, headers: legacy("2025-06-18")},
		{name: "of 2025-11-25", body: many(1, "get_a"), status: 400, code: mcp.CodeInvalidRequest, headers: legacy("2025-11-25")},
		{name: "of 2026-07-28", body: many(1, "get_a"), status: 400, code: mcp.CodeInvalidRequest, headers: mirrored("tools/call", "get_a")},
	})
	before := len(s.up.requests())
	body := many(50, "get_a")
	if got := s.post(key, body, old...); got.status != 200 {
		t.Errorf("got %d for fifty allowed calls, want 200: %s", got.status, got.body)
	}
	if seen := s.up.requests()[before:]; len(seen) != 1 || seen[0].body != body {
		t.Errorf("got %d requests at the server, want the batch as it was", len(seen))
	}
}

func TestA144ToolsCallAsANotificationAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	const params = `"method":"tools/call","params":{"name":"%s","arguments":{}}}`
	for _, tools := range []string{restricted, "*"} { // nobody would learn what an allowed one did either
		_, key := s.mint(tools)
		var attacks []attack
		for _, tool := range []string{"get_a", "drop_b"} {
			rest := fmt.Sprintf(params, tool)
			attacks = append(
				attacks,
				attack{name: "no id, " + tool, body: `{"jsonrpc":"2.0",` + rest, status: 400, code: mcp.CodeInvalidRequest},
				attack{name: "id null, " + tool, body: `{"jsonrpc":"2.0","id":null,` + rest, status: 400, code: mcp.CodeInvalidRequest},
				attack{name: "id true, " + tool, body: `{"jsonrpc":"2.0","id":true,` + rest, status: 400, code: mcp.CodeInvalidRequest},
				attack{
					name: "no id in the newer era, " + tool, status: 400, code: mcp.CodeInvalidRequest, headers: mirrored("tools/call", tool),
					body: strings.Replace(newer("tools/call", `,"name":"`+tool+`"`), `"id":1,`, "", 1),
				},
			)
		}
		s.run(t, key, attacks)
	}
}
