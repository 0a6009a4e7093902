package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// A192: whatever ids and tokens callers choose, each gets its own answers and
// progress, as it chose them.
func TestA192CallersNeverMeet(t *testing.T) {
	f := overStdio(t, "modern")
	var all sync.WaitGroup
	for _, id := range []string{"1", `"1"`, "2", `"a\"b"`, "-5", "1.0", "9007199254740993", "1"} {
		_, key := f.key()
		for j := range 4 {
			all.Go(func() {
				text := fmt.Sprintf("%s/%d/%.4s", id, j, key[5:])
				got := whole(t, f.modern(t.Context(), key, id, id, "tools/call", tool("steps", text)))
				quoted, _ := json.Marshal(text)
				if n := strings.Count(got.body, `"progressToken":`+id+`,`); n != 3 {
					t.Errorf("got %d progress notifications under %s, want 3: %s", n, id, got.body)
				}
				if n := strings.Count(got.body, `"message":`+string(quoted)); n != 3 || strings.Count(got.body, `"id":`+id+`,`) != 1 || textOf(t, got) != text {
					t.Errorf("got somebody else's: want %s under %s: %s", text, id, got.body)
				}
			})
		}
	}
	all.Wait()
}

func TestA137A188ServerThatSaysWhatItMustNot(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	_, other := f.key()
	held := f.modern(t.Context(), other, "1", "1", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`)
	defer held.Body.Close()
	got := f.tool(key, "1", "evil", "")
	if textOf(t, got) != "honest" || strings.Contains(got.body, "stolen") {
		t.Errorf("got %s", got.body)
	}
	if got := f.tool(key, "1", "echo", "still here"); textOf(t, got) != "still here" {
		t.Errorf("got %s afterwards", got.body)
	}
}

func TestModernAnswers(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	tests := []struct {
		name, method, params, accept string
		status                       int
		kind, want                   string
	}{
		{"a result as a body", "tools/call", tool("echo", "hi"), "", 200, "application/json", `"text":"hi"`},
		{"a result as a stream, for who takes nothing else", "tools/call", tool("echo", "hi"), "text/event-stream", 200, "text/event-stream", `"text":"hi"`},
		{"progress as a stream", "tools/call", tool("steps", "hi"), "", 200, "text/event-stream", `"progress":2`},
		{"no progress for who takes bodies only", "tools/call", tool("steps", "hi"), "application/json", 200, "application/json", `"text":"hi"`},
		{"an unknown method of the server", "prompts/list", "", "", 404, "application/json", `-32601`},
		{"a list", "tools/list", "", "", 200, "application/json", `"name":"crash"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := whole(t, f.modernAs(t.Context(), tt.accept, key, "7", "7", tt.method, tt.params))
			if got.status != tt.status || !strings.HasPrefix(got.header.Get("Content-Type"), tt.kind) || !strings.Contains(got.body, tt.want) {
				t.Errorf("got %d %s %s, want %d %s with %s", got.status, got.header.Get("Content-Type"), got.body, tt.status, tt.kind, tt.want)
			}
			if got.header.Get("Mcp-Session-Id") != "" {
				t.Error("got a session")
			}
		})
	}
	_, narrow := f.key("ech*")
	got := whole(t, f.modern(t.Context(), narrow, "1", "", "tools/list", ""))
	if strings.Contains(got.body, "crash") || !strings.Contains(got.body, `"name":"echo"`) || !strings.Contains(got.body, `"cacheScope":"private"`) {
		t.Errorf("got %s for a narrow key", got.body)
	}
}

func TestClosedStreamIsACancellationInTheNewerEraOnly(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	leave := func(open func(context.Context) *http.Response) {
		ctx, cancel := context.WithCancel(t.Context())
		res := open(ctx)
		defer res.Body.Close()
		if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("got %d %q, %v", res.StatusCode, line, err)
		}
		cancel()
	}
	leave(func(ctx context.Context) *http.Response {
		return f.modern(ctx, key, `"mine"`, "1", "tools/call", tool("wait", ""))
	})
	eventually(t, "the server hears of it", func() bool { return textOf(t, f.tool(key, "1", "cancelled", "")) != "" })

	g := overStdio(t, "legacy")
	_, key = g.key()
	id := g.session(key)
	leave(func(ctx context.Context) *http.Response {
		return g.open(ctx, http.MethodPost, key, `{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"_meta":{"progressToken":1},`+tool("wait", "")+`}}`, "Mcp-Session-Id", id)
	})
	if got := textOf(t, g.older(key, id, "2", "cancelled", "")); got != "" {
		t.Errorf("got a cancellation of %s, want none", got)
	}
	if got := g.post(key, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mine"}}`, "Mcp-Session-Id", id); got.status != http.StatusAccepted {
		t.Errorf("got %d", got.status)
	}
	eventually(t, "the server hears of it", func() bool { return textOf(t, g.older(key, id, "2", "cancelled", "")) != "" })
}

