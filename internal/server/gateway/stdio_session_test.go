package gateway_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestA192SessionsHaveChildrenOfTheirOwn(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	_, other := f.key()
	one, two := f.session(key), f.session(key)
	theirs := f.session(other)
	pids := map[string]bool{}
	for id, k := range map[string]string{one: key, two: key, theirs: other} {
		pids[textOf(t, f.older(k, id, "1", "whoami", ""))] = true
	}
	if len(pids) != 3 {
		t.Errorf("got %d children for 3 sessions", len(pids))
	}
	for name, id := range map[string]string{"of another key": theirs, "of nobody": "bm9uZQ.AAAA", "tampered with": one + "A"} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			body := ""
			if method == http.MethodPost {
				body = ping
			}
			if got := f.do(method, key, body, "Mcp-Session-Id", id); got.status != http.StatusNotFound {
				t.Errorf("%s a session %s: got %d, want 404: %s", method, name, got.status, got.body)
			}
		}
	}
	if got := f.post(key, ping); got.status != http.StatusBadRequest {
		t.Errorf("without a session: got %d, want 400: %s", got.status, got.body)
	}
	if got := f.do(http.MethodGet, key, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET without a session: got %d, want 405", got.status)
	}
}

func TestDeleteEndsSessionAndChild(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	id := f.session(key)
	stream := f.open(t.Context(), http.MethodGet, key, "", "Mcp-Session-Id", id)
	if got := f.do(http.MethodDelete, key, "", "Mcp-Session-Id", id); got.status != http.StatusNoContent {
		t.Errorf("got %d", got.status)
	}
	if got := f.post(key, ping, "Mcp-Session-Id", id); got.status != http.StatusNotFound {
		t.Errorf("got %d afterwards, want 404", got.status)
	}
	whole(t, stream) // ends
}

func TestCrashEndsItsSessionOnly(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	one, two := f.session(key), f.session(key)
	if got := f.older(key, one, "1", "crash", ""); got.status != http.StatusBadGateway || !strings.Contains(got.body, `"id":1,"error":{"code":-32603`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
	eventually(t, "the session is gone", func() bool { return f.post(key, ping, "Mcp-Session-Id", one).status == http.StatusNotFound })
	if got := f.older(key, two, "1", "echo", "hi"); textOf(t, got) != "hi" {
		t.Errorf("got %s", got.body)
	}
	f.session(key) // no back-off for others
}

// events reads a stream's data lines.
func events(t *testing.T, res *http.Response) <-chan string {
	t.Helper()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %s for a stream", res.Status)
	}
	lines := make(chan string, 1000)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(lines)
		in := bufio.NewScanner(res.Body)
		for in.Scan() {
			if line, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				lines <- line
			}
		}
	})
	t.Cleanup(func() { _ = res.Body.Close(); running.Wait() })
	return lines
}

func TestServerAsksItsClient(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	_, other := f.key()
	id, theirs := f.session(key), f.session(other)
	call := f.open(t.Context(), http.MethodPost, key, `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{`+tool("ask", "")+`}}`, "Mcp-Session-Id", id)
	said := events(t, call)
	if line := <-said; !strings.Contains(line, `"id":"ask-1","method":"sampling/createMessage"`) {
		t.Fatalf("got %s", line)
	}
	answer := `{"jsonrpc":"2.0","id":"ask-1","result":{"from":"me"}}`
	for _, reply := range []struct{ key, session, body string }{
		{other, theirs, strings.Replace(answer, "me", "a stranger", 1)}, // asked nothing of the kind
		{key, id, strings.Replace(answer, "ask-1", "ask-2", 1)},         // nobody asked
		{key, id, answer},
		{key, id, strings.Replace(answer, "me", "me again", 1)}, // was answered
	} {
		if got := f.post(reply.key, reply.body, "Mcp-Session-Id", reply.session); got.status != http.StatusAccepted {
			t.Errorf("got %d: %s", got.status, got.body)
		}
	}
	if line := <-said; !strings.Contains(line, `"id":"c"`) || !strings.Contains(line, `{\"from\":\"me\"}`) {
		t.Errorf("got %s", line)
	}
	f.older(key, id, "3", "echo", "flush")
	f.older(other, theirs, "3", "echo", "flush")
	if strings.Contains(f.log.String(), "uninvited") {
		t.Error("the server got an answer to nothing it asked")
	}
}

