package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/server/ops"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// nowhere answers at once, so that what is measured is the gateway alone.
type nowhere struct{}

func (nowhere) post(x *exchange) error { return x.json(http.StatusOK, []byte(`{}`)) }
func (nowhere) get(*exchange) error    { return notAllowed("POST") }
func (nowhere) delete(*exchange) error { return notAllowed("POST") }
func (nowhere) close()                 {}

// blank is a response writer that keeps nothing.
type blank struct{ h http.Header }

func (b *blank) Header() http.Header         { return b.h }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}
func (b *blank) Flush()                      {}

func (b *blank) SetReadDeadline(time.Time) error { return nil }

// BenchmarkGateway measures what verifying, reading, deciding and watching add
// to a call of 107 bytes, by a key with all tools and one with patterns; and then
// what each further feature adds to the one before it.
func BenchmarkGateway(b *testing.B) {
	plain := func(*testing.B, *Gateway) {}
	for _, bench := range []struct {
		name  string
		tools []string
		add   func(*testing.B, *Gateway)
	}{
		{"all tools", []string{"*"}, plain},
		{"patterns", []string{"get_*", "list_*", "echo"}, plain},
		{"metrics", []string{"*"}, withMetrics},
		{"metrics, rules", []string{"*"}, withRules},
		{"metrics, rules, limits", []string{"*"}, withLimits},
		{"metrics, rules, limits, audit", []string{"*"}, withAudit},
		{"metrics, rules, limits, audit, log", []string{"*"}, withLog},
	} {
		b.Run(bench.name, func(b *testing.B) {
			g, key := benchGateway(b, bench.tools)
			bench.add(b, g)
			benchCalls(b, g, key)
		})
	}
}

func withMetrics(_ *testing.B, g *Gateway) { g.Metrics = ops.NewMetrics("bench") }

// withRules adds a hundred rules, of which three are about the tool or about all.
func withRules(b *testing.B, g *Gateway) {
	withMetrics(b, g)
	var rules []policy.Rule
	for i := range 97 {
		rules = append(rules, policy.Rule{Name: "tool", Tools: []string{fmt.Sprintf("tool_%d", i)}})
	}
	rules = append(rules, policy.Rule{Name: "some", Tools: []string{"get_*", "echo*"}},
		policy.Rule{Name: "none", Tools: []string{"*_delete"}, Deny: true}, policy.Rule{Name: "other", Tools: []string{"*"}, Tenants: []string{"other"}, Deny: true})
	built, err := policy.Build(policy.Spec{Rules: rules})
	if err != nil {
		b.Fatal(err)
	}
	g.Guard.Rules = built
}

// withLimits adds a rate of each kind, high enough for all.
func withLimits(b *testing.B, g *Gateway) {
	withRules(b, g)
	all, err := policy.Compile([]string{"ech*"})
	if err != nil {
		b.Fatal(err)
	}
	r := unit.Rate{Count: 10_000_000, Per: time.Second}
	g.Guard.Limits = &access.Limits{
		Counters: access.NewCounters(), PerKey: r, PerTenant: r, PerPrincipal: r,
		PerTool: []access.ToolRate{{Name: "bench ech*", Tools: all, Rate: r}},
	}
}

func withAudit(b *testing.B, g *Gateway) {
	withLimits(b, g)
	l, err := audit.Open(audit.Config{Stdout: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	g.Guard.Audit = &access.Audit{Trail: l}
}

func withLog(b *testing.B, g *Gateway) {
	withAudit(b, g)
	g.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
}

// benchCalls makes calls without a connection.
func benchCalls(b *testing.B, g *Gateway, key string) {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello world"}}}`
	reader := strings.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Body, r.ContentLength, r.Host = io.NopCloser(reader), int64(len(body)), "127.0.0.1:8080"
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	w := &blank{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(w.h)
		g.ServeHTTP(w, r)
	}
	if w.h.Get("Content-Type") != "application/json" || w.h.Get("Content-Length") != "2" {
		b.Fatalf("got %v, want the answer of the server", w.h)
	}
}

func benchGateway(b *testing.B, tools []string) (*Gateway, string) {
	b.Helper()
	db, err := store.Open(b.Context(), store.Config{SQLite: filepath.Join(b.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	v := &apikey.Verifier{Source: db.Source()}
	own, err := (&tenant.Service{Store: db.Tenants()}).Find(b.Context(), "default")
	if err != nil {
		b.Fatal(err)
	}
	_, key, err := (&apikey.Service{Store: db.Keys()}).Create(b.Context(), own.ID, apikey.Spec{Name: "bench", Tools: tools})
	if err != nil {
		b.Fatal(err)
	}
	g := &Gateway{
		Name: "bench", Path: "/mcp", SessionKey: bytes.Repeat([]byte("s"), 32), Guard: &access.Guard{Keys: v},
		Log: slog.New(slog.DiscardHandler), Stdio: &Stdio{},
	}
	if err := g.Open(); err != nil {
		b.Fatal(err)
	}
	g.line.backend = nowhere{}
	return g, key.Reveal()
}

// BenchmarkEvent measures what reading, judging and framing anew add to one
// event of a stream.
func BenchmarkEvent(b *testing.B) {
	g, key := benchGateway(b, []string{"get_*"})
	c, err := g.Guard.Admit(b.Context(), &gatehouse.Credential{Text: key, From: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		b.Fatal(err)
	}
	const event = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"tick\"}}\n\n"
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	call, err := mcp.Limits{}.Read([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), r.Header)
	if err != nil {
		b.Fatal(err)
	}
	x := &exchange{w: &answer{ResponseWriter: &blank{h: http.Header{}}}, r: r, caller: c, call: call, g: g}
	in, judge := mcp.NewEventReader(strings.NewReader(strings.Repeat(event, b.N)), maxMessage), newJudge(x)
	out, err := x.stream(http.StatusOK)
	if err != nil {
		b.Fatal(err)
	}
	defer out.close()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		e, err := in.Next()
		if err != nil {
			b.Fatal(err)
		}
		if ok, err := judge.event(&e); !ok || err != nil {
			b.Fatalf("got %v, %v for a notification, want it to pass", ok, err)
		}
		if err := out.send(e); err != nil {
			b.Fatal(err)
		}
	}
}
