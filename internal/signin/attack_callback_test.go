package signin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// waiting is a door that a browser is to come back to, and the codes that came in.
type waiting struct {
	*callback
	host string

	mu    sync.Mutex
	codes []string
}

func wait(t *testing.T) *waiting {
	t.Helper()
	back, err := listenBack(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &waiting{callback: back, host: back.listener.Addr().String()}
	answers := back.serve("the-state")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case got := <-answers:
				w.mu.Lock()
				w.codes = append(w.codes, got.code)
				w.mu.Unlock()
				got.tell(nil)
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done; back.close() })
	return w
}

// came are the codes that were taken for the answer.
func (w *waiting) came() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.codes, ", ")
}

// raw sends a request byte for byte, and returns the first line of what comes back.
func (w *waiting) raw(t *testing.T, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", w.host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, strings.ReplaceAll(request, "HOST", w.host)) // the server may have enough before the end
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// TestA102TheCallback: only the browser's answer to this sign-in is one; whatever else
// comes is refused, and the wait goes on.
func TestA102TheCallback(t *testing.T) {
	const right, end = "/callback?code=x&state=the-state", "\r\nConnection: close\r\n\r\n"
	tests := []struct{ name, request string }{
		{"no state", "GET /callback?code=x HTTP/1.1\r\nHost: HOST" + end},
		{"an empty state", "GET /callback?code=x&state= HTTP/1.1\r\nHost: HOST" + end},
		{"another state", "GET /callback?code=x&state=the-stat3 HTTP/1.1\r\nHost: HOST" + end},
		{"a part of the state", "GET /callback?code=x&state=the-stat HTTP/1.1\r\nHost: HOST" + end},
		{"the state and more", "GET /callback?code=x&state=the-state. HTTP/1.1\r\nHost: HOST" + end},
		{"the state twice", "GET " + right + "&state=the-state HTTP/1.1\r\nHost: HOST" + end},
		{"the state behind a semicolon", "GET /callback?code=x;state=the-state HTTP/1.1\r\nHost: HOST" + end},
		{"the state in a body", "GET /callback?code=x HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\nConnection: close\r\n\r\nstate=the-state"},
		{"two codes", "GET " + right + "&code=y HTTP/1.1\r\nHost: HOST" + end},
		{"two issuers", "GET " + right + "&iss=a&iss=b HTTP/1.1\r\nHost: HOST" + end},
		{"two errors", "GET " + right + "&error=a&error=b HTTP/1.1\r\nHost: HOST" + end},
		{"another path", "GET /other?code=x&state=the-state HTTP/1.1\r\nHost: HOST" + end},
		{"a path below", "GET /callback/?code=x&state=the-state HTTP/1.1\r\nHost: HOST" + end},
		{"a path that leads there", "GET /x/../callback?code=x&state=the-state HTTP/1.1\r\nHost: HOST" + end},
		{"another host", "GET " + right + " HTTP/1.1\r\nHost: evil.example" + end},
		{"another host, as a rebound name has it", "GET " + right + " HTTP/1.1\r\nHost: evil.example:80" + end},
		{"localhost", "GET " + right + " HTTP/1.1\r\nHost: localhost" + end},
		{"another host in the target", "GET http://evil.example" + right + " HTTP/1.1\r\nHost: HOST" + end},
		{"no host", "GET " + right + " HTTP/1.0\r\n\r\n"},
		{"POST", "POST " + right + " HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0" + end},
		{"HEAD", "HEAD " + right + " HTTP/1.1\r\nHost: HOST" + end},
		{"OPTIONS", "OPTIONS " + right + " HTTP/1.1\r\nHost: HOST\r\nAccess-Control-Request-Private-Network: true" + end},
		{"a foreign origin", "GET " + right + " HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example" + end},
		{"an origin that is none", "GET " + right + " HTTP/1.1\r\nHost: HOST\r\nOrigin: null" + end},
		{"a query of 10 MB", "GET " + right + "&x=" + strings.Repeat("x", 10<<20) + " HTTP/1.1\r\nHost: HOST" + end},
		{"headers of 10 MB", "GET " + right + " HTTP/1.1\r\nHost: HOST\r\nX: " + strings.Repeat("x", 10<<20) + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := wait(t)
			if line := w.raw(t, tt.request); !strings.HasPrefix(line, "HTTP/1.1 4") && !strings.HasPrefix(line, "HTTP/1.0 4") && (line != "" || len(tt.request) < 1<<20) {
				t.Errorf("got %q", line)
			}
			if got := w.came(); got != "" {
				t.Errorf("it is taken for the answer: %s", got)
			}
			if line := w.raw(t, "GET /callback?code=the-code&state=the-state HTTP/1.1\r\nHost: HOST"+end); line != "HTTP/1.1 200 OK" || w.came() != "the-code" {
				t.Errorf("the answer itself: got %q, %q", line, w.came())
			}
			if line := w.raw(t, "GET /callback?code=another&state=the-state HTTP/1.1\r\nHost: HOST"+end); line != "HTTP/1.1 400 Bad Request" || w.came() != "the-code" {
				t.Errorf("a second answer: got %q, %q", line, w.came())
			}
		})
	}
}

