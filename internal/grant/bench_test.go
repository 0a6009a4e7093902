package grant_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
)

// Each is on disk when it is counted. With many at once several share an fsync.
func BenchmarkDurable(b *testing.B) {
	for _, at := range []int{1, 16, 64} {
		for name, begin := range map[string]func(*house, *grant.Service) func() error{
			"authorize and redeem": func(h *house, s *grant.Service) func() error {
				return func() error {
					code, err := s.Authorize(context.Background(), h.authorization())
					if err == nil {
						_, err = s.Redeem(context.Background(), redemption(code))
					}
					return err
				}
			},
			"refresh": func(h *house, s *grant.Service) func() error {
				texts := make(chan string, at)
				for range at {
					_, text := h.granted(s)
					texts <- text
				}
				return func() error {
					_, next, err := s.Refresh(context.Background(), refresh(<-texts))
					texts <- next
					return err
				}
			},
			"once": func(h *house, _ *grant.Service) func() error {
				o := &grant.Once{Store: h.db.Once(), Now: h.now}
				var n atomic.Int64
				return func() error {
					return o.Once(context.Background(), sha256.Sum256([]byte(strconv.FormatInt(n.Add(1), 10))), h.now().Add(time.Minute))
				}
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, at), func(b *testing.B) {
				h := newHouse(b)
				s := h.service()
				do := begin(h, s)
				b.SetParallelism(max(1, at/2)) // for each of two processors
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if err := do(); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
			})
		}
	}
}
