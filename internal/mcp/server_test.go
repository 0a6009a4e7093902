package mcp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func TestPeek(t *testing.T) {
	tests := []struct {
		name, message string
		want          mcp.Envelope
	}{
		{"a result", `{"jsonrpc":"2.0","id":1,"result":{"a":[1]}}`, mcp.Envelope{Kind: mcp.Response, ID: []byte("1"), Result: []byte(`{"a":[1]}`)}},
		{"an error", `{"jsonrpc":"2.0","id":"x","error":{"code":1}}`, mcp.Envelope{Kind: mcp.Response, ID: []byte(`"x"`), Error: []byte(`{"code":1}`)}},
		{"an error about nothing", `{"jsonrpc":"2.0","error":{"code":1}}`, mcp.Envelope{Kind: mcp.Response, Error: []byte(`{"code":1}`)}},
		{"a request", `{"jsonrpc":"2.0","id":0,"method":"ping"}`, mcp.Envelope{ID: []byte("0"), Method: "ping"}},
		{"a notification of no known kind", ` {"method":"x","jsonrpc":"2.0"} `, mcp.Envelope{Kind: mcp.Notification, Method: "x"}},
		{"progress", `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","_meta":{"progressToken":"q"}}}`,
			mcp.Envelope{Kind: mcp.Notification, Method: "notifications/progress", ProgressToken: []byte(`"p"`),
				Params: []byte(`{"progressToken":"p","_meta":{"progressToken":"q"}}`)}},
		{"a request that wants progress", `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"progressToken":1,"_meta":{"progressToken":"q"}}}`,
			mcp.Envelope{ID: []byte("1"), Method: "sampling/createMessage", ProgressToken: []byte(`"q"`),
				Params: []byte(`{"progressToken":1,"_meta":{"progressToken":"q"}}`)}},
		{"a cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`,
			mcp.Envelope{Kind: mcp.Notification, Method: "notifications/cancelled", RequestID: []byte("5"), Params: []byte(`{"requestId":5}`)}},
		{"an event of a subscription", `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}`,
			mcp.Envelope{Kind: mcp.Notification, Method: "notifications/tools/list_changed", SubscriptionID: []byte("7"),
				Params: []byte(`{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}`)}},
		{"the end of a subscription", `{"jsonrpc":"2.0","id":7,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}`,
			mcp.Envelope{Kind: mcp.Response, ID: []byte("7"), SubscriptionID: []byte("7"),
				Result: []byte(`{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}`)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mcp.Peek([]byte(tt.message))
			if err != nil {
				t.Fatal(err)
			}
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(tt.want)
			if !bytes.Equal(a, b) {
				t.Errorf("got  %s\nwant %s", a, b)
			}
		})
	}
}

// unreadable are answers that no client is to see.
var unreadable = map[string]string{
	"nothing":                  ``,
	"no JSON":                  `Listening on port 80`,
	"an array":                 `[]`,
	"a member named twice":     `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}`,
	"a member in other case":   `{"jsonrpc":"2.0","id":1,"result":{},"Result":{"tools":[]}}`,
	"two values":               `{"jsonrpc":"2.0","id":1,"result":{}}{"jsonrpc":"2.0","id":2,"result":{}}`,
	"invalid UTF-8":            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}",
	"a truncated message":      `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"`,
	"a byte order mark before": "\ufeff" + `{"jsonrpc":"2.0","id":1,"result":{}}`,
}

func TestPeekRefuses(t *testing.T) {
	also := map[string]string{
		"no version":         `{"id":1,"result":{}}`,
		"a request for null": `{"jsonrpc":"2.0","id":null,"method":"ping"}`,
		"a result and more":  `{"jsonrpc":"2.0","id":1,"result":{},"method":"ping"}`,
	}
	for _, set := range []map[string]string{unreadable, also} {
		for name, message := range set {
			_, err := mcp.Peek([]byte(message))
			if _, ours := errors.AsType[*mcp.Error](err); !errors.Is(err, mcp.ErrUnreadable) || ours {
				t.Errorf("%s: got %v, want ErrUnreadable and no *Error", name, err)
			}
		}
	}
	deep := `{"jsonrpc":"2.0","id":1,"result":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`
	if _, err := mcp.Peek([]byte(deep)); err != nil {
		t.Errorf("a deep result: %v", err)
	}
}

