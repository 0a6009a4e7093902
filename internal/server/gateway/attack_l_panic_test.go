package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// mined judges keys, and panics at one place with what must not be told.
type mined struct {
	access.Keys
	at     atomic.Pointer[string]
	secret string
}

func (m *mined) step(at string) {
	if p := m.at.Load(); p != nil && *p == at {
		panic(fmt.Errorf("a bug beside %s%s", m.secret, nasty))
	}
}

func (m *mined) Verify(ctx context.Context, p *gatehouse.Credential) (*apikey.Active, error) {
	m.step("verify")
	return m.Keys.Verify(ctx, p)
}

func (m *mined) Watch(ctx context.Context, key *apikey.Active) (context.Context, func(error)) {
	m.step("watch")
	watched, stop := m.Keys.Watch(ctx, key)
	return watched, func(cause error) { stop(cause); m.step("stop") }
}

func (m *mined) Used(key *apikey.Active, from netip.Addr, client, tool string) {
	m.step("used")
	m.Keys.Used(key, from, client, tool)
}

// TestA198PanicIsContained has the judge of keys fail by a fault of ours. That
// admits nobody, tells the caller nothing, and harms no other request.
func TestA198PanicIsContained(t *testing.T) {
	mine := &mined{}
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) {
		mine.Keys = g.Guard.Keys
		g.Guard = &access.Guard{Keys: mine}
	})
	_, mine.secret = s.mint()
	for _, at := range []string{"verify", "watch", "used"} {
		for _, body := range []string{call("get_a"), newer("tools/call", `,"name":"get_a"`)} {
			t.Run(at, func(t *testing.T) {
				mark, before := s.log.size(), s.up.count()
				mine.at.Store(&at)
				got := s.post(s.key, body, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "get_a")
				if body == call("get_a") {
					got = s.post(s.key, body)
				}
				mine.at.Store(nil)
				if got.status != 500 || !strings.Contains(got.body, "GH-1901") || !strings.Contains(got.body, got.header.Get("X-Request-Id")) {
					t.Errorf("got %d %s, want 500 GH-1901 with the request's id", got.status, got.body)
				}
				if at == "used" {
					isRefusal(t, got, 500, mcp.CodeInternalError)
				}
				all := fmt.Sprint(got)
				s.clean(t, "an answer", all)
				s.clean(t, "the log", s.log.since(mark))
				if strings.Contains(all, "bug") || strings.Contains(all, "goroutine") {
					t.Errorf("got %s, want nothing about what happened", all)
				}
				if s.up.count() != before {
					t.Error("the server was reached")
				}
				told := 0
				for _, line := range s.lines(t, mark) {
					if line["msg"] == "panic" && line["request"] == got.header.Get("X-Request-Id") && strings.Contains(fmt.Sprint(line["stack"]), "goroutine") {
						told++
					}
				}
				if told != 1 {
					t.Errorf("got %d lines about the panic, want 1 with its stack", told)
				}
				s.lives(t)
			})
		}
	}
}

// bomb is an answer that panics when it is to send something.
type bomb struct {
	http.ResponseWriter
	on string
}

func (b bomb) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b bomb) Write(p []byte) (int, error) {
	if strings.Contains(string(p), b.on) {
		panic("a bug in writing")
	}
	return b.ResponseWriter.Write(p)
}

// TestA198PanicInAStream panics in the midst of a stream: in the request's own
// goroutine, and in the one that keeps a silent stream alive. The latter would
// end the process.
func TestA198PanicInAStream(t *testing.T) {
	events := make(chan string)
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tell(w, r, events) }), func(g *gateway.Gateway) { g.KeepAlive = 5 * time.Millisecond })
	for _, on := range []string{"boom", ":\n\n"} {
		t.Run(fmt.Sprintf("%q", on), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.gate.ServeHTTP(bomb{w, on}, r) }))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/mcp", nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Authorization", "Bearer "+s.key)
			mark := s.log.size()
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			events <- note("first")
			if !bufio.NewScanner(res.Body).Scan() {
				t.Error("got no event before the panic")
			}
			if on == "boom" {
				events <- note(on)
				if _, err := io.Copy(io.Discard, res.Body); err == nil {
					t.Error("got a stream that ends as if all was said")
				}
			}
			for !strings.Contains(s.log.since(mark), `"msg":"panic"`) && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if ctx.Err() != nil {
				t.Fatal("nothing panics")
			}
			s.lives(t)
		})
	}
}

// deaf is an answer whose client has left before its head was sent.
type deaf struct {
	http.ResponseWriter
	wrote *atomic.Int64
	done  *atomic.Bool
}

func (d deaf) FlushError() error { return errors.New("broken pipe") }

func (d deaf) Write(p []byte) (int, error) {
	if d.done.Load() {
		d.wrote.Add(1)
	}
	return d.ResponseWriter.Write(p)
}

// TestA198NothingIsWrittenAfterwards begins a stream that cannot be begun. What
// keeps streams alive must not write to a connection that serves another
// request by then, nor may the caller's place stay taken.
func TestA198NothingIsWrittenAfterwards(t *testing.T) {
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tell(w, r, nil) }), func(g *gateway.Gateway) {
		g.KeepAlive = time.Millisecond
		atMost(g, 1)
	})
	for range 3 {
		q := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(call("get_a")))
		q.Host = "localhost"
		q.Header.Set("Authorization", "Bearer "+s.key)
		q.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		d := deaf{answer, &atomic.Int64{}, &atomic.Bool{}}
		s.gate.ServeHTTP(d, q)
		d.done.Store(true)
		if answer.Code != http.StatusOK {
			t.Fatalf("got %d %s, want a stream that begins", answer.Code, answer.Body)
		}
		time.Sleep(10 * time.Millisecond) // would be ten comments
		if n := d.wrote.Load(); n != 0 {
			t.Errorf("got %d writes after the end of the request, want none", n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := s.open(ctx, http.MethodPost, s.key, call("get_a"))
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %d for the only stream of the caller, want 200", res.StatusCode)
	}
}

// TestA198NilParams leaves out whatever may be left out, and more.
func TestA198NilParams(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	mark := s.log.size()
	for _, method := range []string{
		"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read", "resources/subscribe",
		"resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "tasks/get", "tasks/result", "tasks/list",
		"tasks/update", "tasks/cancel", "server/discover", "subscriptions/listen", "notifications/initialized", "notifications/cancelled", "notifications/progress",
	} {
		for _, params := range []string{"", `,"params":null`, `,"params":{}`, `,"params":[]`, `,"params":{"_meta":null}`, `,"params":{"name":null,"uri":null,"taskId":null,"requestId":null}`} {
			id := `"id":1,`
			if strings.HasPrefix(method, "notifications/") {
				id = ""
			}
			body := `{"jsonrpc":"2.0",` + id + `"method":"` + method + `"` + params + `}`
			for _, headers := range [][]string{nil, mirrored(method, "x")} {
				if got := s.post(s.key, body, headers...); got.status >= 500 {
					t.Errorf("%s: got %d %s, want no fault of ours", body, got.status, got.body)
				}
			}
		}
	}
	if strings.Contains(s.log.since(mark), `"msg":"panic"`) {
		t.Errorf("got a panic: %s", s.log.since(mark))
	}
}
