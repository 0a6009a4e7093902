package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// script is an HTTP+SSE server that says what a test has it say.
type script struct {
	preface string                                 // before the endpoint's event
	head    string                                 // that event's field and data; empty: the good one
	status  int                                    // of the GET; zero: 200
	kind    string                                 // its content type; empty: an event stream
	post    func(http.ResponseWriter, string) bool // says whether the rest is left to the script; nil: it is

	mu      sync.Mutex
	streams map[string]chan string
	last    int
	posts   []*http.Request
	gets    []*http.Request
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodPost {
		s.message(w, r, string(body))
		return
	}
	s.mu.Lock()
	s.last++
	id := fmt.Sprint(s.last)
	events := make(chan string, 100)
	if s.streams == nil {
		s.streams = map[string]chan string{}
	}
	s.streams[id] = events
	s.gets = append(s.gets, r.Clone(context.Background()))
	s.mu.Unlock()
	kind := s.kind
	if kind == "" {
		kind = "text/event-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Location", "/elsewhere")
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	head := s.head
	if head == "" {
		head = "event: endpoint\ndata: /message?id=" + id + "\n\n"
	}
	_, _ = io.WriteString(w, s.preface+head)
	for control := http.NewResponseController(w); ; {
		_ = control.Flush()
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			_, _ = io.WriteString(w, e)
		case <-r.Context().Done():
			s.mu.Lock()
			delete(s.streams, id)
			s.mu.Unlock()
			return
		}
	}
}

// message answers requests by their id, and echoes the text of calls.
func (s *script) message(w http.ResponseWriter, r *http.Request, body string) {
	s.mu.Lock()
	s.posts = append(s.posts, r.Clone(context.Background()))
	events := s.streams[r.URL.Query().Get("id")]
	s.mu.Unlock()
	if s.post != nil && !s.post(w, body) {
		return
	}
	if events == nil {
		http.Error(w, "no such session", http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, rest, asks := strings.Cut(body, `"id":`)
	if id, _, _ := strings.Cut(rest, ","); asks {
		id = strings.TrimSuffix(id, "}")
		events <- `data: {"jsonrpc":"2.0","id":` + id + `,"result":{"protocolVersion":"2024-11-05","mark":"` + r.URL.Query().Get("id") + "\"}}\n\n"
	}
}

func (s *script) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

// say has every open stream say something.
func (s *script) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, events := range s.streams {
		events <- text
	}
}

// front puts a gateway before a script.
func front(t *testing.T, s *script, edits ...func(*gateway.Gateway)) *fixture {
	t.Helper()
	return protect(t, s, append([]func(*gateway.Gateway){oldDoor, overEvents}, edits...)...)
}

// TestEndpointOfAHostileServer has an event stream turn callers to another host.
func TestEndpointOfAHostileServer(t *testing.T) {
	elsewhere := &recorder{next: http.HandlerFunc(echo)}
	trap := httptest.NewServer(elsewhere)
	defer trap.Close()
	for name, data := range map[string]string{
		"another port":                  trap.URL + "/message",
		"another host":                  "http://evil.test/message",
		"another host at the same port": "http://localhost:PORT/message",
		"another host, for short":       "//evil.test/message",
		"another scheme":                "https://HOST/message",
		"a scheme of its own":           "file:///etc/passwd",
		"a name":                        "javascript:alert(1)",
		"a user":                        "http://me@HOST/message",
		"a user that looks like us":     "http://HOST@evil.test/message",
		"a fragment":                    "/message#x",
		"a backslash":                   `\\evil.test\message`,
		"a slash and a backslash":       `/\evil.test/message`,
		"a space":                       "/message HTTP/1.1",
		"nothing":                       "",
		"two lines":                     "/message\ndata: Host: evil.test",
		"a carriage return":             "/message\rdata: X: y",
		"a control character":           "/mess\x00age",
		"no URL":                        "http://[::1",
		"a long one":                    "/" + strings.Repeat("x", 3000),
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			f := front(t, s)
			f.t = t
			s.head = "event: endpoint\ndata: " + strings.NewReplacer("HOST", f.upstreamHost, "PORT", f.upstreamHost[strings.LastIndex(f.upstreamHost, ":")+1:]).Replace(data) + "\n\n"
			_, key := f.key()
			got := f.post(key, initialize)
			if got.status != http.StatusBadGateway || !strings.Contains(got.body, "GH-1604") || strings.Contains(got.body, "evil") {
				t.Errorf("got %d %s, want 502 GH-1604", got.status, got.body)
			}
			if n := len(elsewhere.requests()) + len(s.posts); n != 0 {
				t.Errorf("got %d messages delivered, want none", n)
			}
			eventually(t, "the stream is closed", func() bool { return s.open() == 0 })
		})
	}
}

