package mcp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func TestReadMessage(t *testing.T) {
	long := strings.Repeat("é", 40)
	tests := []struct {
		name, body string
		want       mcp.Message
	}{
		{"a modern call", modern, mcp.Message{ID: []byte("1"), Method: "tools/call", Name: "echo", Version: "2026-07-28", Client: "test"}},
		{"members in any order", `{"params":{"arguments":{"name":"x"},"name":"a"},"method":"tools/call","id":"é","jsonrpc":"2.0"}`,
			mcp.Message{ID: []byte(`"é"`), Method: "tools/call", Name: "a"}},
		{"a prompt", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p","uri":"u"}}`,
			mcp.Message{ID: []byte("1"), Method: "prompts/get", Name: "p"}},
		{"a resource", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:\/\/\/a","name":"n"}}`,
			mcp.Message{ID: []byte("1"), Method: "resources/read", Name: "file:///a"}},
		{"a subscription", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"u"}}`,
			mcp.Message{ID: []byte("1"), Method: "resources/subscribe", Name: "u"}},
		{"a task", `{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"t"}}`,
			mcp.Message{ID: []byte("1"), Method: "tasks/result", Name: "t", Handles: true}},
		{"a page", `{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"cursor":"c"}}`, mcp.Message{ID: []byte("1"), Method: "prompts/list", Handles: true}},
		{"no page", `{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"cursor":null}}`, mcp.Message{ID: []byte("1"), Method: "prompts/list"}},
		{"what is no cursor", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","cursor":1}}`, mcp.Message{ID: []byte("1"), Method: "tools/call", Name: "a"}},
		{"a related task", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}`,
			mcp.Message{ID: []byte("1"), Method: "ping", Handles: true}},
		{"a result that is related to a task", `{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}`,
			mcp.Message{Kind: mcp.Response, ID: []byte("1"), Handles: true}},
		{"a subscription of nothing", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{}}`, mcp.Message{ID: []byte("1"), Method: "resources/subscribe"}},
		{"a method that nobody knows", `{"jsonrpc":"2.0","id":1,"method":"x/custom","params":{"name":1,"uri":[]}}`,
			mcp.Message{ID: []byte("1"), Method: "x/custom"}},
		{"null for nothing", `{"jsonrpc":"2.0","id":1,"method":"ping","params":null}`, mcp.Message{ID: []byte("1"), Method: "ping"}},
		{"null for no _meta", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":null}}`, mcp.Message{ID: []byte("1"), Method: "ping"}},
		{"null for no token", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":null}}}`, mcp.Message{ID: []byte("1"), Method: "ping"}},
		{"a progress token", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":1.0}}}`,
			mcp.Message{ID: []byte("1"), Method: "ping", ProgressToken: []byte("1.0")}},
		{"a cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r"}}`,
			mcp.Message{Kind: mcp.Notification, Method: "notifications/cancelled", Target: []byte(`"r"`)}},
		{"initialize", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","clientInfo":{"title":"T","name":"a\u001b[31m\u202eb"}}}`,
			mcp.Message{ID: []byte("0"), Method: "initialize", Version: "2025-06-18", Client: "a[31mb"}},
		{"a long client name", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"` + long + `"}}}`,
			mcp.Message{ID: []byte("0"), Method: "initialize", Client: long[:64]}},
		{"a client without a name", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":"x"}}`, mcp.Message{ID: []byte("0"), Method: "initialize"}},
		{"a result", `{"jsonrpc":"2.0","id":"s","result":{"roots":[]}}`, mcp.Message{Kind: mcp.Response, ID: []byte(`"s"`)}},
		{"an error", `{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"m"}}`, mcp.Message{Kind: mcp.Response, ID: []byte("3")}},
		{"an error about nothing", `{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}`, mcp.Message{Kind: mcp.Response}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.body == modern {
				h = modernHeader("tools/call", "echo")
			}
			c, err := mcp.Limits{}.Read([]byte(tt.body), h)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Raw = []byte(tt.body)
			if len(c.Messages) != 1 || !reflect.DeepEqual(c.Messages[0], tt.want) {
				t.Errorf("got %+v, want %+v", c.Messages, tt.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		want       int
	}{
		{"a string", `"x"`, mcp.CodeInvalidRequest},
		{"null", `null`, mcp.CodeInvalidRequest},
		{"an empty object", `{}`, mcp.CodeInvalidRequest},
		{"no jsonrpc", `{"id":1,"method":"ping"}`, mcp.CodeInvalidRequest},
		{"jsonrpc 1.0", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, mcp.CodeInvalidRequest},
		{"jsonrpc 2", `{"jsonrpc":2.0,"id":1,"method":"ping"}`, mcp.CodeInvalidRequest},
		{"neither method nor answer", `{"jsonrpc":"2.0","id":1}`, mcp.CodeInvalidRequest},
		{"a method and a result", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"result":{}}`, mcp.CodeInvalidRequest},
		{"a method and an error", `{"jsonrpc":"2.0","id":1,"method":"ping","error":{}}`, mcp.CodeInvalidRequest},
		{"a result and an error", `{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`, mcp.CodeInvalidRequest},
		{"a result with params", `{"jsonrpc":"2.0","id":1,"result":{},"params":{"name":"a"}}`, mcp.CodeInvalidRequest},
		{"a result without id", `{"jsonrpc":"2.0","result":{}}`, mcp.CodeInvalidRequest},
		{"a result for null", `{"jsonrpc":"2.0","id":null,"result":{}}`, mcp.CodeInvalidRequest},
		{"an error for an array", `{"jsonrpc":"2.0","id":[1],"error":{}}`, mcp.CodeInvalidRequest},
		{"an error that is a string", `{"jsonrpc":"2.0","id":1,"error":"e"}`, mcp.CodeInvalidRequest},
		{"a method that is a number", `{"jsonrpc":"2.0","id":1,"method":1}`, mcp.CodeInvalidRequest},
		{"a method that is null", `{"jsonrpc":"2.0","id":1,"method":null,"result":{}}`, mcp.CodeInvalidRequest},
		{"an empty method", `{"jsonrpc":"2.0","id":1,"method":""}`, mcp.CodeInvalidRequest},
		{"params by position", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["danger"]}`, mcp.CodeInvalidParams},
		{"params that are a string", `{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}`, mcp.CodeInvalidParams},
		{"a call of nothing", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, mcp.CodeInvalidParams},
		{"a call without params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, mcp.CodeInvalidParams},
		{"a call with null params", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}`, mcp.CodeInvalidParams},
		{"a call of a number", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}`, mcp.CodeInvalidParams},
		{"a call of an array", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}`, mcp.CodeInvalidParams},
		{"a call of the empty name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}`, mcp.CodeInvalidParams},
		{"a resource without URI", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"x"}}`, mcp.CodeInvalidParams},
		{"a line feed in a URI", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a\nb"}}`, mcp.CodeInvalidParams},
		{"a _meta that is an array", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}`, mcp.CodeInvalidParams},
		{"a progress token that is an object", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":{}}}}`, mcp.CodeInvalidParams},
		{"a cancellation of an array", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}`, mcp.CodeInvalidParams},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, tt.body, nil); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestErrorJSON(t *testing.T) {
	tests := []struct{ name, body, version, want string }{
		{"the id as it was sent", `{"jsonrpc":"2.0","id":1.0,"method":"tools/call"}`, "",
			`{"jsonrpc":"2.0","id":1.0,"error":{"code":-32602,"message":"The params must name what the call is about, as a string."}}`},
		{"no id for what is not JSON", `{"jsonrpc":"2.0","id":1,"method":"ping",}`, "",
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"The body is not strict JSON: invalid syntax at byte 39."}}`},
		{"a member named twice", `{"id":1,"id":2}`, "",
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"The body is not strict JSON: a member is named twice at byte 8."}}`},
		{"the versions that are spoken", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, `v"9`,
			`{"jsonrpc":"2.0","id":"a","error":{"code":-32022,"message":"Unsupported protocol version.","data":{"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],"requested":"v\"9"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mcp.Limits{}.Read([]byte(tt.body), legacy(tt.version))
			e, ok := errors.AsType[*mcp.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if got := string(e.JSON()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	e := &mcp.Error{Status: 500, Code: mcp.CodeInternalError, Message: "a \"quote\"\n\xff"}
	if !json.Valid(e.JSON()) || e.Error() != "-32603: "+e.Message {
		t.Errorf("got %s and %s", e.JSON(), e.Error())
	}
}

func TestKnown(t *testing.T) {
	for method, want := range map[string]bool{
		"tools/call": true, "server/discover": true, "tasks/cancel": true, "notifications/initialized": true, "initialize": true,
		"": false, "Tools/call": false, "sampling/createMessage": false, "notifications/message": false, "rpc.discover": false,
	} {
		if got := mcp.Known(method); got != want {
			t.Errorf("Known(%q): got %v, want %v", method, got, want)
		}
	}
}

func TestReadLeavesTheBodyAlone(t *testing.T) {
	body := []byte(" " + modern + "\n")
	before := string(body)
	c, err := mcp.Limits{}.Read(body, modernHeader("tools/call", "echo"))
	if err != nil || string(body) != before || &c.Raw[0] != &body[0] {
		t.Errorf("the body was changed or copied: %v", err)
	}
	if m := c.Messages[0]; cap(m.Raw) != len(m.Raw) || cap(m.ID) != len(m.ID) {
		t.Error("appending to a part would write into the body")
	}
}