func TestOnlyTheOwnerCancels(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	_, other := f.key()
	ctx, leave := context.WithCancel(t.Context())
	res := f.modern(ctx, key, "1", "1", "tools/call", tool("wait", ""))
	defer res.Body.Close()
	defer leave()
	cancel := func(key string) {
		if got := whole(t, f.notifyCancelled(key, "1")); got.status != http.StatusAccepted {
			t.Errorf("got %d: %s", got.status, got.body)
		}
	}
	cancel(other)
	if got := textOf(t, f.tool(other, "1", "cancelled", "")); got != "" {
		t.Errorf("a stranger cancelled call %s", got)
	}
	cancel(key)
	eventually(t, "the server hears of it", func() bool { return textOf(t, f.tool(key, "2", "cancelled", "")) != "" })
}

func (f *fixture) notifyCancelled(key, id string) *http.Response {
	return f.open(f.t.Context(), http.MethodPost, key,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "notifications/cancelled")
}

func TestA192SubscriptionsReachTheirSubscriberOnly(t *testing.T) {
	f := overStdio(t, "modern")
	lines := map[string]chan string{}
	for _, id := range []string{`"first"`, "7"} {
		_, key := f.key()
		res := f.modern(t.Context(), key, id, "", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`)
		defer res.Body.Close()
		said := make(chan string, 100)
		lines[id] = said
		in := bufio.NewScanner(res.Body)
		in.Scan() // the event's name
		in.Scan()
		if line := in.Text(); !strings.Contains(line, "acknowledged") || !strings.Contains(line, `"io.modelcontextprotocol/subscriptionId":`+id+`}`) {
			t.Fatalf("got %q first", line)
		}
		go func() {
			defer close(said)
			for in.Scan() {
				if strings.HasPrefix(in.Text(), "data:") {
					said <- in.Text()
				}
			}
		}()
	}
	_, key := f.key()
	if got := f.tool(key, "7", "fire", ""); textOf(t, got) != "2" || strings.Contains(got.body, "list_changed") {
		t.Fatalf("got %s", got.body)
	}
	for id, said := range lines {
		if line := <-said; !strings.Contains(line, "list_changed") || !strings.Contains(line, `"io.modelcontextprotocol/subscriptionId":`+id+`}`) {
			t.Errorf("got %q for %s", line, id)
		}
		if len(said) != 0 {
			t.Errorf("got more for %s: %q", id, <-said)
		}
	}
}

func TestA192LogMessagesReachNobodyElse(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	if got := f.tool(key, "1", "log", "for me"); !strings.Contains(got.body, "for me") {
		t.Errorf("got %s as the only caller", got.body)
	}
	_, other := f.key()
	if got := f.tool(other, "1", "log", "whose?"); strings.Contains(got.body, "whose?") {
		t.Errorf("got %s as one of two callers", got.body)
	}
}

func TestCrashInMidCall(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	_, other := f.key()
	res := f.modern(t.Context(), other, `"waits"`, "1", "tools/call", tool("wait", ""))
	got := f.tool(key, "1", "crash", "")
	if got.status != http.StatusBadGateway || !strings.Contains(got.body, "-32603") || !strings.Contains(got.body, "GH-2302") || strings.Contains(got.body, "sauce") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := whole(t, res); !strings.Contains(got.body, `"id":"waits","error":{"code":-32603`) {
		t.Errorf("the stream of another call ends with %s", got.body)
	}
	if log := f.log.String(); !strings.Contains(log, "GH-2302") || !strings.Contains(log, "exited with 1") || !strings.Contains(log, "sauce is gone") {
		t.Errorf("the log does not say why: %s", log)
	}
	if got := f.tool(key, "2", "echo", "again"); textOf(t, got) != "again" {
		t.Errorf("got %s from the next child", got.body)
	}
}

func TestBackoff(t *testing.T) {
	f := overStdio(t, "modern", func(s *gateway.Stdio) { s.Backoff = time.Hour })
	_, key := f.key()
	f.tool(key, "1", "crash", "")
	began := strings.Count(f.log.String(), "server ended")
	for range 3 {
		if got := f.tool(key, "1", "echo", "hi"); got.status != http.StatusBadGateway || !strings.Contains(got.body, "GH-2302") {
			t.Errorf("got %d %s right after a crash", got.status, got.body)
		}
	}
	if n := strings.Count(f.log.String(), "server ended"); n != began {
		t.Errorf("the server was started %d times more", n-began)
	}
}

func TestServerThatCannotStart(t *testing.T) {
	missing := overStdio(t, "modern", func(s *gateway.Stdio) { s.Process.Command = []string{"/nonexistent/server"} })
	broken := overStdio(t, "broken")
	for name, f := range map[string]*fixture{"missing": missing, "broken": broken} {
		_, key := f.key()
		got := f.post(key, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		if got.status != http.StatusBadGateway || !strings.Contains(got.body, "GH-2302") || strings.Contains(got.body, "nonexistent") || got.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
		if name == "missing" {
			if got := f.tool(key, "1", "echo", ""); got.status != http.StatusBadGateway {
				t.Errorf("%s: got %d %s", name, got.status, got.body)
			}
		}
	}
}

func TestRevocationEndsStreams(t *testing.T) {
	for _, kind := range []string{"modern", "legacy"} {
		t.Run(kind, func(t *testing.T) {
			f := overStdio(t, kind)
			k, key := f.key()
			var res *http.Response
			if kind == "modern" {
				res = f.modern(t.Context(), key, "1", "1", "tools/call", tool("wait", ""))
			} else {
				id := f.session(key)
				res = f.open(t.Context(), http.MethodGet, key, "", "Mcp-Session-Id", id)
			}
			if res.StatusCode != http.StatusOK {
				t.Fatal(res.Status)
			}
			if _, err := f.keys.Revoke(t.Context(), f.tenant, k.ID, "test", "gone"); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("the stream goes on")
			}
		})
	}
}

func TestOlderServerSendsNewerClientsToInitialize(t *testing.T) {
	for _, kind := range []string{"legacy", "shy"} {
		f := overStdio(t, kind)
		_, key := f.key()
		for range 2 {
			got := whole(t, f.modern(t.Context(), key, "1", "", "server/discover", ""))
			if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"id":1,"error":{"code":-32022`) ||
				!strings.Contains(got.body, `"requested":"2026-07-28"`) || !strings.Contains(got.body, `"supported":["2025-11-25",`) {
				t.Errorf("%s: got %d %s", kind, got.status, got.body)
			}
		}
		f.session(key)
	}
}

