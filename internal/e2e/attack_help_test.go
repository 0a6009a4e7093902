package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// long says that there is time for what takes minutes: make soak sets it.
func long() bool { return os.Getenv("GATEHOUSE_LONG") != "" }

// times is n, or many of them when there is time.
func times(n, many int) int {
	if long() {
		return many
	}
	return n
}

// seen is a request as it came to a double.
type seen struct {
	method, uri, body string
	header            http.Header
}

// double is an MCP server in this process which remembers what it was asked.
type double struct {
	*httptest.Server
	mu  sync.Mutex
	all []seen
}

// behind starts a double. What answers may be nil: every call is answered with its method.
func newDouble(t testing.TB, answers http.HandlerFunc) *double {
	t.Helper()
	d := &double{}
	if answers == nil {
		answers = func(w http.ResponseWriter, r *http.Request) { answerJSON(w, `{"content":[],"tools":[]}`) }
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		if r.Header.Get("X-Request-Id") != "" { // else it was asked by the gateway itself, what it is
			d.all = append(d.all, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		}
		d.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answers(w, r)
	}))
	t.Cleanup(func() { // Close would wait for connections whose first request is still to come
		_ = d.Listener.Close()
		_ = d.Config.Close()
	})
	return d
}

// answerJSON answers request 1.
func answerJSON(w http.ResponseWriter, result string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`)
}

func (d *double) requests() []seen {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]seen(nil), d.all...)
}

func (d *double) count() int { return len(d.requests()) }

// toolCall is a call of a tool in 2026-07-28, and toolHeaders are its headers.
func toolCall(tool, args string) string {
	return strings.Replace(strings.Replace(toolsList, "tools/list", "tools/call", 1), `"params":{`, fmt.Sprintf(`"params":{"name":%q,"arguments":%s,`, tool, args), 1)
}

func toolHeaders(key, tool string) []string {
	return []string{"Authorization: Bearer " + key, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: " + tool}
}

// from has a client connect from another address of this machine.
func (p *production) from(address string) func(*http.Transport) {
	return func(way *http.Transport) {
		way.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext(ctx, "tcp", p.Listen)
		}
	}
}

// alone has a client make a connection for every request.
func alone(way *http.Transport) { way.DisableKeepAlives = true }

// old has a client speak HTTP/1.1.
func old(way *http.Transport) {
	way.ForceAttemptHTTP2 = false
	way.TLSClientConfig.NextProtos = []string{"http/1.1"}
}

// secure opens a TLS connection by hand.
func (p *production) secure(t testing.TB, protocol string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", p.Listen, &tls.Config{RootCAs: p.pool, ServerName: "mcp.test", NextProtos: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// metrics reads /-/metrics, numbers without labels.
func (p *production) metrics(t testing.TB) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for s := bufio.NewScanner(strings.NewReader(p.metricsPage(t))); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[name] = n
		}
	}
	return all
}

func (p *production) metricsPage(t testing.TB) string {
	t.Helper()
	return p.operators(t, "/-/metrics")
}

// operators asks the listener for operators.
func (p *production) operators(t testing.TB, path string) string {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + p.Admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flat remembers goroutines, file descriptors and memory, and returns what
// wants them back. Nothing of the test may be under way at either time.
func (p *production) flat(t testing.TB) (back func()) {
	t.Helper()
	const routines, files, memory = "go_goroutines", "process_open_fds", "process_resident_memory_bytes"
	// Of a burst the database keeps its readers open: 8, each with the file and its log.
	const pool = 8 * 2
	before := p.metrics(t)
	return func() {
		t.Helper()
		var now map[string]float64
		ok := func() bool {
			now = p.metrics(t)
			return now[routines] <= before[routines]+10 && now[files] <= before[files]+10+pool && now["gatehouse_exchanges"] == 0
		}
		for end := time.Now().Add(10*time.Second + slack()); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("got %v goroutines and %v files, %v calls under way; want %v and %v as before", now[routines], now[files], now["gatehouse_exchanges"], before[routines], before[files])
				break
			}
		}
		room := float64(96 << 20)
		if raceDetector {
			room *= 6
		}
		if grown := now[memory] - before[memory]; grown > room {
			t.Errorf("got %.0f MiB more memory than before", grown/(1<<20))
		}
	}
}

// lives wants the next request answered.
func (p *production) lives(t testing.TB, key string) {
	t.Helper()
	if got := p.ask(p.client(alone), "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusOK {
		t.Errorf("got %d %s for a good request, want 200", got.status, got.body)
	}
}

// events returns what the trail has about a request.
func (p *production) events(request string) []map[string]any {
	p.t.Helper()
	var all []map[string]any
	for _, e := range p.trail() {
		if e["request"] == request {
			all = append(all, e)
		}
	}
	return all
}

// logged returns the log's line about a request.
func (p *production) logged(request string) string {
	for line := range strings.Lines(p.stderr.String()) {
		if strings.Contains(line, request) && strings.HasSuffix(line, "\n") {
			return line
		}
	}
	return ""
}
