package mcp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// yes shows what is called so, and gives handles to everything of its caller's.
func yes() *mcp.Filter {
	begins := func(name string) bool {
		return strings.HasPrefix(name, "yes") || strings.HasPrefix(name, "file:///yes")
	}
	return &mcp.Filter{
		Shown:     func(_ mcp.Primitive, name string) bool { return begins(name) },
		Completes: begins,
		Cursor:    func(c string) string { return "h-" + c },
		Task:      func(id string, answer bool) (string, bool) { return "h-" + id, answer || begins(id) },
	}
}

// answer is a response with a result.
func answer(result string) string { return `{"jsonrpc":"2.0","id":1,"result":` + result + `}` }

// notice is a notification.
func notice(method, params string) string {
	return `{"jsonrpc":"2.0","method":"` + method + `","params":` + params + `}`
}

// filters holds a filter to what it makes of messages; an empty want: the same
// bytes, not copied.
func filters(t *testing.T, f *mcp.Filter, tests []struct{ name, message, want string }) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message := []byte(tt.message)
			got, ok, err := f.Message(message)
			if err != nil || !ok {
				t.Fatalf("got %v, %v", ok, err)
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

func TestFilterTakesFromLists(t *testing.T) {
	filters(t, yes(), []struct{ name, message, want string }{
		{"some tools", answer(`{"tools":[{"name":"no1"}, {"name":"yes1","x":1.0} ,  {"name":"yes2"},{"name":"no2"},{"name":"yes3"}]}`),
			answer(`{"tools":[{"name":"yes1","x":1.0} ,  {"name":"yes2"},{"name":"yes3"}]}`)},
		{"all tools", answer(`{"tools":[ {"name":"no"} ]}`), answer(`{"tools":[]}`)},
		{"none", answer(`{"tools":[ {"name":"yes"} ]}`), ``},
		{"an empty list", answer(`{"tools":[ ]}`), ``},
		{"prompts", answer(`{"prompts":[{"name":"no"},{"name":"yes","arguments":[{"name":"no"}]}]}`), answer(`{"prompts":[{"name":"yes","arguments":[{"name":"no"}]}]}`)},
		{"resources, whatever they are called", answer(`{"resources":[{"name":"yes","uri":"file:///no"},{"uri":"file:///yes","name":"no"}]}`), answer(`{"resources":[{"uri":"file:///yes","name":"no"}]}`)},
		{"templates", answer(`{"resourceTemplates":[{"uriTemplate":"file:///{no}","uri":"yes"},{"uriTemplate":"file:///yes/{x}"}]}`), answer(`{"resourceTemplates":[{"uriTemplate":"file:///yes/{x}"}]}`)},
		{"two lists at once", answer(`{"tools":[{"name":"no"}],"prompts":[{"name":"yes"},{"name":"no"}]}`), answer(`{"tools":[],"prompts":[{"name":"yes"}]}`)},
		{"null for a list", answer(`{"tools":null}`), ``},
		{"an error", `{"jsonrpc":"2.0","id":1,"error":{"code":1,"tools":[{"name":"no"}]}}`, ``},
		{"an escaped name", answer(`{"tools":[{"name":"n\u006f"},{"n\u0061me":"y\u0065s"}]}`), answer(`{"tools":[{"n\u0061me":"y\u0065s"}]}`)},
		{"an escaped list", answer(`{"t\u006fols":[{"name":"no"}]}`), answer(`{"t\u006fols":[]}`)},
		{"a tool with two names", answer(`{"tools":[{"name":"yes","Name":"no"}]}`), answer(`{"tools":[]}`)},
		{"a resource with two URIs", answer(`{"resources":[{"uri":"yes","URI":"no"}]}`), answer(`{"resources":[]}`)},
		{"what has no name", answer(`{"tools":[{},{"name":1},{"name":""},null,"yes",["yes"]]}`), answer(`{"tools":[]}`)},
		{"names further down", answer(`{"tools":[{"inputSchema":{"name":"yes"}},{"name":"yes","inputSchema":{"name":"no"}}]}`),
			answer(`{"tools":[{"name":"yes","inputSchema":{"name":"no"}}]}`)},
		{"lists below", answer(`{"capabilities":{"tools":{},"prompts":{"listChanged":true}},"structuredContent":{"tools":[{"name":"no"}]}}`), ``},
	})
}

func TestFilterMakesListsPrivate(t *testing.T) {
	open := yes()
	open.Private = true
	filters(t, yes(), []struct{ name, message, want string }{
		{"scope behind", answer(`{"tools":[{"name":"no"}],"ttlMs":5,"cacheScope":"public"}`), answer(`{"tools":[],"ttlMs":5,"cacheScope":"private"}`)},
		{"scope before", answer(`{"cacheScope":"public" ,"prompts":[]}`), answer(`{"cacheScope":"private" ,"prompts":[]}`)},
		{"private already", answer(`{"tools":[],"cacheScope":"private"}`), ``},
		{"a scope of another kind", answer(`{"tools":[],"cacheScope":null}`), answer(`{"tools":[],"cacheScope":"private"}`)},
		{"no scope, of a revision without", answer(`{"tools":[]}`), ``},
	})
	filters(t, open, []struct{ name, message, want string }{
		{"no scope is public", answer(`{"tools":[]}`), answer(`{"cacheScope":"private","tools":[]}`)},
		{"what was read", answer(` { "contents":[]}`), answer(` {"cacheScope":"private", "contents":[]}`)},
		{"what is not cached", answer(`{"content":[]}`), ``},
		{"tasks", answer(`{"tasks":[]}`), ``},
	})
}

func TestFilterGivesHandles(t *testing.T) {
	filters(t, yes(), []struct{ name, message, want string }{
		{"a cursor", answer(`{"tools":[],"nextCursor":"c\u0031"}`), answer(`{"tools":[],"nextCursor":"h-c1"}`)},
		{"an empty cursor", answer(`{"tools":[],"nextCursor":""}`), ``},
		{"no cursor", answer(`{"tools":[],"nextCursor":null}`), ``},
		{"a new task", answer(`{"task":{"taskId":"no","status":"working"}}`), answer(`{"task":{"taskId":"h-no","status":"working"}}`)},
		{"a new task of 2026-07-28", answer(`{"resultType":"task","taskId":"no"}`), answer(`{"resultType":"task","taskId":"h-no"}`)},
		{"a result of a task", answer(`{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"no"}}}`),
			answer(`{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"h-no"}}}`)},
		{"a list of tasks", answer(`{"tasks":[{"taskId":"no"},{"status":"working","taskId":"yes1"}, {"taskId":"yes2"},{"taskId":"yes3","TaskID":"x"}]}`),
			answer(`{"tasks":[{"status":"working","taskId":"h-yes1"},{"taskId":"h-yes2"}]}`)},
		{"a status", notice("notifications/tasks/status", `{"taskId":"yes","status":"completed"}`), notice("notifications/tasks/status", `{"taskId":"h-yes","status":"completed"}`)},
		{"a status of 2026-07-28", notice(`notifications\/tasks`, `{"taskId":"yes"}`), notice(`notifications\/tasks`, `{"taskId":"h-yes"}`)},
		{"progress of another's task", notice("notifications/progress", `{"progressToken":1,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"no"}}}`),
			notice("notifications/progress", `{"progressToken":1,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"unknown"}}}`)},
		{"a request that is related to a task", `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"yes"}}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"h-yes"}}}}`},
		{"a request about the client's own task", `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"no"}}`, ``},
		{"what is acknowledged", notice("notifications/subscriptions/acknowledged", `{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///no","file:///yes"],"taskIds":["no","yes"]}}`),
			notice("notifications/subscriptions/acknowledged", `{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///yes"],"taskIds":["h-yes"]}}`)},
		{"nothing acknowledged", notice("notifications/subscriptions/acknowledged", `{"notifications":{}}`), ``},
		{"a log message", notice("notifications/message", `{"level":"info","data":"no"}`), ``},
		{"values that complete", answer(`{"completion":{"values":["no","yes1","yes2"],"total":3,"hasMore":true}}`), answer(`{"completion":{"values":["yes1","yes2"],"total":2,"hasMore":true}}`)},
		{"all values", answer(`{"completion":{"values":["yes1"],"total":9}}`), ``},
	})
}

func TestFilterDropsNews(t *testing.T) {
	for _, message := range []string{
		notice("notifications/resources/updated", `{"uri":"file:///no"}`),
		notice(`notifications\/resources\/updated`, `{"uri":"file:\/\/\/no"}`),
		notice("notifications/resources/updated", `{}`),
		notice("notifications/resources/updated", `{"uri":["file:///yes"]}`),
		`{"jsonrpc":"2.0","method":"notifications/resources/updated"}`,
		notice("notifications/tasks/status", `{"taskId":"no"}`),
		notice("notifications/tasks", `{"status":"working"}`),
	} {
		if got, ok, err := yes().Message([]byte(message)); ok || err != nil || got != nil {
			t.Errorf("%s: got %s, %v, %v, want it dropped", message, got, ok, err)
		}
	}
	if _, ok, err := yes().Message([]byte(notice("notifications/resources/updated", `{"uri":"file:///yes"}`))); !ok || err != nil {
		t.Errorf("got %v, %v for what may be seen", ok, err)
	}
	none := &mcp.Filter{Shown: func(mcp.Primitive, string) bool { return true }}
	if got, _, err := none.Message([]byte(answer(`{"completion":{"values":["a"]}}`))); err != nil || strings.Contains(string(got), `"a"`) {
		t.Errorf("got %s, %v, want no value that nobody judged", got, err)
	}
}

func TestFilterRefuses(t *testing.T) {
	also := map[string]string{
		"tools by name":           answer(`{"tools":{"no":{}}}`),
		"tools in other case":     answer(`{"tools":[],"Tools":[{"name":"no"}]}`),
		"resources in other case": answer(`{"Resources":[{"uri":"no"}]}`),
		"values in other case":    answer(`{"completion":{"Values":["no"]}}`),
		"a scope in other case":   answer(`{"tools":[],"cachescope":"public"}`),
		"two names":               answer(`{"tools":[{"name":"yes","name":"no"}]}`),
		"a URI in other case":     notice("notifications/resources/updated", `{"uri":"file:///yes","URI":"file:///no"}`),
	}
	for _, set := range []map[string]string{unreadable, also} {
		for name, message := range set {
			if got, ok, err := yes().Message([]byte(message)); !errors.Is(err, mcp.ErrUnreadable) || got != nil || ok {
				t.Errorf("%s: got %s, %v, want ErrUnreadable", name, got, err)
			}
		}
	}
}