func TestTooManyChildren(t *testing.T) {
	f := overStdio(t, "legacy", func(s *gateway.Stdio) { s.MaxChildren, s.MaxPerCaller = 3, 2 })
	const open = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	_, one := f.key()
	_, two := f.key()
	f.session(one)
	f.session(one)
	refused := func(key string) {
		t.Helper()
		if got := f.post(key, open); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1503") || got.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	refused(one) // has its share
	last := f.session(two)
	refused(two) // there are no more
	if got := f.do(http.MethodDelete, two, "", "Mcp-Session-Id", last); got.status != http.StatusNoContent {
		t.Errorf("got %d", got.status)
	}
	eventually(t, "there is room again", func() bool { return f.post(two, open).status == http.StatusOK })
}

func TestIdleChildrenAreStopped(t *testing.T) {
	idle := func(s *gateway.Stdio) { s.Idle = time.Millisecond }
	f := overStdio(t, "modern", idle)
	_, key := f.key()
	first := textOf(t, f.tool(key, "1", "whoami", ""))
	eventually(t, "another child answers", func() bool { return textOf(t, f.tool(key, "1", "whoami", "")) != first })

	g := overStdio(t, "legacy", idle)
	_, key = g.key()
	got := g.post(key, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	id := got.header.Get("Mcp-Session-Id")
	eventually(t, "the session is gone", func() bool {
		return g.post(key, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Mcp-Session-Id", id).status == http.StatusNotFound
	})
}

func TestA187OneMessageIsOneLine(t *testing.T) {
	f := overStdio(t, "modern")
	_, key := f.key()
	for _, text := range []string{"a\nb\r\u2028", "\n{\"method\":\"tools/call\"}"} {
		if got := textOf(t, f.tool(key, "1", "echo", text)); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	pretty := "{\n  \"jsonrpc\": \"2.0\",\r\n\"id\": 1, \"method\":\n\"initialize\", \"params\": {\"protocolVersion\": \"2025-11-25\",\n\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}"
	g := overStdio(t, "legacy")
	_, key = g.key()
	if got := g.post(key, pretty); got.status != http.StatusOK || !strings.Contains(got.body, "protocolVersion") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := g.post(key, pretty+"\n"+pretty); got.status != http.StatusBadRequest {
		t.Errorf("got %d for two messages", got.status)
	}
	if strings.Contains(g.log.String(), "unreadable") {
		t.Error("the server got half a message")
	}
}

func TestA188LineTooLong(t *testing.T) {
	f := overStdio(t, "modern", func(s *gateway.Stdio) { s.Process.MaxLine = 10000 })
	_, key := f.key()
	got := f.tool(key, "1", "echo", strings.Repeat("x", 20000))
	if got.status != http.StatusBadGateway || !strings.Contains(got.body, "GH-2302") {
		t.Errorf("got %d %.200s", got.status, got.body)
	}
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name, kind string
		tools      int
		versions   string
		wrong      string
	}{
		{"a server of both eras", "demo", 5, "2026-07-28 2025-11-25", ""},
		{"one of the newer", "modern", 2, "2026-07-28", ""},
		{"one of the older", "legacy", 2, "2025-11-25", ""},
		{"one that ends when it is asked for its era", "shy", 2, "2025-11-25", ""},
		{"one that cannot start", "broken", 0, "", "Its last lines: cannot find the secret sauce"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g *gateway.Gateway
			gatewayOver(t, tt.kind, &g)
			got, err := g.Describe(t.Context())
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("got %v, want %q in it", err, tt.wrong)
				}
				return
			}
			if err != nil || got.Tools != tt.tools || got.PID == 0 || !strings.HasPrefix(strings.Join(got.Versions, " "), tt.versions) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
