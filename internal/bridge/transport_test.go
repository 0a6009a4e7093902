package bridge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	words "github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// everything is a real server with one of each.
func everything() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "everything", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "add"}, func(_ context.Context, _ *mcp.CallToolRequest, in struct{ A, B int }) (*mcp.CallToolResult, struct{ Sum int }, error) {
		return nil, struct{ Sum int }{in.A + in.B}, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(ctx context.Context, q *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, struct{ Said string }, error) {
		r, err := q.Session.Elicit(ctx, &mcp.ElicitParams{Message: "well?"})
		if err != nil {
			return nil, struct{ Said string }{}, err
		}
		return nil, struct{ Said string }{r.Action}, nil
	})
	s.AddResource(&mcp.Resource{Name: "r", URI: "file:///x"}, func(_ context.Context, q *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: q.Params.URI, Text: "here"}}}, nil
	})
	return s
}

// client connects a real client by a bridge.
func client(t *testing.T, server, version string) *mcp.ClientSession {
	t.Helper()
	return clientBy(t, open{}, server, version)
}

// clientBy is client with access of some kind.
func clientBy(t *testing.T, by Access, server, version string) *mcp.ClientSession {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	b := &Bridge{Server: server, Access: by, In: inR, Out: outW, Log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(t.Context()); err != nil {
			t.Error(err)
		}
		_ = outW.Close()
	}()
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "decline"}, nil
		},
	})
	s, err := c.Connect(t.Context(), &mcp.IOTransport{Reader: outR, Writer: inW}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = inW.Close()
		<-done
	})
	return s
}

func TestRealClientsAndServersOfAllTransports(t *testing.T) {
	streamable := func(stateless bool) http.Handler {
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return everything() }, &mcp.StreamableHTTPOptions{Stateless: stateless})
	}
	sse := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return everything() }, nil)
	tests := []struct {
		name    string
		server  http.Handler
		version string
		asks    bool // whether the server may ask the client within a call
	}{
		{"sessions", streamable(false), words.Version20251125, true},
		{"2026-07-28", streamable(true), words.Version20260728, false},
		{"HTTP+SSE", sse, words.Version20251125, true},
		{"a new client before sessions", streamable(false), words.Version20260728, false},
		{"a new client before HTTP+SSE", sse, words.Version20260728, false},
		{"an old client before a server of 2026-07-28", newOnly(streamable(true)), words.Version20251125, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := client(t, served(t, tt.server), tt.version)
			tools, err := s.ListTools(t.Context(), nil)
			if err != nil || len(tools.Tools) != 2 {
				t.Fatalf("got %v, %v", tools, err)
			}
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"A": 2, "B": 3}})
					if err != nil || !strings.Contains(got.Content[0].(*mcp.TextContent).Text, "5") {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
			all.Wait()
			if got, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "file:///x"}); err != nil || got.Contents[0].Text != "here" {
				t.Errorf("got %v, %v", got, err)
			}
			if !tt.asks {
				return
			}
			got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "ask", Arguments: map[string]any{}})
			if err != nil || !strings.Contains(got.Content[0].(*mcp.TextContent).Text, "decline") {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// newOnly is a server that knows nothing older than 2026-07-28.
func newOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Mcp-Protocol-Version") != words.Version20260728 {
			q := read(r)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(q.ID)+`,"error":{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"]}}}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// TestAnOldClientIsAskedWhatANewServerWantsToKnow: the server's questions come as requests, its old ways are kept up.
func TestAnOldClientIsAskedWhatANewServerWantsToKnow(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	d := sit(t, served(t, newOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		mu.Lock()
		seen = append(seen, q.Method+" "+string(q.Params))
		mu.Unlock()
		switch {
		case q.Method == "server/discover":
			answer(w, q.ID, `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"9"}},"ttlMs":0,"cacheScope":"private"}`)
		case q.Method == "subscriptions/listen":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{}}\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case strings.Contains(string(q.Params), "inputResponses"):
			answer(w, q.ID, `{"resultType":"complete","content":[{"type":"text","text":"done"}]}`)
		default:
			answer(w, q.ID, `{"resultType":"input_required","requestState":"st","inputRequests":{"k":{"method":"roots/list"}}}`)
		}
	}))), nil)
	if got := d.hello(); !strings.Contains(string(got.Result), `"protocolVersion":"2025-11-25"`) || !strings.Contains(string(got.Result), `"name":"new"`) {
		t.Errorf("got %s", got.Result)
	}
	if got := d.hear(); got.Method != "notifications/tools/list_changed" {
		t.Errorf("got %+v", got)
	}
	d.say(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	if got := d.hear(); string(got.Result) != "{}" {
		t.Errorf("got %+v", got)
	}
	d.say(`{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}`)
	d.hear()
	d.say(callLine, 3)
	q := d.hear()
	if q.Method != "roots/list" {
		t.Fatalf("got %+v", q)
	}
	d.say(`{"jsonrpc":"2.0","id":%s,"result":{"roots":[]}}`, q.ID)
	if got := d.hear(); string(got.ID) != "3" || !strings.Contains(string(got.Result), "done") {
		t.Errorf("got %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	last := seen[len(seen)-1]
	for _, want := range []string{`"inputResponses":{"k":{"roots":[]}}`, `"requestState":"st"`, `"io.modelcontextprotocol/clientInfo":{"name":"t"`, `"io.modelcontextprotocol/logLevel":"debug"`, `"name":"pay"`} {
		if !strings.Contains(last, want) {
			t.Errorf("%s is not in %s", want, last)
		}
	}
}

// TestAServerThatIsUpgradedGoesOn: a session ends for good, and the client's next call is translated.
func TestAServerThatIsUpgradedGoesOn(t *testing.T) {
	o := &old{}
	var mu sync.Mutex
	var now http.Handler = o
	d := sit(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := now
		mu.Unlock()
		h.ServeHTTP(w, r)
	})), nil)
	d.hello()
	d.say(callLine, 1)
	d.hear()
	mu.Lock()
	now = newOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := read(r)
		answer(w, q.ID, `{"capabilities":{},"new":true}`)
	}))
	mu.Unlock()
	d.say(callLine, 2)
	if got := d.hear(); !strings.Contains(string(got.Result), "new") {
		t.Errorf("got %+v", got)
	}
}
