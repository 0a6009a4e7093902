package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"go.uber.org/goleak"
)

// siege is a fixture under attack. It looks at what every refusal promises:
// nothing reaches the server, one line in the log, no secret anywhere, the next
// good request passes, and in the end nothing is left running.
type siege struct {
	*fixture
	gate    *gateway.Gateway
	key     string // of a good caller
	id      string // of that key
	secrets []string
	good    http.Transport // carries the good requests between attacks
	calm    goleak.Option  // the goroutines there were before the attack
}

// besiege puts a gateway in front of a server that answers pings by itself.
func besiege(t *testing.T, server http.Handler, edits ...func(*gateway.Gateway)) *siege {
	t.Helper()
	s := &siege{}
	s.fixture = protect(t, pongs(server), append(edits, func(g *gateway.Gateway) { s.gate = g })...)
	s.id, s.key = s.mint()
	s.alive(s.key)
	s.calm = goleak.IgnoreCurrent()
	t.Cleanup(s.settle)
	return s
}

// mint makes a key whose secret must not be seen anywhere.
func (s *siege) mint(tools ...string) (id, text string) {
	s.t.Helper()
	k, text := s.fixture.key(tools...)
	s.secrets = append(s.secrets, text[len("gthk_")+len(k.ID)+1:])
	return k.ID, text
}

// settle holds the siege to how it must end.
func (s *siege) settle() {
	res := s.open(context.Background(), http.MethodPost, s.key, ping) // the test's own context has ended
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		s.t.Errorf("got %d for a good request in the end, want 200", res.StatusCode)
	}
	s.good.CloseIdleConnections()
	s.gate.Upstream.Close()
	err := goleak.Find(s.calm)
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); {
		err = goleak.Find(s.calm) // net/http lingers for half a second over a connection that it closes early
	}
	if err != nil {
		s.t.Errorf("got goroutines that outlive the attack: %v", err)
	}
	s.clean(s.t, "the log", s.log.String())
}

// lives fails the test when a good request does not pass.
func (s *siege) lives(t *testing.T) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(ping))
	if err != nil {
		t.Fatal(err)
	}
	q.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}}
	res, err := s.good.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("got %d for a good request, want 200", res.StatusCode)
	}
}

// clean fails the test when a text has a secret.
func (s *siege) clean(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("got a key's secret in %s: %s", where, text)
		}
	}
}

// size returns how many bytes have been logged.
func (l *logged) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

// since returns what has been logged after the first n bytes.
func (l *logged) since(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b.Bytes()[n:])
}

// count returns how many requests have reached the server so far.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// refuses makes an attack and wants it refused by the gateway under a status
// and with a text in the body.
func (s *siege) refuses(t *testing.T, status int, text string, attack func() reply) reply {
	t.Helper()
	mark := s.log.size()
	got := s.stops(t, attack, status)
	if !strings.Contains(got.body, text) {
		t.Errorf("got %s, want it to say %s", got.body, text)
	}
	if lines := s.log.since(mark); strings.Count(lines, `"level":"WARN","msg":"request"`) != 1 {
		t.Errorf("got %s in the log, want one warning", lines)
	}
	if got.header.Get("X-Request-Id") == "" {
		t.Error("got no request id")
	}
	s.audited(t, got)
	return got
}

// audited wants one event about a refusal in the trail, without a secret. A169
func (s *siege) audited(t *testing.T, got reply) {
	t.Helper()
	events := s.trail.of(got.header.Get("X-Request-Id"))
	if len(events) != 1 || events[0].Outcome != audit.Refused || events[0].Status != got.status || !events[0].Address.IsValid() || events[0].Time.IsZero() {
		t.Errorf("got %+v in the trail, want one refusal", events)
		return
	}
	if told, want := events[0].Detail[audit.DetailChallenge], got.header.Get("WWW-Authenticate"); told != want {
		t.Errorf("the trail has the challenge %q, want %q as it was sent", told, want)
	}
	if e := events[0]; (e.Kind == config.AuditDenied) != (e.Tenant != "") || e.Kind != config.AuditDenied && e.Kind != config.AuditAuthFailed {
		t.Errorf("got %+v in the trail, want auth_failed for a stranger and denied for a caller", e)
	}
	s.clean(t, "the trail", fmt.Sprintf("%+v", events))
}

// stops makes an attack and wants it stopped under one of these statuses, by
// the gateway or by net/http before it.
func (s *siege) stops(t *testing.T, attack func() reply, statuses ...int) reply {
	t.Helper()
	before := s.up.count()
	got := attack()
	ok := false
	for _, status := range statuses {
		ok = ok || got.status == status
	}
	if !ok {
		t.Errorf("got %d %s, want one of %v", got.status, got.body, statuses)
	}
	if n := s.up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
	s.clean(t, "the answer", fmt.Sprint(got))
	s.lives(t)
	return got
}

