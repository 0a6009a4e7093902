package apikey_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// many is a source of that many keys, of which it keeps the digests only.
type many map[string][32]byte

func (m many) Lookup(_ context.Context, id string) (*apikey.Record, error) {
	d, ok := m[id]
	if !ok {
		return nil, apikey.ErrNotFound
	}
	return &apikey.Record{
		Key:    apikey.Key{ID: id, Family: id, Tenant: "t", Name: "n", Tools: []string{"get_*", "list_*"}, Created: time.Unix(1, 0)},
		Digest: d, TenantName: "t", TenantState: tenant.Active,
	}, nil
}

func (many) Changes(context.Context, int64) (*apikey.Changes, error) {
	return &apikey.Changes{Revision: 1}, nil
}

func (many) Use(context.Context, []apikey.Use) error { return nil }

// warm returns a verifier with n keys in memory, running as in a server, and their texts.
func warm(b *testing.B, n int, pepper string) (*apikey.Verifier, []string) {
	b.Helper()
	m, texts := many{}, make([]string, n)
	for i := range texts {
		id, s, err := apikey.Mint(nil)
		must(b, err)
		m[id], texts[i] = digest(s.Reveal()), s.Reveal()
	}
	v := &apikey.Verifier{Source: m, Capacity: 4 * n, Pepper: []byte(pepper)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { v.Run(ctx); close(done) }()
	b.Cleanup(func() { cancel(); <-done })
	for _, text := range texts {
		_, err := v.Verify(ctx, &gatehouse.Credential{Text: text})
		must(b, err)
	}
	return v, texts
}

func BenchmarkVerify(b *testing.B) {
	from := netip.MustParseAddr("198.51.100.7")
	for _, n := range []int{1e3, 1e6} {
		b.Run(fmt.Sprintf("hit/keys=%.0e", float64(n)), func(b *testing.B) {
			v, texts := warm(b, n, "")
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := v.Verify(context.Background(), &gatehouse.Credential{Text: texts[i], From: from}); err != nil {
					b.Fatal(err)
				}
				if i++; i == 1000 { // of all; as many distinct ones as in the small set, for the processor's cache
					i = 0
				}
			}
		})
	}
	b.Run("damaged", func(b *testing.B) { refuse(b, func(text string) string { return text[:66] + "-" }) })
	b.Run("wrong secret", func(b *testing.B) { refuse(b, func(text string) string { return respell(text, 30) }) })
	b.Run("unknown id", func(b *testing.B) { refuse(b, func(text string) string { return respell(text, 10) }) })
}

// refuse measures refusals of a spoiled key.
func refuse(b *testing.B, spoil func(string) string) {
	v, texts := warm(b, 1000, "")
	bad := spoil(texts[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(context.Background(), &gatehouse.Credential{Text: bad}); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkVerifyPeppered(b *testing.B) {
	h := newHouse(b)
	h.keys.Pepper, h.v.Pepper, h.v.Now = []byte("a pepper of a good length"), []byte("a pepper of a good length"), nil
	_, text := h.create(b, apikey.Spec{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { h.v.Run(ctx); close(done) }()
	b.Cleanup(func() { cancel(); <-done })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.v.Verify(context.Background(), &gatehouse.Credential{Text: text}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup is a key that is not in memory, from SQLite.
func BenchmarkLookup(b *testing.B) {
	h := newHouse(b)
	k, _ := h.create(b, apikey.Spec{Tools: []string{"*"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Source().Lookup(context.Background(), k.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWatch(b *testing.B) {
	v, texts := warm(b, 1000, "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	as := make([]*apikey.Active, len(texts))
	for i, text := range texts {
		a, err := v.Verify(ctx, &gatehouse.Credential{Text: text})
		must(b, err)
		as[i] = a
	}
	b.ReportAllocs()
	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, stop := v.Watch(ctx, as[0])
			stop(nil)
		}
	})
	b.Run("many keys", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, stop := v.Watch(ctx, as[i%len(as)])
			stop(nil)
		}
	})
	b.Run("used", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Used(as[0], netip.Addr{}, "client", "tool")
		}
	})
}
