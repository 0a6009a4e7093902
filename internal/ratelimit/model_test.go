package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// replay runs a script against the limiter and against tokens kept in a map.
func replay(t *testing.T, script []byte) {
	t.Helper()
	w := &watch{}
	l := limiter(w)
	rates := []unit.Rate{rate(3, time.Second), rate(7, time.Minute), rate(100, time.Second), rate(1, time.Hour)}
	credit, last := map[string]int64{}, map[string]int64{}
	for len(script) >= 3 {
		w.pass(time.Duration(script[0]) * time.Duration(script[0]) * 7 * time.Millisecond)
		now := w.ns.Load()
		var list []Bucket
		for _, x := range []byte{script[1] & 15, script[1] >> 4, script[2] & 15} {
			list = append(list, Bucket{Kind: Kind(x % 4), Key: string('a' + rune(x/4)), Rate: rates[(x+x/4)%4], N: int(script[2] >> 6)})
		}
		script = script[3:]
		want := true
		spent := map[string]int64{}
		for _, b := range list {
			name, cost := fmt.Sprint(b.Kind, b.Key), (int64(b.Rate.Per)+int64(b.Rate.Count)-1)/int64(b.Rate.Count)
			full := cost * int64(b.Rate.Count)
			if _, ok := credit[name]; !ok {
				credit[name] = full
			}
			credit[name] = min(full, credit[name]+now-last[name])
			last[name] = now
			spent[name] += cost * int64(max(1, b.N))
			want = want && spent[name] <= credit[name]
		}
		d := l.Take(list...)
		if d.OK != want || d.OK != (d.RetryAfter == 0) || d.Remaining < 0 {
			t.Fatalf("got %+v, want OK %v", d, want)
		}
		if want {
			for name, s := range spent {
				credit[name] -= s
			}
		}
	}
}

func TestLimiterAgreesWithTokensInAMap(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 3000)
		for i := range script {
			script[i] = byte(random.Uint32())
			if i%3 == 0 {
				script[i] %= byte(1 + seed)
			}
		}
		replay(t, script)
	}
}

func FuzzLimiter(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 1, 2, 200, 1, 2})
	f.Fuzz(func(t *testing.T, script []byte) { replay(t, script) })
}

func TestTakeAllocatesNothing(t *testing.T) {
	var l Limiter
	from := netip.MustParseAddr("192.0.2.1")
	r := rate(1_000_000, time.Second)
	if n := testing.AllocsPerRun(1000, func() {
		l.Take(key("a", r), Bucket{Kind: KindTenant, Key: "b", Rate: r}, Bucket{Kind: KindTool, Key: "c", Rate: r}, Bucket{Kind: KindAddress, Addr: from, Rate: r})
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestTakesOfTheSameBucketsInAnyOrderGoOn(t *testing.T) {
	var l Limiter
	a, b := key("a", rate(1_000_000, time.Second)), key("b", rate(1_000_000, time.Second))
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 50_000 {
					if i%2 == 0 {
						l.Take(a, b)
					} else {
						l.Take(b, a)
					}
				}
			})
		}
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("they wait for each other")
	}
}