func TestSplit(t *testing.T) {
	for body, want := range map[string][]string{
		`[{"a":[1,2]} , {"b":"]"}]`: {`{"a":[1,2]}`, `{"b":"]"}`},
		` {"a":1} `:                 {`{"a":1}`},
		`[]`:                        nil,
	} {
		got, err := mcp.Split([]byte(body))
		if err != nil || string(bytes.Join(got, []byte("|"))) != strings.Join(want, "|") {
			t.Errorf("%s: got %q, %v, want %q", body, got, err, want)
		}
	}
	for _, body := range []string{``, `[`, `[1`, `[1,]`, `[1]2`, `{}{}`, `[{"a":1,"a":1}]`, `]`} {
		if got, err := mcp.Split([]byte(body)); !errors.Is(err, mcp.ErrUnreadable) || got != nil {
			t.Errorf("%s: got %q, %v, want ErrUnreadable", body, got, err)
		}
	}
}

func TestFilterTools(t *testing.T) {
	tests := []struct{ name, message, want string }{
		{"some", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"no1"}, {"name":"yes1","x":1.0} ,  {"name":"yes2"},{"name":"no2"},{"name":"yes3"}],"nextCursor":"c"}}`,
			`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"yes1","x":1.0} ,  {"name":"yes2"},{"name":"yes3"}],"nextCursor":"c"}}`},
		{"none", `{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"no"} ]}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`},
		{"all", `{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"yes"} ]}}`, ``},
		{"an empty list", `{"jsonrpc":"2.0","id":1,"result":{"tools":[ ]}}`, ``},
		{"no list", `{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"no"}],"cacheScope":"public"}}`, ``},
		{"null for a list", `{"jsonrpc":"2.0","id":1,"result":{"tools":null}}`, ``},
		{"an error", `{"jsonrpc":"2.0","id":1,"error":{"code":1,"tools":[{"name":"no"}]}}`, ``},
		{"a shared list, scope behind", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"no"},{"name":"yes"}],"ttlMs":5,"cacheScope":"public"}}`,
			`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"yes"}],"ttlMs":5,"cacheScope":"private"}}`},
		{"a shared list, scope before", `{"result":{"cacheScope":"public" ,"tools":[{"name":"no"}]},"jsonrpc":"2.0","id":1}`,
			`{"result":{"cacheScope":"private" ,"tools":[]},"jsonrpc":"2.0","id":1}`},
		{"a private list", `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"cacheScope":"private"}}`, ``},
		{"an escaped name", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"n\u006f"},{"n\u0061me":"y\u0065s"}]}}`,
			`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"n\u0061me":"y\u0065s"}]}}`},
		{"a tool with two names", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"yes","Name":"no"}]}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`},
		{"tools without a name", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{},{"name":1},{"name":""},null,"yes",["yes"]]}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}`},
		{"names further down", `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"inputSchema":{"name":"yes"}},{"name":"yes","inputSchema":{"name":"no"}}]}}`,
			`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"yes","inputSchema":{"name":"no"}}]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message := []byte(tt.message)
			got, err := mcp.FilterTools(message, func(tool string) bool { return strings.HasPrefix(tool, "yes") })
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				tt.want = tt.message
				if &got[0] != &message[0] {
					t.Error("got a copy, want the message itself")
				}
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if string(message) != tt.message {
				t.Error("the message was changed")
			}
		})
	}
}

func TestFilterToolsAsksOnlyAboutNames(t *testing.T) {
	const message = `{"jsonrpc":"2.0","id":1,"result":{"tools":[{},{"name":1},{"name":""},null,{"name":"a"}]}}`
	got, err := mcp.FilterTools([]byte(message), func(string) bool { return true })
	if want := `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestFilterToolsRefuses(t *testing.T) {
	also := map[string]string{
		"tools by name":         `{"jsonrpc":"2.0","id":1,"result":{"tools":{"no":{}}}}`,
		"tools in other case":   `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[{"name":"no"}]}}`,
		"a scope in other case": `{"jsonrpc":"2.0","id":1,"result":{"tools":[],"cachescope":"public"}}`,
		"two names":             `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"yes","name":"no"}]}}`,
	}
	for _, set := range []map[string]string{unreadable, also} {
		for name, message := range set {
			if got, err := mcp.FilterTools([]byte(message), func(string) bool { return true }); !errors.Is(err, mcp.ErrUnreadable) || got != nil {
				t.Errorf("%s: got %s, %v, want ErrUnreadable", name, got, err)
			}
		}
	}
}
