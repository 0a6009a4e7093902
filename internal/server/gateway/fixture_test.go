package gateway_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// recorder stands before the server under protection and remembers what reached it.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	request *http.Request
	body    string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.seen = append(r.seen, seen{q.Clone(context.Background()), string(body)})
	r.mu.Unlock()
	q.Body = io.NopCloser(bytes.NewReader(body))
	r.next.ServeHTTP(w, q)
}

// requests returns what has reached the server so far.
func (r *recorder) requests() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.seen...)
}

// fixture is a gateway in front of a server, with a real store behind it.
type fixture struct {
	t        *testing.T
	url      string // of the gateway's MCP endpoint
	address  string // host:port
	up       *recorder
	keys     *apikey.Service
	tenants  *tenant.Service
	tenant   tenant.ID // the default one
	verifier *apikey.Verifier
	log      *logged
	trail    *trail
	db       *store.DB

	upstreamHost string // host:port of the server under protection
}

// trail keeps what is audited, or refuses to.
type trail struct {
	mu     sync.Mutex
	events []audit.Event
	broken error
}

func (l *trail) Durable(_ context.Context, e *audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.events = append(l.events, *e)
	}
	return l.broken
}

func (l *trail) Write(ctx context.Context, e *audit.Event) error { return l.Durable(ctx, e) }

func (l *trail) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// of returns the events of a request id; of all requests for "".
func (l *trail) of(request string) []audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.events), func(e audit.Event) bool { return request != "" && e.Request != request })
}

func (l *trail) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

// logged gathers the log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// protect puts a gateway in front of a server. Edits run before it opens.
func protect(t *testing.T, server http.Handler, edits ...func(*gateway.Gateway)) *fixture {
	t.Helper()
	f := &fixture{t: t, up: &recorder{next: server}, log: &logged{}, trail: &trail{}}
	f.storeKeys()
	origin := httptest.NewServer(f.up)
	t.Cleanup(origin.Close)
	f.upstreamHost = strings.TrimPrefix(origin.URL, "http://")
	base, err := url.Parse(origin.URL + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	f.url = "http://" + f.address + "/mcp"
	g := &gateway.Gateway{
		Name: "files", Path: "/mcp", PublicURL: f.url, Page: []byte("<!doctype html><html lang=en>how to connect</html>"), SessionKey: []byte(strings.Repeat("s", 32)),
		Guard: &access.Guard{Keys: f.verifier, Audit: &access.Audit{Trail: f.trail}}, Upstream: &upstream.Client{URL: base},
		Log: slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, edit := range edits {
		edit(g)
	}
	if err := g.Open(); err != nil {
		t.Fatal(err)
	}
	f.serve(g, listener)
	return f
}

// storeKeys opens a store and runs what judges its keys.
func (f *fixture) storeKeys() {
	f.t.Helper()
	db, err := store.Open(f.t.Context(), store.Config{SQLite: filepath.Join(f.t.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		f.t.Fatal(err)
	}
	f.db = db
	f.verifier = &apikey.Verifier{Source: db.Source()}
	f.keys = &apikey.Service{Store: db.Keys(), Changed: f.verifier.Changed}
	f.tenants = &tenant.Service{Store: db.Tenants(), Changed: f.verifier.Changed}
	own, err := f.tenants.Find(f.t.Context(), "default")
	if err != nil {
		f.t.Fatal(err)
	}
	f.tenant = own.ID
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.verifier.Run(ctx) })
	f.t.Cleanup(func() {
		stop()
		running.Wait()
		if err := db.Close(); err != nil {
			f.t.Error(err)
		}
	})
}

func (f *fixture) serve(g *gateway.Gateway, listener net.Listener) {
	server := &http.Server{
		Handler: g, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(g.Log.Handler(), slog.LevelWarn),
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	f.t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
		g.Close()
	})
}

// key mints a key that may call the tools; all of them when none is named.
func (f *fixture) key(tools ...string) (*apikey.Key, string) {
	f.t.Helper()
	return f.keyOf(f.tenant, tools...)
}

func (f *fixture) keyOf(t tenant.ID, tools ...string) (*apikey.Key, string) {
	f.t.Helper()
	if len(tools) == 0 {
		tools = []string{"*"}
	}
	k, text, err := f.keys.Create(f.t.Context(), t, apikey.Spec{Name: "test", Tools: tools})
	if err != nil {
		f.t.Fatal(err)
	}
	return k, text.Reveal()
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request to the gateway. Headers come in pairs of name and value.
func (f *fixture) do(method, key, body string, headers ...string) reply {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second) // for a stream where none was expected
	defer cancel()
	res := f.open(ctx, method, key, body, headers...)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		f.t.Fatalf("read the answer: %v", err)
	}
	return reply{res.StatusCode, res.Header, string(text)}
}

// open sends a request and leaves the answer's body to the caller.
func (f *fixture) open(ctx context.Context, method, key, body string, headers ...string) *http.Response {
	f.t.Helper()
	q, err := http.NewRequestWithContext(ctx, method, f.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	q.Header.Set("Accept", "application/json, text/event-stream")
	if key != "" {
		q.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			q.Host = headers[i+1]
			continue
		}
		q.Header[http.CanonicalHeaderKey(headers[i])] = append(q.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		f.t.Fatalf("%s: %v", method, err)
	}
	return res
}

// post sends a message with a key.
func (f *fixture) post(key, body string, headers ...string) reply {
	f.t.Helper()
	return f.do(http.MethodPost, key, body, headers...)
}

// raw sends bytes as they are over one connection, and returns all that comes back.
func (f *fixture) raw(request string) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		f.t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it was dialled as one
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

// untouched fails the test if anything has reached the server.
func (f *fixture) untouched() {
	f.t.Helper()
	if n := len(f.up.requests()); n != 0 {
		f.t.Errorf("got %d requests at the server, want none", n)
	}
}

// alive fails the test if a good request does not pass.
func (f *fixture) alive(key string) {
	f.t.Helper()
	if got := f.post(key, ping); got.status != http.StatusOK {
		f.t.Errorf("got %d for a good request afterwards, want 200: %s", got.status, got.body)
	}
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// echo answers every request with an empty result and its id.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, rest, _ := strings.Cut(string(body), `"id":`)
	id, _, _ := strings.Cut(rest, ",")
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+strings.TrimSuffix(id, "}")+`,"result":{}}`)
}

// atMost lets every key have so many open streams.
func atMost(g *gateway.Gateway, streams int) {
	g.Guard.Limits = &access.Limits{Counters: access.NewCounters(), StreamsPerKey: streams}
}