func TestEventStreamThatDoesNotBegin(t *testing.T) {
	tests := []struct {
		name   string
		server *script
		code   string
	}{
		{"another event first", &script{preface: "data: {}\n\n"}, "GH-1604"},
		{"comments without end", &script{preface: strings.Repeat(": x\n\n", 20_000)}, "GH-1604"},
		{"a line without end", &script{preface: ": " + strings.Repeat("x", 1<<20)}, "GH-1604"},
		{"nothing at all", &script{head: ": wait\n\n"}, "GH-1603"},
		{"a page", &script{kind: "text/html"}, "GH-1604"},
		{"an error", &script{status: 500}, "GH-1604"},
		{"no such page", &script{status: 404, kind: "text/plain"}, "GH-1604"},
		{"a want of credentials", &script{status: 401}, "GH-1602"},
		{"a redirect", &script{status: 307}, "GH-1604"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g *gateway.Gateway
			f := front(t, tt.server, func(opened *gateway.Gateway) { g = opened })
			g.Hurry(time.Second)
			f.t = t
			_, key := f.key()
			if got := f.post(key, initialize); !strings.Contains(got.body, tt.code) {
				t.Errorf("got %d %s, want %s", got.status, got.body, tt.code)
			}
			c := f.dial(key)
			if got := c.ask(t, initialize); !strings.Contains(got, tt.code) || !strings.Contains(got, `"id":0`) {
				t.Errorf("got %s on an old stream, want %s", got, tt.code)
			}
			eventually(t, "the streams are closed", func() bool { return tt.server.open() == 0 })
		})
	}
}

func TestA137EventStreamSaysWhatItMustNot(t *testing.T) {
	s := &script{}
	f := front(t, s)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	s.say("event: endpoint\ndata: /other\n\n")
	s.say("event: ping\ndata: {\"stolen\":1}\n\ndata: not JSON\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{\"stolen\":2}}\n\n" +
		"data: {\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"stolen\":3}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"ID\":2,\"result\":{\"stolen\":4}}\n\n" +
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":7,\"progress\":1}}\n\n")
	s.say("data: " + note("fine\\r\\n\\r\\nevent: endpoint") + "\r\n\r\n")
	if e := c.next(); e.name != "message" || !strings.Contains(e.data, "fine") {
		t.Errorf("got %v, want the note", e)
	}
	if got := c.ask(t, ping); !strings.Contains(got, `"id":1,"result"`) {
		t.Errorf("got %s, want the answer", got)
	}
	for _, q := range s.posts {
		if q.URL.Path != "/message" {
			t.Errorf("got a message at %s", q.URL.Path)
		}
	}
	c.quiet(t)
	// A line of 100 MB ends the stream, and costs no memory to speak of.
	go s.say("data: " + strings.Repeat("x", 100<<20) + "\n\n")
	c.ends(t)
	again := f.dial(key)
	again.begin(t)
}

func TestA113A192EachSessionHasAStreamOfItsOwn(t *testing.T) {
	s := &script{}
	f := front(t, s)
	other, err := f.tenants.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	_, key := f.key()
	_, stranger := f.keyOf(other.ID)
	a, b := f.dial(key), f.dial(stranger)
	a.begin(t)
	b.begin(t)
	id := f.post(key, initialize).header.Get(sessionHeader)
	if s.open() != 3 || id == "" {
		t.Errorf("got %d streams at the server and session %q, want three", s.open(), id)
	}
	if got := f.post(stranger, ping, sessionHeader, id); got.status != http.StatusNotFound {
		t.Errorf("got %d for somebody else's session, want 404", got.status)
	}
	s.mu.Lock()
	s.streams["1"] <- "data: " + note("for a") + "\n\n"
	s.mu.Unlock()
	if e := a.next(); !strings.Contains(e.data, "for a") {
		t.Errorf("got %v, want a's note", e)
	}
	for mark, c := range map[string]*oldClient{"1": a, "2": b} {
		if got := c.ask(t, ping); !strings.Contains(got, `"mark":"`+mark+`"`) {
			t.Errorf("got %s, want that of stream %s", got, mark)
		}
		c.quiet(t)
	}
	for _, q := range append(s.posts, s.gets...) {
		if q.Header.Get("Authorization") != "" || q.Header.Get(sessionHeader) != "" || q.Header.Get("X-Request-Id") == "" || strings.Contains(q.RequestURI, "session=") {
			t.Errorf("got %s %s with %v at the server", q.Method, q.RequestURI, q.Header)
		}
	}
	if got := f.do(http.MethodDelete, key, "", sessionHeader, id); got.status != http.StatusNoContent {
		t.Errorf("got %d for the end of a session, want 204", got.status)
	}
	a.close()
	eventually(t, "their streams are closed", func() bool { return s.open() == 1 })
}

