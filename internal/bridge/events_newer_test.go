package bridge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// switched is a server that is another one from some time on.
type switched struct {
	mu  sync.Mutex
	now http.Handler
}

func (s *switched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.now
	s.mu.Unlock()
	h.ServeHTTP(w, r)
}

func (s *switched) to(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = h
}

// streams is a real server of HTTP+SSE whose streams can be cut, and which notes what is subscribed to.
type streams struct {
	server  *mcp.Server
	mu      sync.Mutex
	cuts    []context.CancelFunc
	watched []string
	calls   atomic.Int32
}

func newStreams() *streams {
	s := &streams{}
	s.server = mcp.NewServer(&mcp.Implementation{Name: "streams", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler: func(_ context.Context, q *mcp.SubscribeRequest) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.watched = append(s.watched, q.Params.URI)
			return nil
		},
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	mcp.AddTool(s.server, &mcp.Tool{Name: "pay"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		s.calls.Add(1)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "paid"}}}, nil, nil
	})
	mcp.AddTool(s.server, &mcp.Tool{Name: "ask"}, func(ctx context.Context, q *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		r, err := q.Session.Elicit(ctx, &mcp.ElicitParams{Message: "well?"})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "said " + r.Action}}}, nil, nil
	})
	s.server.AddResource(&mcp.Resource{Name: "r", URI: "file:///x"}, func(_ context.Context, q *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: q.Params.URI, Text: "here"}}}, nil
	})
	return s
}

func (s *streams) handler() http.Handler {
	next := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s.server }, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cut := context.WithCancel(r.Context())
		defer cut()
		if r.Method == http.MethodGet {
			s.mu.Lock()
			s.cuts = append(s.cuts, cut)
			s.mu.Unlock()
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *streams) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.cuts {
		one()
	}
	s.cuts = nil
}

func (s *streams) saw() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.watched)
}

// TestANewClientBeforeHTTPSSE is asked by a result, hears of changes, and outlives the stream.
func TestANewClientBeforeHTTPSSE(t *testing.T) {
	s := newStreams()
	d := sit(t, served(t, s.handler()), nil)
	d.ask(1, "server/discover", "")
	d.result(1, `"name":"streams"`)
	d.ask(2, "tools/call", `"name":"ask","arguments":{}`)
	var asks struct {
		State string `json:"requestState"`
	}
	if err := json.Unmarshal([]byte(d.result(2, "well?")), &asks); err != nil || asks.State == "" {
		t.Fatalf("got %+v, %v", asks, err)
	}
	d.ask(3, "tools/call", `"name":"ask","arguments":{},"requestState":"`+asks.State+`","inputResponses":{"server":{"action":"decline"}}`)
	d.result(3, "said decline")
	d.ask(4, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["file:///x"]}`)
	if got := d.hear(); got.Method != "notifications/subscriptions/acknowledged" {
		t.Fatalf("got %+v", got)
	}
	if err := s.server.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "file:///x"}); err != nil {
		t.Error(err)
	}
	if got := d.hear(); got.Method != "notifications/resources/updated" || !strings.Contains(string(got.Params), `subscriptionId":4`) {
		t.Errorf("got %+v", got)
	}
	s.cut()
	d.ask(5, "tools/call", `"name":"pay","arguments":{}`)
	answered, updated := false, false
	for !answered || !updated {
		switch got := d.hear(); {
		case string(got.ID) == "5":
			answered = true
			if !strings.Contains(string(got.Result), "paid") && !strings.HasPrefix(got.Error.Message, codeFate) { // it may have been on its way
				t.Errorf("got %+v", got)
			}
			if got.Result == nil {
				d.ask(5, "tools/call", `"name":"pay","arguments":{}`)
				answered = false
			}
		case got.Method == "notifications/resources/updated":
			updated = true
		}
	}
	if got := s.saw(); !slices.Equal(got, []string{"file:///x", "file:///x"}) {
		t.Errorf("the server was asked to watch %q", got)
	}
}

// TestAServerMovesFromHTTPSSE to sessions, and back, while its clients go on.
func TestAServerMovesFromHTTPSSE(t *testing.T) {
	s, o := newStreams(), &old{}
	at := &switched{now: s.handler()}
	d := sit(t, served(t, at), nil)
	d.hello()
	d.say(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///x"}}`)
	d.hear()
	at.to(o)
	s.cut()
	ask := func(id int) {
		t.Helper()
		d.say(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, id)
		got := d.hear()
		for got.Method != "" {
			got = d.hear()
		}
		if got.Result == nil {
			t.Fatalf("got %+v", got)
		}
	}
	ask(2)
	if inits, _ := o.counts(); inits != 1 {
		t.Errorf("%d sessions", inits)
	}
	o.forget()
	streams := s.handler()
	at.to(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as most of them
		if r.Method == http.MethodPost && r.URL.RawQuery == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		streams.ServeHTTP(w, r)
	}))
	ask(3)
	if got := s.saw(); len(got) == 0 {
		t.Error("nothing was watched at first")
	}
	d.say(callLine, 4)
	for got := d.hear(); string(got.ID) != "4"; got = d.hear() {
		if got.Method == "" {
			t.Errorf("got %+v", got)
		}
	}
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}
