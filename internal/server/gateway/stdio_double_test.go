package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/gatehouse-mcp/gatehouse/internal/demo"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// TestMain is also the servers: the test binary starts itself, and a variable
// says what it is to be.
func TestMain(m *testing.M) {
	switch kind := os.Getenv("DOUBLE"); kind {
	case "":
		goleak.VerifyTestMain(m)
	case "demo":
		_ = demo.Server{Step: 10 * time.Millisecond}.Run(context.Background())
	case "curious":
		_ = curious().Run(context.Background(), &mcp.StdioTransport{})
	case "broken":
		fmt.Fprintln(os.Stderr, "cannot find the secret sauce")
		os.Exit(1)
	default:
		(&double{kind: kind, subs: map[string]string{}}).run()
	}
}

// double is a server that does what its caller tells it to, good or bad.
type double struct {
	kind string // "modern", "legacy", or "shy": one that ends at what it does not know

	cancelled []string
	subs      map[string]string // id of the subscription by id of the request
	waiting   map[string]string // id of a call by id of our request
	count     int
	kept      string
}

type incoming struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string            `json:"name"`
		Arguments map[string]string `json:"arguments"`
		RequestID json.RawMessage   `json:"requestId"`
		Cursor    string            `json:"cursor"`
		Meta      struct {
			ProgressToken json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
}

