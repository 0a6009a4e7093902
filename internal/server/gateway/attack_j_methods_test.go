package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// TestA150DefaultDenyAtTheGateway sends what no client has to send a server,
// under a key that may call one tool and one that may call all. The table of
// what passes is the guard's test.
func TestA150DefaultDenyAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	strangers := []string{
		"sampling/createMessage", "elicitation/create", "roots/list", "x/custom", "rpc.discover", "tools/delete",
		"Tools/Call", "tools/call ", "tools/call/", "tools/c\u0430ll", "tools/call\u200b",
	}
	for _, tools := range []string{restricted, "*"} {
		_, key := s.mint(tools)
		var attacks []attack
		for _, method := range strangers {
			params := `{"name":"drop_b","arguments":{}}`
			attacks = append(attacks, attack{
				name: fmt.Sprintf("%+q for %s", method, tools), headers: legacy("2025-11-25"), status: 200, code: mcp.CodeMethodNotFound,
				body: `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`,
			})
			if strings.TrimSpace(method) == method && strings.IndexFunc(method, func(r rune) bool { return r > 127 }) < 0 { // fits a header
				attacks = append(attacks, attack{
					name: method + " in the newer era for " + tools, headers: mirrored(method, ""), status: 404, code: mcp.CodeMethodNotFound,
					body: newer(method, `,"name":"drop_b"`),
				})
			}
		}
		s.run(t, key, append(
			attacks,
			attack{name: "a server's notification, " + tools, body: `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`, status: 400, code: mcp.CodeMethodNotFound},
			attack{name: "an unknown notification, " + tools, body: `{"jsonrpc":"2.0","method":"notifications/x"}`, status: 400, code: mcp.CodeMethodNotFound},
			attack{name: "no method, " + tools, body: `{"jsonrpc":"2.0","id":1}`, status: 400, code: mcp.CodeInvalidRequest},
			attack{name: "an answer in the newer era, " + tools, headers: mirrored("", "")[:2], body: `{"jsonrpc":"2.0","id":1,"result":{}}`, status: 400, code: mcp.CodeInvalidRequest},
		))
	}
}

// TestA150ToolsOutOfReach calls tools that a restricted key has not got.
func TestA150ToolsOutOfReach(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	_, nothing, err := s.keyless()
	if err != nil {
		t.Fatal(err)
	}
	attacks := make([]attack, 0, 16)
	for _, tool := range []string{"drop_b", "Get_a", " get_a", "get", "*", "get\u200b_a", "\uff47et_a", "x/get_a"} {
		attacks = append(
			attacks,
			attack{name: fmt.Sprintf("%+q", tool), body: call(tool), status: 403, code: mcp.CodeInvalidParams},
			attack{
				name: fmt.Sprintf("%+q in the newer era", tool), status: 403, code: mcp.CodeInvalidParams,
				body: newer("tools/call", `,"name":"`+tool+`"`), headers: mirrored("tools/call", wrapped(tool)),
			},
		)
	}
	s.run(t, key, append(
		attacks,
		attack{name: "an empty name", body: call(""), status: 400, code: mcp.CodeInvalidParams},
		attack{name: "no name", body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, status: 400, code: mcp.CodeInvalidParams},
		attack{name: "no params", body: `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, status: 400, code: mcp.CodeInvalidParams},
		attack{name: "a name that is a list", body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["get_a"]}}`, status: 400, code: mcp.CodeInvalidParams},
	))
	s.run(t, nothing, []attack{{name: "any tool, by a key for none", body: call("get_a"), status: 403, code: mcp.CodeInvalidParams}})
}