// one sends a hand-made request over a connection of its own, which the server
// is to close, and returns the only answer. The status is zero for none.
func (s *siege) one(t *testing.T, request string) reply {
	t.Helper()
	all := s.wire(t, request)
	switch len(all) {
	case 0:
		return reply{header: http.Header{}}
	case 1:
		return all[0]
	}
	t.Errorf("got %d answers to one request: %v", len(all), all)
	return all[0]
}

// wire sends bytes as they are, and returns the answers until the server has
// closed the connection. That it does not write everything is no error: the
// server may close before it has read all.
func (s *siege) wire(t *testing.T, request string) []reply {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	writing.Go(func() { _, _ = io.WriteString(conn, request) })
	method, _, _ := strings.Cut(request, " ")
	var all []reply
	for in := bufio.NewReader(conn); ; {
		if _, err := in.Peek(1); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the connection is still open")
			}
			return all
		}
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Errorf("got what is no answer: %v", err)
			return all
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		all = append(all, reply{res.StatusCode, res.Header, string(body)})
	}
}

// plain writes a request by hand, as "Name: value" lines. Host, Content-Length
// and Connection are added where no line says otherwise.
func (s *siege) plain(method, target, body string, lines ...string) string {
	has := func(name string) bool {
		for _, l := range lines {
			if len(l) > len(name) && strings.EqualFold(l[:len(name)+1], name+":") {
				return true
			}
		}
		return false
	}
	if !has("Host") {
		lines = append([]string{"Host: " + s.address}, lines...)
	}
	if body != "" && !has("Content-Length") && !has("Transfer-Encoding") {
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	if body != "" && !has("Content-Type") {
		lines = append(lines, "Content-Type: application/json")
	}
	if !has("Connection") {
		lines = append(lines, "Connection: close")
	}
	return method + " " + target + " HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// bearer is the header line of the good caller.
func (s *siege) bearer() string { return "Authorization: Bearer " + s.key }

// pongs answers pings, so that a good request always has an answer.
func pongs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && string(body) == ping {
			r.Body = io.NopCloser(strings.NewReader(ping))
			echo(w, r)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		next.ServeHTTP(w, r)
	})
}

// ofNewEra is a request of 2026-07-28 and the headers that go with it. Members of
// params follow _meta, each with a comma before it.
func ofNewEra(method, name, members string) (body string, headers []string) {
	body = `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}` + members + `}}`
	headers = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		headers = append(headers, "Mcp-Name", name)
	}
	return body, headers
}

// sessionHeader names a session of the older era.
const sessionHeader = "Mcp-Session-Id"

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`

// stateful is the least of a server with sessions.
type stateful struct {
	mu   sync.Mutex
	last int
	open map[string]chan string // by session id: what its GET stream is to say
}

// ServeHTTP implements http.Handler.
func (u *stateful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if strings.Contains(string(body), `"method":"initialize"`) {
		w.Header().Set("Mcp-Session-Id", u.begin())
		r.Body = io.NopCloser(strings.NewReader(initialize))
		echo(w, r)
		return
	}
	id := r.Header.Get("Mcp-Session-Id")
	u.mu.Lock()
	events, ok := u.open[id]
	if r.Method == http.MethodDelete {
		delete(u.open, id)
	}
	u.mu.Unlock()
	switch {
	case !ok:
		http.Error(w, "no such session", http.StatusNotFound)
	case r.Method == http.MethodGet:
		tell(w, r, events)
	case r.Method == http.MethodPost:
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		echo(w, r)
	}
}

func (u *stateful) begin() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		u.open = map[string]chan string{}
	}
	u.last++
	id := fmt.Sprintf("session-%d", u.last)
	u.open[id] = make(chan string)
	return id
}

// tell sends events until the client leaves.
func tell(w http.ResponseWriter, r *http.Request, events <-chan string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for control := http.NewResponseController(w); ; {
		_ = control.Flush()
		select {
		case e := <-events:
			_, _ = io.WriteString(w, "data: "+e+"\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

// note is a notification that a server sends, with a mark to know it by.
func note(mark string) string {
	return `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"` + mark + `"}}`
}

// begin opens a session and returns the id by which its owner knows it.
func (s *siege) begin(t *testing.T, key string) string {
	t.Helper()
	got := s.post(key, initialize)
	id := got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || id == "" {
		t.Fatalf("got %d and session %q, want one", got.status, id)
	}
	return id
}