func (d *double) write(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (d *double) answer(id json.RawMessage, result string) {
	d.write(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

func (d *double) text(id json.RawMessage, text string) {
	quoted, _ := json.Marshal(text)
	d.answer(id, `{"content":[{"type":"text","text":`+string(quoted)+`}],"resultType":"complete"}`)
}

func (d *double) run() {
	d.waiting = map[string]string{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 32<<20)
	for in.Scan() {
		var m incoming
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			fmt.Fprintln(os.Stderr, "unreadable:", in.Text())
			os.Exit(4)
		}
		d.handle(&m)
	}
}

func (d *double) handle(m *incoming) {
	switch {
	case m.Method == "" && d.waiting[string(m.ID)] != "":
		call := json.RawMessage(d.waiting[string(m.ID)])
		delete(d.waiting, string(m.ID))
		d.text(call, "client said "+string(m.Result))
	case m.Method == "":
		fmt.Fprintln(os.Stderr, "uninvited answer", string(m.ID))
	case m.Method == "server/discover" && d.kind == "shy":
		os.Exit(0)
	case m.Method == "server/discover" && d.kind == "modern":
		d.answer(m.ID, `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"public"}`)
	case m.Method == "initialize" && d.kind != "modern":
		d.answer(m.ID, `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"double","version":"1"}}`)
	case m.Method == "tools/list":
		d.answer(m.ID, `{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"crash","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"public"}`)
	case m.Method == "prompts/list" && d.kind != "modern":
		d.answer(m.ID, `{"prompts":[{"name":"pub_a"},{"name":"secret"}],"nextCursor":"after-`+m.Params.Cursor+`"}`)
	case m.Method == "subscriptions/listen":
		d.subs[string(m.ID)] = string(m.ID)
		d.write(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s},"notifications":{"toolsListChanged":true}}}`, m.ID)
	case m.Method == "notifications/cancelled":
		d.cancelled = append(d.cancelled, string(m.Params.RequestID))
		delete(d.subs, string(m.Params.RequestID))
	case m.Method == "tools/call":
		d.call(m)
	case m.ID != nil:
		d.write(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, m.ID)
	}
}

func (d *double) call(m *incoming) {
	args := m.Params.Arguments
	switch m.Params.Name {
	case "echo":
		d.text(m.ID, args["text"])
	case "news": // of a resource, to everybody who listens
		uri, _ := json.Marshal(args["text"])
		d.write(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":%s}}`, uri)
		for id := range d.subs {
			d.write(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":%s,"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`, uri, id)
		}
		d.text(m.ID, "told")
	case "whoami":
		d.text(m.ID, fmt.Sprint(os.Getpid()))
	case "wait":
		d.write(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":0}}`, m.Params.Meta.ProgressToken)
	case "cancelled":
		d.text(m.ID, strings.Join(d.cancelled, ","))
	case "steps":
		for i := range 3 {
			d.write(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"message":%q}}`, m.Params.Meta.ProgressToken, i, args["text"])
		}
		d.text(m.ID, args["text"])
	case "crash":
		fmt.Fprintln(os.Stderr, "the secret sauce is gone")
		os.Exit(1)
	case "ask":
		d.count++
		ours := fmt.Sprintf(`"ask-%d"`, d.count)
		d.waiting[ours] = string(m.ID)
		d.write(`{"jsonrpc":"2.0","id":%s,"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}`, ours)
	case "log":
		d.write(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":%q}}`, args["text"])
		d.text(m.ID, "logged")
	case "fire":
		for id := range d.subs {
			d.write(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`, id)
		}
		d.write(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		d.text(m.ID, fmt.Sprint(len(d.subs)))
	case "evil":
		d.evil(m)
	default:
		d.text(m.ID, d.house(m.Params.Name, args["text"]))
	}
}

// house tells of where the server runs, and keeps something there.
func (d *double) house(what, text string) string {
	switch what {
	case "env":
		return os.Getenv(text)
	case "cwd":
		dir, _ := os.Getwd()
		return dir
	case "uid":
		return fmt.Sprint(os.Getuid())
	case "keep":
		d.kept = text
	case "kept":
		return d.kept
	case "write":
		if err := os.WriteFile(text, []byte(text), 0o666); err != nil { //nolint:gosec // the umask is what is looked at
			return err.Error()
		}
		return "written"
	case "read":
		got, err := os.ReadFile(text)
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
	return ""
}

// evil says all that a server must not before it answers.
func (d *double) evil(m *incoming) {
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":999999,"result":{"stolen":true}}`,
		`{"jsonrpc":"2.0","id":"1","result":{"stolen":true}}`,
		`{"jsonrpc":"2.0","id":1,"ID":2,"result":{"stolen":true}}`,
		`[{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"stolen"}}]`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":999999,"progress":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"stolen://"}}`,
		`{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{"stolen":true}}`,
		`event: endpoint`,
		"\x00\x01\xff",
	} {
		d.write("%s", line)
	}
	d.text(m.ID, "honest")
	d.text(m.ID, "second answer, stolen")
}

// overStdio puts a gateway in front of a double.
func overStdio(t *testing.T, kind string, edits ...func(*gateway.Stdio)) *fixture {
	t.Helper()
	return gatewayOver(t, kind, nil, edits...)
}

// gatewayOver is overStdio for who wants the gateway too.
func gatewayOver(t *testing.T, kind string, opened **gateway.Gateway, edits ...func(*gateway.Stdio)) *fixture {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return protect(t, http.NotFoundHandler(), func(g *gateway.Gateway) {
		if opened != nil {
			*opened = g
		}
		s := &gateway.Stdio{Process: process.Spec{
			Name: "files", Command: []string{exe}, Env: map[string]string{"DOUBLE": kind}, Log: g.Log, Grace: 200 * time.Millisecond,
		}, Backoff: time.Millisecond}
		for _, edit := range edits {
			edit(s)
		}
		g.Upstream, g.Stdio, g.SSEPath = nil, s, "/sse"
	})
}

// modern sends a request of the newer era. Params are members after _meta.
func (f *fixture) modern(ctx context.Context, key, id, token, method, params string) *http.Response {
	f.t.Helper()
	return f.modernAs(ctx, "application/json, text/event-stream", key, id, token, method, params)
}

// modernAs is modern for a client that accepts something else.
func (f *fixture) modernAs(ctx context.Context, accept, key, id, token, method, params string) *http.Response {
	f.t.Helper()
	meta := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`
	if token != "" {
		meta += `,"progressToken":` + token
	}
	if params != "" {
		params = "," + params
	}
	body := `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{"_meta":{` + meta + `}` + params + `}}`
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	q.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {accept}, "Authorization": {"Bearer " + key},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {method},
	}
	if _, rest, ok := strings.Cut(params, `"name":"`); ok {
		name, _, _ := strings.Cut(rest, `"`)
		q.Header.Set("Mcp-Name", name)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	return res
}

// whole reads an answer to its end.
func whole(t *testing.T, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(res.Body).WriteTo(&b); err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return reply{res.StatusCode, res.Header, b.String()}
}

// tool calls a tool in the newer era.
func (f *fixture) tool(key, id, name, text string) reply {
	f.t.Helper()
	return whole(f.t, f.modern(f.t.Context(), key, id, "", "tools/call", tool(name, text)))
}

func tool(name, text string) string {
	quoted, _ := json.Marshal(text)
	return `"name":"` + name + `","arguments":{"text":` + string(quoted) + `}`
}

// session opens a session of the older era and returns its id.
func (f *fixture) session(key string) string {
	f.t.Helper()
	got := f.post(key, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	id := got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || id == "" {
		f.t.Fatalf("got %d without a session: %s", got.status, got.body)
	}
	if got := f.post(key, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "Mcp-Session-Id", id); got.status != http.StatusAccepted {
		f.t.Fatalf("got %d for a notification, want 202: %s", got.status, got.body)
	}
	return id
}

// older calls a tool in a session.
func (f *fixture) older(key, session, id, name, text string) reply {
	f.t.Helper()
	return f.post(key, `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{"_meta":{"progressToken":`+id+`},`+tool(name, text)+`}}`, "Mcp-Session-Id", session)
}

// textOf returns the text of a tool's result in a body or a stream.
func textOf(t *testing.T, r reply) string {
	t.Helper()
	body := r.body
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/event-stream") {
		parts := strings.Split(strings.TrimSpace(body), "data: ")
		body = parts[len(parts)-1]
	}
	var v struct {
		Result struct {
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil || len(v.Result.Content) == 0 {
		t.Fatalf("got no text (%v) in %d %s", err, r.status, r.body)
	}
	return v.Result.Content[0].Text
}

// eventually waits for something that happens elsewhere.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s: it does not happen", what)
}
