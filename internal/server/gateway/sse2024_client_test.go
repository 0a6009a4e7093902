package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// oldClient is a client of HTTP+SSE that does only what it is told to.
type oldClient struct {
	f        *fixture
	key      string
	res      *http.Response
	events   chan said
	endpoint string // as the server has named it
	leave    context.CancelFunc
}

type said struct{ name, data string }

// dial opens a stream and reads its endpoint. Headers come in pairs.
func (f *fixture) dial(key string, headers ...string) *oldClient {
	f.t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	c := &oldClient{f: f, key: key, leave: leave, events: make(chan said, 1000)}
	at := *f
	at.url = f.base() + "/sse"
	c.res = at.open(ctx, http.MethodGet, key, "", append([]string{"Accept", "text/event-stream"}, headers...)...)
	f.t.Cleanup(c.close)
	if c.res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(c.res.Body)
		f.t.Fatalf("got %d for an event stream: %s", c.res.StatusCode, text)
	}
	go c.read()
	e := c.next()
	if e.name != "endpoint" {
		f.t.Fatalf("got %v as the first event, want the endpoint", e)
	}
	c.endpoint = e.data
	return c
}

func (f *fixture) base() string { return strings.TrimSuffix(f.url, "/mcp") }

func (c *oldClient) close() {
	c.leave()
	_ = c.res.Body.Close()
	for range c.events { //nolint:revive // until the reader has ended
	}
}

func (c *oldClient) read() {
	defer close(c.events)
	in := bufio.NewReader(c.res.Body)
	var e said
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n" && e != said{}:
			c.events <- e
			e = said{}
		case name == "event":
			e.name = value
		case name == "data":
			e.data += value
		}
	}
}

// dialDeaf opens a stream, reads its endpoint and then nothing any more.
func (f *fixture) dialDeaf(key string) (endpoint string) {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /sse HTTP/1.1\r\nHost: "+f.address+"\r\nAuthorization: Bearer "+key+"\r\n\r\n"); err != nil {
		f.t.Fatal(err)
	}
	in := bufio.NewReaderSize(conn, 16)
	for endpoint == "" {
		line, err := in.ReadString('\n')
		if err != nil {
			f.t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			endpoint = strings.TrimSuffix(data, "\n")
		}
	}
	return endpoint
}

// next returns the next event; the zero event when the stream has ended.
func (c *oldClient) next() said {
	c.f.t.Helper()
	select {
	case e := <-c.events:
		return e
	case <-time.After(10 * time.Second):
		c.f.t.Fatal("got no event within 10 s")
		return said{}
	}
}

// ends wants the stream to end, and returns what came before.
func (c *oldClient) ends(t *testing.T) (rest []said) {
	t.Helper()
	for end := time.After(10 * time.Second); ; {
		select {
		case e, ok := <-c.events:
			if !ok {
				return rest
			}
			rest = append(rest, e)
		case <-end:
			t.Fatal("the stream is still open after 10 s")
		}
	}
}

// lives fails the test when the stream has ended or says something.
func (c *oldClient) quiet(t *testing.T) {
	t.Helper()
	select {
	case e, ok := <-c.events:
		t.Errorf("got %v (open: %v), want an open stream that says nothing", e, ok)
	default:
	}
}

// say posts a message to the endpoint with the client's key.
func (c *oldClient) say(message string, headers ...string) reply {
	c.f.t.Helper()
	return c.f.sayAs(c.key, c.endpoint, message, headers...)
}

// sayAs posts a message to an endpoint.
func (f *fixture) sayAs(key, endpoint, message string, headers ...string) reply {
	f.t.Helper()
	at := *f
	at.url = f.base() + endpoint
	return at.post(key, message, headers...)
}

// ask posts a request, which must be accepted, and returns the next message.
func (c *oldClient) ask(t *testing.T, request string) string {
	t.Helper()
	if got := c.say(request); got.status != http.StatusAccepted || got.body != "" {
		t.Fatalf("got %d %s for a request, want 202", got.status, got.body)
	}
	e := c.next()
	if e.name != "message" || !json.Valid([]byte(e.data)) {
		t.Fatalf("got %v, want a message", e)
	}
	return e.data
}

// begin opens a session.
func (c *oldClient) begin(t *testing.T) string {
	t.Helper()
	hello := c.ask(t, initialize)
	if !strings.Contains(hello, `"result"`) {
		t.Fatalf("got %s, want a session", hello)
	}
	if got := c.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); got.status != http.StatusAccepted {
		t.Fatalf("got %d %s for a notification, want 202", got.status, got.body)
	}
	return hello
}
