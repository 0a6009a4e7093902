package ratelimit

import (
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// call is what one tool call is counted by.
func call(i int) []Bucket {
	n := strconv.Itoa(i)
	return []Bucket{
		{Kind: KindKey, Key: "7Qm2Vx9Kt" + n, Rate: rate(1_000_000_000, time.Second)},
		{Kind: KindTenant, Key: "acme", Rate: rate(1_000_000_000, time.Second)},
		{Kind: KindTool, Key: "7Qm2Vx9Kt" + n + " get_*", Rate: rate(1_000_000_000, time.Second)},
		{Kind: KindAddress, Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), Rate: rate(1_000_000_000, time.Second)},
	}
}

func BenchmarkTakeOne(b *testing.B) {
	var l Limiter
	one := call(0)[:1]
	b.ReportAllocs()
	for b.Loop() {
		l.Take(one...)
	}
}

func BenchmarkTakeFour(b *testing.B) {
	for _, names := range []int{1, 1000, 100_000} {
		b.Run(strconv.Itoa(names), func(b *testing.B) {
			var l Limiter
			calls := make([][]Bucket, names)
			for i := range calls {
				calls[i] = call(i)
				l.Take(calls[i]...)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				c := calls[i%names]
				l.Take(c[0], c[1], c[2], c[3])
			}
		})
	}
}

func BenchmarkTakeFourParallel(b *testing.B) {
	var l Limiter
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := call(int(time.Now().UnixNano() % 1000))
		for pb.Next() {
			l.Take(c...)
		}
	})
}

func BenchmarkTakeRefused(b *testing.B) {
	var l Limiter
	c := call(0)
	c[1].Rate = rate(1, 24*time.Hour)
	l.Take(c...)
	b.ReportAllocs()
	for b.Loop() {
		l.Take(c...)
	}
}

func BenchmarkTakeFlood(b *testing.B) {
	var l Limiter
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		i++
		l.Take(Bucket{Kind: KindAddress, Addr: netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 32), byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}), Rate: rate(5, 24*time.Hour)})
	}
}

func BenchmarkGaugeHold(b *testing.B) {
	var g Gauge
	b.ReportAllocs()
	for b.Loop() {
		h, _ := g.Hold("7Qm2Vx9KtB4c", 10)
		h.Release()
	}
}

func BenchmarkGaugeTake(b *testing.B) {
	var g Gauge
	b.ReportAllocs()
	for b.Loop() {
		release, _ := g.Take("7Qm2Vx9KtB4c", 10)
		release()
	}
}

func BenchmarkBanned(b *testing.B) {
	for _, n := range []int{0, 1, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			bans := Bans{}
			for i := range n {
				_, _ = bans.Add(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), time.Hour, "")
			}
			a := netip.MustParseAddr("192.0.2.1")
			b.ReportAllocs()
			for b.Loop() {
				bans.Banned(a)
			}
		})
	}
}

func BenchmarkHeader(b *testing.B) {
	d := Decision{OK: true, Bucket: key("ci", rate(60, time.Minute)), Remaining: 12, Reset: 30 * time.Second}
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		d.Header(h)
	}
}
