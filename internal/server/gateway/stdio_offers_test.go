package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// partly lets callers of a double have every tool, and of all else what is public.
func partly(t *testing.T, kind string) *fixture {
	t.Helper()
	rules, err := policy.Build(policy.Spec{Server: "files", Rules: []policy.Rule{{Name: "r", Tools: []string{"*"}, Prompts: []string{"pub_*"}, Resources: []string{"file:///pub/*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var g *gateway.Gateway
	f := gatewayOver(t, kind, &g)
	g.Guard.Rules = rules
	return f
}

// TestA151NewsOverStdio has a child tell of resources: on the answer of a call,
// on a session's own stream, and to those who listen.
func TestA151NewsOverStdio(t *testing.T) {
	f := partly(t, "legacy")
	_, key := f.key()
	id := f.session(key)
	onAnswer := func(uri string) string { return f.older(key, id, "1", "news", uri).body }
	if got := onAnswer("file:///secret"); strings.Contains(got, "secret") || !strings.Contains(got, "told") {
		t.Errorf("got %s, want no news of what is hidden", got)
	}
	if got := onAnswer("file:///pub/a"); !strings.Contains(got, "pub/a") {
		t.Errorf("got %s, want the news", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream := f.open(ctx, http.MethodGet, key, "", "Mcp-Session-Id", id)
	defer stream.Body.Close()
	in := bufio.NewScanner(stream.Body)
	for _, uri := range []string{"file:///secret", "file:///pub/b"} { // bodies only: what the child says beside goes to the stream
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"news","arguments":{"text":"` + uri + `"}}}`
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + key}, "Mcp-Session-Id": {id}}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if got := until(in, "pub/b"); strings.Contains(got, "secret") || !strings.Contains(got, "pub/b") {
		t.Errorf("got %s on the stream", got)
	}

	f = partly(t, "modern")
	_, key = f.key()
	held := f.modern(ctx, key, "5", "", "subscriptions/listen", `"notifications":{"resourceSubscriptions":["file:///pub/a"]}`)
	defer held.Body.Close()
	in = bufio.NewScanner(held.Body)
	until(in, "acknowledged")
	for _, uri := range []string{"file:///secret", "file:///pub/a"} {
		if got := f.tool(key, "1", "news", uri); textOf(t, got) != "told" {
			t.Fatalf("got %s", got.body)
		}
	}
	if got := until(in, "pub/a"); strings.Contains(got, "secret") || !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":5`) {
		t.Errorf("got %s for who listens", got)
	}
}

// TestA151ListsOverStdio pages through what a child lists, through both doors of
// the older era.
func TestA151ListsOverStdio(t *testing.T) {
	f := partly(t, "legacy")
	_, key := f.key()
	id := f.session(key)
	c := f.dial(key)
	c.begin(t)
	for name, list := range map[string]func(params string) string{
		"a session":    func(p string) string { return f.post(key, prompts(p), "Mcp-Session-Id", id).body },
		"event stream": func(p string) string { return c.ask(t, prompts(p)) },
	} {
		cursor := ""
		for range 2 {
			got := list(cursor)
			if strings.Contains(got, "secret") || !strings.Contains(got, "pub_a") || strings.Contains(got, "after-") {
				t.Errorf("%s: got %s, want what is public, and a handle for a cursor", name, got)
			}
			cursor = `"cursor":"` + next(t, got) + `"`
		}
	}
}

// TestA151HandlesThroughTheOldDoor goes on from a cursor through HTTP+SSE: a
// handle is made once, whichever way the answer takes.
func TestA151HandlesThroughTheOldDoor(t *testing.T) {
	s := besiege(t, &office{}, oldDoor)
	_, key := s.mint()
	c := s.dial(key)
	defer c.close()
	cursor := ""
	for range 3 {
		cursor = `"cursor":"` + next(t, c.ask(t, prompts(cursor))) + `"`
	}
	seen := s.up.requests()
	if last := seen[len(seen)-1].body; !strings.Contains(last, `"cursor":"after-after-"`) {
		t.Errorf("the server got %s, want its own cursor", last)
	}
	task := strings.Split(c.ask(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_a","task":{}}}`), `"`)
	for i, text := range task {
		if text == "taskId" {
			if got := c.ask(t, `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"`+task[i+2]+`"}}`); !strings.Contains(got, `"known":true`) || !strings.Contains(got, task[i+2]) {
				t.Errorf("got %s for the caller's own task", got)
			}
		}
	}
}

func prompts(params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{` + params + `}}`
}

// next returns the cursor in an answer.
func next(t *testing.T, answer string) string {
	t.Helper()
	var m struct{ Result struct{ NextCursor string } }
	if err := json.Unmarshal([]byte(answer), &m); err != nil || m.Result.NextCursor == "" {
		t.Fatalf("got %s, %v, want a cursor", answer, err)
	}
	return m.Result.NextCursor
}