func TestUnaskedMessages(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	id := f.session(key)
	if got := f.older(key, id, "1", "fire", ""); !strings.Contains(got.body, "list_changed") {
		t.Errorf("on the newest answer: got %s", got.body)
	}
	// An answer that cannot take it: it waits for the stream.
	fire := func() {
		res := f.modernless(t.Context(), "application/json", key, id, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+tool("fire", "")+`}}`)
		if got := whole(t, res); strings.Contains(got.body, "list_changed") || got.status != http.StatusOK {
			t.Errorf("got %d %s as a body", got.status, got.body)
		}
	}
	fire()
	get := func() <-chan string {
		return events(t, f.open(t.Context(), http.MethodGet, key, "", "Mcp-Session-Id", id))
	}
	first := get()
	if line := <-first; !strings.Contains(line, "list_changed") {
		t.Errorf("got %s after the fact", line)
	}
	second := get()
	if line, open := <-first; open {
		t.Errorf("got %s on the older of two streams", line)
	}
	fire()
	if line := <-second; !strings.Contains(line, "list_changed") {
		t.Errorf("got %s on the stream", line)
	}
}

// modernless sends a message of the older era for a client that accepts something else.
func (f *fixture) modernless(ctx context.Context, accept, key, session, body string) *http.Response {
	f.t.Helper()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	q.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {accept}, "Authorization": {"Bearer " + key}, "Mcp-Session-Id": {session}}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

func TestBatches(t *testing.T) {
	f := overStdio(t, "legacy")
	_, key := f.key()
	id := f.session(key)
	call := func(id, name, text string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"_meta":{"progressToken":` + id + `},` + tool(name, text) + `}}`
	}
	note := `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
	tests := []struct {
		name, body string
		status     int
		kind       string
		want       []string
	}{
		{"requests", "[" + call("1", "echo", "one") + "," + note + "," + call(`"2"`, "echo", "two") + "]", 200, "application/json", []string{`"id":1,`, `"one"`, `"id":"2",`, `"two"`}},
		{"requests of which one reports progress", "[" + call("1", "steps", "one") + "," + call("2", "echo", "two") + "]", 200, "text/event-stream", []string{`"progressToken":1,`, `"id":1,`, `"id":2,`}},
		{"notifications only", "[" + note + "," + note + "]", 202, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.post(key, tt.body, "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-03-26")
			if got.status != tt.status || !strings.HasPrefix(got.header.Get("Content-Type"), tt.kind) {
				t.Errorf("got %d %s: %s", got.status, got.header.Get("Content-Type"), got.body)
			}
			for _, want := range tt.want {
				if strings.Count(got.body, want) == 0 {
					t.Errorf("got %s, want %s in it", got.body, want)
				}
			}
			if tt.kind == "application/json" && (!strings.HasPrefix(got.body, "[") || !strings.HasSuffix(got.body, "]")) {
				t.Errorf("got %s, want an array", got.body)
			}
		})
	}
}

// The official SDK's client meets the official SDK's server, in both eras.
func TestOfficialSDK(t *testing.T) {
	f := overStdio(t, "demo")
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
		t.Run(version, func(t *testing.T) {
			_, key := f.key("echo", "add", "countdown")
			progress := make(chan float64, 100)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress <- r.Params.Progress },
			})
			transport := &mcp.StreamableClientTransport{Endpoint: f.url, HTTPClient: &http.Client{Transport: bearer{key, &http.Transport{DisableKeepAlives: true}}}}
			session, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("got version %s", got)
			}
			tools, err := session.ListTools(t.Context(), nil)
			if err != nil || len(tools.Tools) != 3 {
				t.Errorf("got tools %+v, %v", tools, err)
			}
			params := &mcp.CallToolParams{Name: "countdown", Arguments: map[string]any{"from": 3}}
			params.SetProgressToken("three")
			if got, err := session.CallTool(t.Context(), params); err != nil || got.IsError {
				t.Errorf("got %+v, %v", got, err)
			}
			for range 2 {
				<-progress
			}
			if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "delete_note", Arguments: map[string]any{"title": "x"}}); err == nil {
				t.Error("a tool that the key may not call was called")
			}
		})
	}
}

type bearer struct {
	key  string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}