// TestA102SlowVisitorsKeepNobodyOut: whoever sends headers slowly is in nobody's way, and
// is not waited for.
func TestA102SlowVisitorsKeepNobodyOut(t *testing.T) {
	w := wait(t)
	var slow []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", w.host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "GET /callback?code=x&state=the-state HTTP/1.1\r\nHost: "+w.host+"\r\nX-Slow: ")
		slow = append(slow, c)
	}
	if line := w.raw(t, "GET /callback?code=the-code&state=the-state HTTP/1.1\r\nHost: HOST\r\n\r\n"); line != "HTTP/1.1 200 OK" || w.came() != "the-code" {
		t.Errorf("got %q, %q", line, w.came())
	}
	if w.server.ReadTimeout <= 0 || w.server.ReadTimeout > 10*time.Second {
		t.Errorf("it waits %s for a request", w.server.ReadTimeout)
	}
	w.close()
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Fatalf("a slow one is kept: %v", err)
		}
	}
}

// TestA102ThePortBelongsToTheSignIn: where somebody else sits at the port, nobody is sent.
func TestA102ThePortBelongsToTheSignIn(t *testing.T) {
	w := newWorld(t)
	if _, err := w.first(w.client()); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(w.forms[0].Get("redirect_uri"))
	if err != nil || at.Hostname() != "127.0.0.1" || w.regs[0]["redirect_uris"].([]any)[0] != at.String() {
		t.Fatalf("the browser comes back to %v, registered %v (%v)", at, w.regs[0], err)
	}
	// Another user has the port now that the client is registered with.
	taken, err := net.Listen("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	visited := make(chan struct{}, 10)
	go func() {
		_ = http.Serve(taken, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited <- struct{}{} }))
	}() //nolint:gosec // it ends with the test
	c := w.client()
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := w.forms[len(w.forms)-1].Get("redirect_uri")
	if len(visited) > 0 || last == at.String() || len(w.regs) != 2 || w.regs[1]["redirect_uris"].([]any)[0] != last {
		t.Errorf("%d visits to somebody else; the browser came back to %s, registered %v", len(visited), last, w.regs)
	}
	// A port that is asked for is not exchanged for another.
	c = w.client()
	c.Port = taken.Addr().(*net.TCPAddr).Port
	if _, err := c.Login(t.Context()); code(err) != CodeSettings || len(visited) > 0 {
		t.Errorf("got %v", err)
	}
}

// TestA102TheTwinOfIPv6IsAnother: who sits at the same port of the other loopback address
// hears nothing.
func TestA102TheTwinOfIPv6IsAnother(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	heard := make(chan string, 10)
	c.Open = func(ctx context.Context, at string) error {
		u, err := url.Parse(at)
		if err != nil {
			return err
		}
		back, err := url.Parse(u.Query().Get("redirect_uri"))
		if err != nil {
			return err
		}
		twin, err := net.Listen("tcp", net.JoinHostPort("::1", back.Port()))
		if err != nil {
			t.Logf("there is no twin: %v", err) // a machine without IPv6, or somebody else has it
		} else {
			t.Cleanup(func() { _ = twin.Close() })
			go func() {
				_ = http.Serve(twin, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.URL.String() }))
			}() //nolint:gosec // it ends with the test
		}
		return w.browse(ctx, at)
	}
	if _, err := w.first(c); err != nil || len(heard) > 0 {
		t.Errorf("got %v; the twin heard %d requests", err, len(heard))
	}
}

// TestA102ManySignInsAtOnce: each that is begun at the same time gets the code that is its
// own, though all of them want the port that they are registered with.
func TestA102ManySignInsAtOnce(t *testing.T) {
	w := newWorld(t)
	free, err := listenBack(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	free.close()
	var all sync.WaitGroup
	const many = 12
	for i := range many {
		all.Go(func() {
			c := w.client()
			store := newMemory() // each is another user's
			store.has[clientName(w.url)] = fmt.Appendf(nil, `{"id":"before","method":"none","dynamic":true,"redirect":%q}`, free.redirect())
			c.Store = store
			if _, err := w.first(c); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	backs := map[string]int{}
	for _, f := range w.forms {
		backs[f.Get("redirect_uri")]++
		if f.Get("client_id") == "before" && f.Get("redirect_uri") != free.redirect() {
			t.Errorf("a client is sent back to where it is not registered: %v", f)
		}
	}
	if len(w.forms) != many || len(w.regs) < 1 {
		t.Errorf("%d codes were exchanged, %d clients registered, at %v", len(w.forms), len(w.regs), backs)
	}
}
