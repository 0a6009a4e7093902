package mcp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func TestEdit(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"id","_meta":{"progressToken":7},"arguments":{"id":1,"progressToken":2}}}`
	tests := []struct {
		name, message string
		edit          mcp.Edit
		want          string
	}{
		{"an id", call, mcp.Edit{ID: []byte("42")}, strings.Replace(call, `"mine"`, `42`, 1)},
		{"an id and a progress token", call, mcp.Edit{ID: []byte("42"), ProgressToken: []byte(`"t"`)},
			strings.Replace(strings.Replace(call, `"mine"`, `42`, 1), `"progressToken":7`, `"progressToken":"t"`, 1)},
		{"a token before the id", `{"params":{"_meta":{"progressToken":7}},"id":1,"method":"ping","jsonrpc":"2.0"}`,
			mcp.Edit{ID: []byte("22"), ProgressToken: []byte("77")}, `{"params":{"_meta":{"progressToken":77}},"id":22,"method":"ping","jsonrpc":"2.0"}`},
		{"progress", `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"_meta":{"progressToken":1}}}`,
			mcp.Edit{ProgressToken: []byte(`"p"`)}, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","_meta":{"progressToken":1}}}`},
		{"a cancellation", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"r"}}`,
			mcp.Edit{RequestID: []byte(`"a"`)}, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a","reason":"r"}}`},
		{"an event of a subscription", `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":9}}}`,
			mcp.Edit{SubscriptionID: []byte(`"s"`)}, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`},
		{"the end of a subscription", `{"jsonrpc":"2.0","id":9,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":9}}}`,
			mcp.Edit{ID: []byte(`"s"`), SubscriptionID: []byte(`"s"`)}, `{"jsonrpc":"2.0","id":"s","result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}`},
		{"white space around", " " + call + "\t", mcp.Edit{}, call},
		{"a null id of an error", `{"jsonrpc":"2.0","id":null,"error":{}}`, mcp.Edit{ID: []byte("1")}, `{"jsonrpc":"2.0","id":1,"error":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message := []byte(tt.message)
			got, err := tt.edit.Line(message)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			if string(message) != tt.message {
				t.Error("the message was changed")
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for name, edit := range map[string]mcp.Edit{
		"a token that is not there":        {ProgressToken: []byte("1")},
		"a request id that is not there":   {RequestID: []byte("1")},
		"a subscription that is not there": {SubscriptionID: []byte("1")},
		"an id that is an object":          {ID: []byte("{}")},
		"an id that is no JSON":            {ID: []byte(`1,"method":"x"`)},
		"an empty id":                      {ID: []byte{}},
	} {
		if got, err := edit.Line([]byte(call)); err == nil {
			t.Errorf("%s: got %s, want an error", name, got)
		}
	}
	for name, message := range unreadable {
		if got, err := mcp.Line([]byte(message)); !errors.Is(err, mcp.ErrUnreadable) {
			t.Errorf("%s: got %s, %v, want ErrUnreadable", name, got, err)
		}
	}
}

func TestA187NewlineFraming(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"t":"x\ny"}}}`
	tests := []struct{ name, message, want string }{
		{"pretty print", "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\r  \"method\": \"tools/call\",\n\n\t\"params\": {\"name\": \"a\", \"arguments\": {\"t\": \"x\\ny\"}}\n}\n", call},
		{"carriage returns only", strings.ReplaceAll(call, ":{", "\r:\r{"), call},
		{"one line already", call, call},
		{"line separators of Unicode", strings.Replace(call, `x\ny`, "x\u2028{}\u2029y\u0085", 1), strings.Replace(call, `x\ny`, `x\u2028{}\u2029y\u0085`, 1)},
		{"a number in its own way", "{\"jsonrpc\":\"2.0\",\n\"id\":1.50,\"method\":\"ping\",\"params\":{\"x\":1e400,\"y\":\"\\/\\u0041\"}}",
			`{"jsonrpc":"2.0","id":1.50,"method":"ping","params":{"x":1e400,"y":"\/\u0041"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := (mcp.Limits{}).Read([]byte(tt.message), nil); err != nil {
				t.Fatal(err)
			}
			got, err := mcp.Line([]byte(tt.message))
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
	for _, message := range []string{
		call + "\n" + strings.Replace(call, `"a"`, `"danger"`, 1),
		call + call,
		call + "\r" + call,
		call + "\u2028" + call,
	} {
		if got := refusal(t, message, nil); got != mcp.CodeParseError {
			t.Errorf("%q: got %d, want %d", message, got, mcp.CodeParseError)
		}
		if got, err := mcp.Line([]byte(message)); err == nil {
			t.Errorf("%q: got the line %s", message, got)
		}
	}
}
