package token_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// million is a source of as many revocations as are asked for.
type million struct{ n int }

func (m million) Revision(context.Context) (int64, error) { return 1, nil }

func (m million) Revoked(_ context.Context, _ int64, each func(*token.Revocation)) error {
	for i := range m.n {
		each(&token.Revocation{Target: token.Target{Kind: token.KindID, Issuer: acmeIDP, Value: fmt.Sprint("jti-", i)}})
	}
	return nil
}

// ready is a verifier of one issuer in memory.
func ready(t testing.TB, revoked int) *token.Verifier {
	t.Helper()
	v := &token.Verifier{
		Rights:  &token.Rights{Revoked: &token.Revocations{Source: million{revoked}}, Tenants: &tenant.Directory{Source: newMemory()}},
		Tenancy: token.Tenancy{Claim: true},
		Issuers: []token.Issuer{{Name: "acme-idp", Values: []string{acmeIDP}, Verifier: &provider{}}},
	}
	must(t, v.Open())
	must(t, v.Rights.Load(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { v.Rights.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return v
}

// long is a token of the usual size: 800 bytes.
func long(t testing.TB, n int) string {
	return jwt(t, claims{
		Jti: fmt.Sprint("token-", n), Client: "https://claude.ai/oauth/claude-code-client-metadata", Scope: "openid profile notes:read notes:write",
		Iat: time.Now().Unix(), Exp: time.Now().Add(time.Hour).Unix(), Pad: strings.Repeat("x", 330),
	})
}

func BenchmarkWarm(b *testing.B) {
	for name, revoked := range map[string]int{"nothing revoked": 0, "a million revoked": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			v := ready(b, revoked)
			c := &gatehouse.Credential{Text: long(b, -1)}
			if _, err := v.Verify(context.Background(), c); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(c.Text)), "bytes/token")
			b.ReportAllocs()
			for b.Loop() {
				_, _ = v.Verify(context.Background(), c)
			}
		})
	}
}

// What is left once a revocation came: everything is looked up anew, once.
func BenchmarkAfterARevocation(b *testing.B) {
	h := newHouse(b)
	text := jwt(b, claims{Jti: "1", Client: "c", Exp: h.clock().Unix() + 3600})
	h.in(b, text)
	for i := range 5 {
		h.revoke(b, mark([]token.Kind{token.KindID, token.KindSubject, token.KindClient, token.KindTenant, token.KindID}[i], boltIDP, fmt.Sprint(i), time.Time{}))
	}
	for b.Loop() {
		b.StopTimer()
		must(b, h.rights.Load(context.Background()))
		b.StartTimer()
		_, _ = h.sees(b, text)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// go test -run '^$' -bench Memory -benchtime 1x ./internal/token
func BenchmarkMemory(b *testing.B) {
	b.Run("100,000 tokens", func(b *testing.B) {
		for b.Loop() {
			v := ready(b, 0)
			v.Capacity = 400_000 // so that none is forgotten
			before := heap()
			for i := range 100_000 {
				if _, err := v.Verify(context.Background(), &gatehouse.Credential{Text: long(b, i)}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
			b.ReportMetric(float64(heap()-before)/100_000, "bytes/each")
			runtime.KeepAlive(v)
		}
	})
	b.Run("1,000,000 revocations", func(b *testing.B) {
		for b.Loop() {
			before := heap()
			r := &token.Revocations{Source: million{1_000_000}}
			began := time.Now()
			must(b, r.Changed(context.Background()))
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-to-load")
			b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
			if r.Len() != 1_000_000 {
				b.Fatal(r.Len())
			}
		}
	})
}

// What is ours of a token that was never seen before: its issuer's verifier knows
// the answer, which costs as little as can be.
func BenchmarkCold(b *testing.B) {
	v := ready(b, 0)
	v.Capacity = 64 // so that none is found again
	all := make([]*gatehouse.Credential, 4096)
	known := answers{}
	for i := range all {
		all[i] = &gatehouse.Credential{Text: long(b, i)}
		id, err := (&provider{}).Verify(b.Context(), all[i])
		must(b, err)
		known[all[i].Text] = id
	}
	v.Issuers[0].Verifier = known
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := v.Verify(context.Background(), all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}

// answers is a verifier that knows its tokens by heart.
type answers map[string]*gatehouse.Identity

func (a answers) Verify(_ context.Context, c *gatehouse.Credential) (*gatehouse.Identity, error) {
	return a[c.Text], nil
}
