package mcp_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// ofOurs opens what begins with "h-".
func ofOurs() mcp.Handles {
	open := func(handle string) (string, bool) { return strings.CutPrefix(handle, "h-") }
	return mcp.Handles{Cursor: open, Task: open}
}

func TestHandlesOpen(t *testing.T) {
	ask := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
	}
	related := func(id string) string {
		return `"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"` + id + `"}}`
	}
	tests := []struct{ name, message, want string }{ // an empty want: refused
		{"a cursor", ask("tools/list", `{"cursor":"h-c"}`), ask("tools/list", `{"cursor":"c"}`)},
		{"another's cursor", ask("resources/templates/list", `{"cursor":"c"}`), ``},
		{"an empty cursor", ask("tools/list", `{"cursor":""}`), ask("tools/list", `{"cursor":""}`)},
		{"a task", ask("tasks/get", `{"taskId":"h-\u0074"}`), ask("tasks/get", `{"taskId":"t"}`)},
		{"another's task", ask("tasks/cancel", `{"taskId":"t"}`), ``},
		{"tasks to listen to", ask("subscriptions/listen", `{"notifications":{"taskIds":["h-a", "h-b"]}}`), ask("subscriptions/listen", `{"notifications":{"taskIds":["a", "b"]}}`)},
		{"one that is another's", ask("subscriptions/listen", `{"notifications":{"taskIds":["h-a","b"]}}`), ``},
		{"a related task", ask("tools/call", `{"name":"x",`+related("h-t")+`}`), ask("tools/call", `{"name":"x",`+related("t")+`}`)},
		{"another's related task", ask("tools/call", `{"name":"x",`+related("t")+`}`), ``},
		{"a response to a task of ours", `{"jsonrpc":"2.0","id":1,"result":{` + related("h-t") + `}}`, `{"jsonrpc":"2.0","id":1,"result":{` + related("t") + `}}`},
		{"a response about a task of the client's", `{"jsonrpc":"2.0","id":1,"result":{` + related("own") + `}}`, `{"jsonrpc":"2.0","id":1,"result":{` + related("own") + `}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := mcp.Limits{}.Read([]byte(tt.message), nil)
			if err != nil {
				t.Fatal(err)
			}
			m := &c.Messages[0]
			if !m.Handles {
				if tt.message != tt.want {
					t.Fatal("the reader saw no handle")
				}
			}
			err = ofOurs().Open(m)
			if tt.want == "" {
				e, ok := errors.AsType[*mcp.Error](err)
				if !ok || e.Code != mcp.CodeInvalidParams || string(e.ID) != "1" {
					t.Errorf("got %v, %s, want a refusal", err, m.Raw)
				}
				return
			}
			if err != nil || string(m.Raw) != tt.want {
				t.Errorf("got %s, %v, want %s", m.Raw, err, tt.want)
			}
			mirror, err := m.Mirror()
			if strings.HasPrefix(m.Method, "tasks/") != (mirror == "t") || err != nil {
				t.Errorf("got %q, %v for Mcp-Name", mirror, err)
			}
		})
	}
}

func TestWhatMessagesAreAbout(t *testing.T) {
	tests := []struct {
		name, method, params string
		want                 []mcp.Subject
	}{
		{"a call", "tools/call", `{"name":"a"}`, []mcp.Subject{{Kind: mcp.Tool, Name: "a"}}},
		{"a prompt", "prompts/get", `{"name":"a"}`, []mcp.Subject{{Kind: mcp.Prompt, Name: "a"}}},
		{"a resource", "resources/read", `{"uri":"u"}`, []mcp.Subject{{Kind: mcp.Resource, Name: "u"}}},
		{"a subscription", "resources/subscribe", `{"uri":"u"}`, []mcp.Subject{{Kind: mcp.Resource, Name: "u"}}},
		{"a subscription to nothing", "resources/subscribe", `{}`, []mcp.Subject{{Kind: mcp.Resource}}},
		{"the end of one", "resources/unsubscribe", `{"uri":"u"}`, []mcp.Subject{{Kind: mcp.Resource, Name: "u"}}},
		{"an argument of a prompt", "completion/complete", `{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"v"}}`, []mcp.Subject{{Kind: mcp.Prompt, Name: "p"}}},
		{"a variable of a template", "completion/complete", `{"ref":{"type":"ref\/resource","uri":"file:///{x}"}}`, []mcp.Subject{{Kind: mcp.Template, Name: "file:///{x}"}}},
		{"a resource as a template", "completion/complete", `{"ref":{"uri":"file:///x","type":"ref/resource","name":null}}`, []mcp.Subject{{Kind: mcp.Resource, Name: "file:///x"}}},
		{"resources to listen to", "subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a","\u0062"],"taskIds":null}}`, []mcp.Subject{{Kind: mcp.Resource, Name: "a"}, {Kind: mcp.Resource, Name: "b"}}},
		{"changes of lists to listen to", "subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`, nil},
		{"a list", "tools/list", `{"name":"a","uri":"u"}`, nil},
		{"a task", "tasks/get", `{"taskId":"t","name":"a"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := mcp.Limits{}.Read([]byte(`{"params":`+tt.params+`,"jsonrpc":"2.0","id":1,"method":"`+tt.method+`"}`), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Messages[0].About(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestA150WhatIsNotClearlyAboutSomething(t *testing.T) {
	many := `"u"` + strings.Repeat(`,"u"`, 1000)
	for _, tt := range []struct {
		name, method, params string
		want                 int
	}{
		{"no ref", "completion/complete", `{}`, mcp.CodeInvalidParams},
		{"a ref of a kind that nobody knows", "completion/complete", `{"ref":{"type":"ref/tool","name":"a"}}`, mcp.CodeInvalidParams},
		{"a prompt without a name", "completion/complete", `{"ref":{"type":"ref/prompt","uri":"u"}}`, mcp.CodeInvalidParams},
		{"both kinds", "completion/complete", `{"ref":{"type":"ref/prompt","name":"a","uri":"u"}}`, mcp.CodeInvalidParams},
		{"a name that is a number", "completion/complete", `{"ref":{"type":"ref/prompt","name":1}}`, mcp.CodeInvalidParams},
		{"a name of nothing", "completion/complete", `{"ref":{"type":"ref/prompt","name":""}}`, mcp.CodeInvalidParams},
		{"a ref in other case", "completion/complete", `{"ref":{"type":"ref/prompt","name":"a"},"Ref":{}}`, mcp.CodeInvalidRequest},
		{"a name in other case", "completion/complete", `{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}`, mcp.CodeInvalidRequest},
		{"two refs", "completion/complete", `{"ref":{"type":"ref/prompt","name":"a"},"ref":{}}`, mcp.CodeParseError},
		{"nothing to listen to", "subscriptions/listen", `{}`, mcp.CodeInvalidParams},
		{"a URI instead of a list", "subscriptions/listen", `{"notifications":{"resourceSubscriptions":"u"}}`, mcp.CodeInvalidParams},
		{"a list of something else", "subscriptions/listen", `{"notifications":{"resourceSubscriptions":["u",{"uri":"v"}]}}`, mcp.CodeInvalidParams},
		{"a list in other case", "subscriptions/listen", `{"notifications":{"ResourceSubscriptions":["u"]}}`, mcp.CodeInvalidRequest},
		{"a filter in other case", "subscriptions/listen", `{"notifications":{},"Notifications":{"resourceSubscriptions":["u"]}}`, mcp.CodeInvalidRequest},
		{"more than can be judged", "subscriptions/listen", `{"notifications":{"resourceSubscriptions":[` + many + `]}}`, mcp.CodeInvalidParams},
		{"a URI with NUL", "subscriptions/listen", `{"notifications":{"resourceSubscriptions":["u\u0000"]}}`, mcp.CodeInvalidParams},
		{"a task of no name", "tasks/get", `{"taskId":""}`, mcp.CodeInvalidParams},
		{"no task", "tasks/result", `{}`, mcp.CodeInvalidParams},
		{"a task that is a number", "tasks/cancel", `{"taskId":1}`, mcp.CodeInvalidParams},
		{"a cursor that is a number", "tools/list", `{"cursor":1}`, mcp.CodeInvalidParams},
		{"a cursor in other case", "tools/list", `{"Cursor":"c"}`, mcp.CodeInvalidRequest},
		{"a related task that is a number", "ping", `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":1}}}`, mcp.CodeInvalidParams},
		{"a related task in other case", "ping", `{"_meta":{"io.modelcontextprotocol/Related-Task":{"taskId":"t"}}}`, mcp.CodeInvalidRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, `{"jsonrpc":"2.0","id":1,"method":"`+tt.method+`","params":`+tt.params+`}`, nil); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