func TestEventServerThatRestarts(t *testing.T) {
	s := &script{}
	f := front(t, s)
	_, key := f.key()
	c := f.dial(key)
	c.begin(t)
	id := f.post(key, initialize).header.Get(sessionHeader)
	stream := f.open(t.Context(), http.MethodGet, key, "", sessionHeader, id)
	defer stream.Body.Close()
	s.mu.Lock()
	for _, events := range s.streams {
		close(events)
	}
	clear(s.streams)
	s.mu.Unlock()
	c.ends(t)
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("got %v, want the end of the stream", err)
	}
	if got := f.post(key, ping, sessionHeader, id); got.status != http.StatusNotFound {
		t.Errorf("got %d for the session, want 404", got.status)
	}
	f.dial(key).begin(t)
}

func TestEventServerThatDoesNotTakeMessages(t *testing.T) {
	wait := make(chan struct{})
	s := &script{}
	s.post = func(w http.ResponseWriter, body string) bool {
		switch {
		case strings.Contains(body, "get_a"):
			w.WriteHeader(http.StatusBadRequest)
		case strings.Contains(body, "get_b"):
			<-wait
		case strings.Contains(body, "get_c"):
			w.WriteHeader(http.StatusForbidden)
		case strings.Contains(body, "get_d"):
			w.WriteHeader(http.StatusNotFound)
		default:
			return true
		}
		return false
	}
	var g *gateway.Gateway
	f := front(t, s, func(opened *gateway.Gateway) { g = opened })
	defer close(wait)
	g.Hurry(time.Second)
	_, key := f.key()
	id := f.post(key, initialize).header.Get(sessionHeader)
	for tool, code := range map[string]string{"get_a": "GH-1604", "get_b": "GH-1603", "get_c": "GH-1602"} {
		if got := f.post(key, call(tool), sessionHeader, id); !strings.Contains(got.body, code) {
			t.Errorf("%s: got %d %s, want %s", tool, got.status, got.body, code)
		}
	}
	if got := f.post(key, call("echo"), sessionHeader, id); got.status != http.StatusOK {
		t.Errorf("got %d %s afterwards", got.status, got.body)
	}
	if got := f.post(key, call("get_d"), sessionHeader, id); got.status != http.StatusNotFound || !strings.Contains(got.body, "GH-1303") {
		t.Errorf("got %d %s for a session that is gone, want 404", got.status, got.body)
	}
	eventually(t, "its stream is closed", func() bool { return s.open() == 0 })
}

func TestNewerEraInFrontOfAnEventServer(t *testing.T) {
	s := &script{}
	f := front(t, s)
	_, key := f.key()
	got := whole(t, f.modern(t.Context(), key, "1", "", "tools/list", ""))
	if got.status != http.StatusBadRequest || !strings.Contains(got.body, "-32022") || !strings.Contains(got.body, "2025-11-25") {
		t.Errorf("got %d %s, want 400 and the versions that a client can fall back to", got.status, got.body)
	}
	if s.open() != 0 || len(s.gets) != 0 {
		t.Error("the server was asked")
	}
}

func TestDescribeAnEventServer(t *testing.T) {
	m := curious()
	var g *gateway.Gateway
	protect(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return m }, nil), overEvents, func(opened *gateway.Gateway) { g = opened })
	got, err := g.Describe(t.Context())
	if err != nil || got.Tools != 5 || len(got.Versions) != 1 || got.Versions[0] != "2025-11-25" || got.PID != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	protect(t, http.NotFoundHandler(), overEvents, func(opened *gateway.Gateway) { g = opened })
	if got, err := g.Describe(t.Context()); err == nil {
		t.Errorf("got %+v for a server that is not there", got)
	}
}
