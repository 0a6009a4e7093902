package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// eventStream is an open stream of HTTP+SSE, read as it comes.
type eventStream struct {
	*output
	endpoint string
	ended    chan struct{}
}

// stream opens one, and waits for the endpoint.
func (p *production) stream(t testing.TB, c *http.Client, key string) *eventStream {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "GET", "https://mcp.test/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+key)
	q.Header.Set("Accept", "text/event-stream")
	endless := *c
	endless.Timeout = 0
	res, err := endless.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	s := &eventStream{output: newOutput(), ended: make(chan struct{})}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d for a stream, want 200", res.StatusCode)
	}
	go func() {
		defer close(s.ended)
		b := make([]byte, 4096)
		for {
			n, err := res.Body.Read(b)
			_, _ = s.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	eventually(t, "the endpoint", func() bool {
		_, rest, ok := strings.Cut(s.String(), "event: endpoint\ndata: ")
		s.endpoint, _, _ = strings.Cut(rest, "\n")
		return ok && strings.Contains(rest, "\n\n")
	})
	return s
}

// TestA205NoisyTenant has one tenant do all that it can, in and over its
// limits; another is served as before.
func TestA205NoisyTenant(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	text := strings.NewReplacer("UPSTREAM", up.URL, "per_key: 10/min", "per_key: off", "per_tenant: 60/min", "per_tenant: 6000/min", "per_address: 40/min", "per_address: off", "per_ip: 20/min", "per_ip: 1000/min").Replace(limited)
	p := serve(t, text)
	p.run("tenant", "create", "noisy")
	p.run("tenant", "create", "calm")
	_, noisy := p.key("--name", "n", "--tenant", "noisy")
	_, calm := p.key("--name", "c", "--tenant", "calm")
	back := p.flat(t)
	var over atomic.Bool
	var floods sync.WaitGroup
	var refused, passed atomic.Int64
	for i := range 8 {
		floods.Go(func() {
			c := p.client(p.from(fmt.Sprintf("127.0.3.%d", i+1)))
			for !over.Load() {
				body, headers := toolsList, modern(noisy)
				switch i % 4 {
				case 1:
					body, headers = toolCall("x", `{"a":"`+strings.Repeat("x", 100_000)+`"}`), toolHeaders(noisy, "x")
				case 2:
					headers = modern(noisy[:20])
				case 3:
					body = "{"
				}
				if p.ask(c, "POST", "https://mcp.test/mcp", body, headers...).status == http.StatusOK {
					passed.Add(1)
				} else {
					refused.Add(1)
				}
			}
			c.CloseIdleConnections()
		})
	}
	c := p.client()
	var slowest time.Duration
	for range times(300, 5000) {
		began := time.Now()
		if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(calm)...); got.status != http.StatusOK {
			t.Errorf("got %d %s for the calm tenant", got.status, got.body)
			break
		}
		slowest = max(slowest, time.Since(began))
	}
	over.Store(true)
	floods.Wait()
	c.CloseIdleConnections()
	t.Logf("%d calls of the noisy tenant passed, %d were refused; the slowest of the calm one took %s", passed.Load(), refused.Load(), slowest)
	if refused.Load() == 0 || slowest > slack() {
		t.Errorf("got %d refusals, and %s for the slowest call of the calm tenant", refused.Load(), slowest)
	}
	back()
}

// TestA195StreamsAndSockets opens more than one caller and one address may have.
func TestA195StreamsAndSockets(t *testing.T) {
	t.Parallel()
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush() //nolint:forcetypeassert // a test
			<-r.Context().Done()
			return
		}
		answerJSON(w, `{"tools":[]}`)
	})
	text := strings.NewReplacer("UPSTREAM", up.URL, "per_key: 10/min", "per_key: off", "per_tenant: 60/min", "per_tenant: off", "per_address: 40/min", "per_address: off\n  streams: {per_key: 30, per_tenant: 50}").Replace(limited)
	p := serve(t, text)
	_, a := p.key("--name", "a")
	_, b := p.key("--name", "b")
	p.run("tenant", "create", "other")
	_, other := p.key("--name", "other", "--tenant", "other")
	p.lives(t, a)
	back := p.flat(t)
	c := p.client()
	opens := func(key string, n int) (open int, last got) { return p.openStreams(t, c, key, n) }
	if n, last := opens(a, 60); n != 30 || last.status != http.StatusServiceUnavailable && last.status != http.StatusTooManyRequests {
		t.Errorf("got %d streams of one key open and %d beyond, want 30 and 503", n, last.status)
	}
	if n, _ := opens(b, 60); n != 20 {
		t.Errorf("got %d more streams of the tenant open, want 20", n)
	}
	if n, _ := opens(other, 5); n != 5 {
		t.Errorf("got %d streams of another tenant open, want 5", n)
	}
	crowdsOneAddress(t, p, other)
	p.run("key", "revoke", a[5:17], "--yes")
	p.run("key", "revoke", b[5:17], "--yes")
	p.run("key", "revoke", other[5:17], "--yes")
	c.CloseIdleConnections()
	back()
}

// openStreams opens so many streams of both doors at once, and returns how many
// were, and an answer to one that was not.
func (p *production) openStreams(t *testing.T, c *http.Client, key string, n int) (open int, last got) {
	var mu sync.Mutex
	together(n, func(i int) {
		path := map[int]string{0: "/mcp", 1: "/sse"}[i%2]
		q, _ := http.NewRequestWithContext(t.Context(), "GET", "https://mcp.test"+path, nil)
		q.Header.Set("Authorization", "Bearer "+key)
		q.Header.Set("Accept", "text/event-stream")
		endless := *c
		endless.Timeout = 0
		res, err := endless.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if res.StatusCode == http.StatusOK {
			open++
			t.Cleanup(func() { _ = res.Body.Close() })
			return
		}
		last = got{res.StatusCode, res.Header, ""}
		_ = res.Body.Close()
	})
	return open, last
}

// crowdsOneAddress opens more connections than one address may have.
func crowdsOneAddress(t *testing.T, p *production, other string) {
	t.Helper()
	var sockets []net.Conn
	for range 1100 {
		s, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.5.5")}}).Dial("tcp", p.Listen)
		if err != nil {
			break
		}
		sockets = append(sockets, s)
	}
	p.lives(t, other) // others are served meanwhile
	if n := p.metrics(t)["gatehouse_connections"]; n > 1024+20 {
		t.Errorf("got %v connections, want at most 1024 of one address", n)
	}
	for _, s := range sockets {
		_ = s.Close()
	}
}
