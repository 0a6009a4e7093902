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
