package ratelimit

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// watch is a clock that a test sets. It has no monotonic reading, so that it can go back.
type watch struct{ ns atomic.Int64 }

func (w *watch) now() time.Time             { return time.Unix(1_800_000_000, w.ns.Load()).UTC() }
func (w *watch) pass(d time.Duration)       { w.ns.Add(int64(d)) }
func limiter(w *watch) *Limiter             { return &Limiter{Now: w.now} }
func rate(n int, p time.Duration) unit.Rate { return unit.Rate{Count: n, Per: p} }

func key(name string, r unit.Rate) Bucket { return Bucket{Kind: KindKey, Key: name, Rate: r} }

// takes asks until it is refused, at most 10,000 times, and says how many passed.
func takes(l *Limiter, b ...Bucket) (n int) {
	for n < 10_000 && l.Take(b...).OK {
		n++
	}
	return n
}

func TestLimiterLetsNThroughAfterAPauseThenNPerPeriod(t *testing.T) {
	for _, r := range []unit.Rate{rate(1, time.Second), rate(10, time.Second), rate(60, time.Minute), rate(7, time.Second), rate(5, 24*time.Hour)} {
		t.Run(r.String(), func(t *testing.T) {
			w := &watch{}
			l := limiter(w)
			if n := takes(l, key("a", r)); n != r.Count {
				t.Fatalf("at once: got %d, want %d", n, r.Count)
			}
			d := l.Take(key("a", r))
			if d.OK || d.Remaining != 0 || d.Bucket.Key != "a" || d.RetryAfter <= 0 || d.RetryAfter > r.Per/time.Duration(r.Count)+1 {
				t.Errorf("refusal: got %+v", d)
			}
			w.pass(d.RetryAfter - 1)
			if l.Take(key("a", r)).OK {
				t.Error("passed before RetryAfter was over")
			}
			w.pass(1)
			if !l.Take(key("a", r)).OK || l.Take(key("a", r)).OK {
				t.Error("after RetryAfter: want exactly one")
			}
			n := 0
			for range 1000 {
				w.pass(r.Per / 100)
				n += takes(l, key("a", r))
			}
			if n < 10*r.Count-1 || n > 10*r.Count+1 {
				t.Errorf("in ten periods: got %d, want %d", n, 10*r.Count)
			}
			w.pass(3 * r.Per)
			if n := takes(l, key("a", r)); n != r.Count {
				t.Errorf("after a pause: got %d, want %d", n, r.Count)
			}
			if n := takes(l, key("b", r)); n != r.Count {
				t.Errorf("another name: got %d, want %d", n, r.Count)
			}
		})
	}
}

func TestLimiterCountsInAllBucketsOrInNone(t *testing.T) {
	l := limiter(&watch{})
	tenant := Bucket{Kind: KindTenant, Key: "acme", Rate: rate(10, time.Minute)}
	if n := takes(l, key("a", rate(3, time.Minute)), tenant); n != 3 {
		t.Fatalf("got %d, want 3", n)
	}
	for range 20 {
		if d := l.Take(tenant, key("a", rate(3, time.Minute))); d.OK || d.Bucket.Kind != KindKey {
			t.Fatalf("got %+v, want the key to be full", d)
		}
	}
	d := l.Take(key("b", rate(100, time.Minute)), tenant)
	if !d.OK || d.Bucket.Kind != KindTenant || d.Remaining != 6 || d.Reset != 24*time.Second {
		t.Errorf("got %+v, want the tenant with 6 left: what was refused did not count", d)
	}
	if d := l.Take(key("c", rate(100, time.Minute)), key("a", rate(3, time.Minute)), Bucket{Kind: KindTenant, Key: "slow", Rate: rate(1, time.Hour), N: 2}); d.Bucket.Key != "slow" {
		t.Errorf("got %+v, want the one that is full for the longest", d)
	}
	if d := l.Take(key("free", unit.Rate{}), Bucket{}); !d.OK || !d.Bucket.Rate.Zero() {
		t.Errorf("without a limit: got %+v", d)
	}
}

func TestLimiterCountsTheMessagesOfABatch(t *testing.T) {
	l := limiter(&watch{})
	b := key("a", rate(10, time.Minute))
	b.N = 4
	if n := takes(l, b); n != 2 {
		t.Errorf("four at a time: got %d times, want 2", n)
	}
	if n := takes(l, key("a", rate(10, time.Minute))); n != 2 {
		t.Errorf("what is left: got %d, want 2", n)
	}
	twice := key("b", rate(3, time.Minute))
	if n := takes(l, twice, twice); n != 1 {
		t.Errorf("a bucket named twice: got %d, want 1", n)
	}
	if n := takes(l, twice); n != 1 {
		t.Errorf("after a refusal in the second half: got %d, want 1", n)
	}
	for _, many := range []int{11, 1 << 40} {
		b := key("c", rate(10, time.Minute))
		b.N = many
		if d := l.Take(b); d.OK || d.RetryAfter <= 0 {
			t.Errorf("%d of ten: got %+v", many, d)
		}
	}
}

func TestLimiterLetsNothingThroughByARateThatIsNone(t *testing.T) {
	for _, b := range []Bucket{key("a", unit.Rate{Count: -1, Per: time.Second}), key("a", unit.Rate{Count: 5}), key("a", unit.Rate{Count: 5, Per: -1}), {Rate: rate(5, time.Second), N: -1}} {
		if d := limiter(&watch{}).Take(b); d.OK || d.RetryAfter <= 0 {
			t.Errorf("%+v: got %+v, want a refusal", b, d)
		}
	}
}

func TestA162LimitsHoldHoweverAnAddressIsWritten(t *testing.T) {
	l := limiter(&watch{})
	r := rate(10, time.Second)
	from := func(text string) Bucket { return Bucket{Kind: KindAddress, Addr: netip.MustParseAddr(text), Rate: r} }
	for _, group := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::1%eth0", "2001:db8::%1"},
		{"192.0.2.2"}, {"2001:db8:0:1::1"}, {"fe80::1%a", "fe80::1%b"},
	} {
		n := 0
		for i := range 100 {
			if l.Take(from(group[i%len(group)])).OK {
				n++
			}
		}
		if n != 10 {
			t.Errorf("%v: got %d, want 10", group, n)
		}
	}
	for i := range 50_000 { // rotation within a /64
		a := netip.MustParseAddr("2001:db8:9::").As16()
		a[12], a[13], a[14], a[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		if l.Take(Bucket{Kind: KindAddress, Addr: netip.AddrFrom16(a), Rate: r}).OK != (i < 10) {
			t.Fatalf("address %d of one /64: want ten to pass", i)
		}
	}
}

func TestA162ParallelCallersGetExactlyTheBurst(t *testing.T) {
	l := limiter(&watch{})
	var passed, inTenant atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 100 {
				if l.Take(key("one", rate(100, time.Minute)), Bucket{Kind: KindTenant, Key: "many", Rate: rate(1_000_000, time.Minute)}).OK {
					passed.Add(1)
				}
				name := strconv.Itoa((i + j) % 7)
				list := []Bucket{{Kind: KindTenant, Key: "acme", Rate: rate(333, time.Minute)}, key(name, rate(100, time.Minute)), {Kind: KindAddress, Key: name, Rate: rate(90, time.Minute)}}
				if (i+j)%2 == 0 { // who names them the other way round must not wait for ever
					slices.Reverse(list)
				}
				if l.Take(list...).OK {
					inTenant.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 100 || inTenant.Load() != 333 {
		t.Errorf("got %d and %d, want 100 and 333", passed.Load(), inTenant.Load())
	}
	if d := l.Take(Bucket{Kind: KindTenant, Key: "many", Rate: rate(1_000_000, time.Minute)}); d.Remaining != 1_000_000-101 {
		t.Errorf("the wider bucket has %d left: refused takes have counted", d.Remaining)
	}
}

// flood brings names that each pass once.
func flood(l *Limiter, kind Kind, names int, r unit.Rate) (passed int) {
	var text [24]byte
	for i := range names {
		b := Bucket{Kind: kind, Key: string(strconv.AppendInt(text[:0], int64(i), 10)), Rate: r}
		if l.Take(b).OK {
			passed++
		}
	}
	return passed
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestA163TenMillionNamesStayInMemoryAndFreeNobody(t *testing.T) {
	w := &watch{}
	l := limiter(w)
	before := heap()
	slow := rate(5, 24*time.Hour) // so that everybody is busy
	var over []Bucket
	for i := range 1000 {
		b := Bucket{Kind: KindAddress, Key: fmt.Sprint("early ", i), Rate: slow}
		if takes(l, b) != 5 {
			t.Fatal("an early name did not get its five")
		}
		over = append(over, b)
	}
	known := key("known", slow)
	takes(l, known)
	n := 5_000_000
	if raceDetector {
		n = 500_000
	}
	busy := flood(l, KindAddress, n, slow)
	busy += flood(l, KindKey, n, slow)
	for _, b := range append(over, known) {
		if l.Take(b).OK {
			t.Fatalf("%q was over its limit and got through: the flood freed it", b.Key)
		}
	}
	if most := 2 * (defaultCapacity + 5*spread); busy > most {
		t.Errorf("%d of the flood passed, want at most %d: a place each, and what is shared", busy, most)
	}
	if grown := int64(heap()) - int64(before); grown > 64<<20 {
		t.Errorf("%d names take %d MiB, want at most 64", 2*n, grown>>20)
	}
	if l.Take(key("new", slow)).OK {
		t.Error("a new name got through while all that it could share is full")
	}
	w.pass(24 * time.Hour) // they are replenished, and make room
	if n := takes(l, key("new", slow)); n != 5 {
		t.Errorf("after the flood a new name got %d, want 5", n)
	}
	runtime.KeepAlive(l)
}

func TestA163AFloodOfAddressesLeavesKeysAlone(t *testing.T) {
	l := limiter(&watch{})
	l.Capacity = 1 << 12 // chance puts names into shards: 300 fit with room to spare
	flood(l, KindAddress, 100_000, rate(1, time.Hour))
	for i := range 300 { // more than there are buckets to share
		if n := takes(l, key(fmt.Sprint(i), rate(10, time.Hour))); n != 10 {
			t.Fatalf("key %d got %d, want 10", i, n)
		}
	}
}

func TestIdleNamesMakeRoom(t *testing.T) {
	w := &watch{}
	l := limiter(w)
	l.Capacity = 1 << 12
	full := Bucket{Kind: KindKey, Key: "full", Rate: rate(10, time.Hour)}
	takes(l, full)
	for i := range 200_000 {
		w.pass(time.Millisecond)
		if !l.Take(key(strconv.Itoa(i), rate(1000, time.Second))).OK {
			t.Fatalf("name %d was refused though the others are idle", i)
		}
	}
	if l.Take(full).OK {
		t.Error("the busy name was forgotten")
	}
}

func TestAnotherRateGivesNoFreshBurst(t *testing.T) {
	w := &watch{}
	l := limiter(w)
	rates := []unit.Rate{rate(60, time.Minute), rate(6, time.Second), rate(1000, time.Hour), rate(5, 24*time.Hour), rate(61, time.Minute)}
	takes(l, key("a", rates[0]))
	for i := range 1000 {
		if l.Take(key("a", rates[i%len(rates)])).OK {
			t.Fatalf("reload %d gave a fresh burst", i)
		}
	}
	half := key("b", rate(60, time.Minute))
	for range 30 {
		l.Take(half)
	}
	if n := takes(l, key("b", rate(10, time.Hour))); n != 5 {
		t.Errorf("half full under another rate: got %d, want 5", n)
	}
	// Nor does anybody wait by the rate that was.
	takes(l, key("c", rate(5, 24*time.Hour)))
	l.Take(key("c", rate(60, time.Minute)))
	w.pass(time.Second)
	if n := takes(l, key("c", rate(60, time.Minute))); n != 1 {
		t.Errorf("a second after the reload: got %d, want 1", n)
	}
}

func TestAClockThatGoesBackLocksNobodyOutForEver(t *testing.T) {
	for _, back := range []time.Duration{time.Second, time.Hour, 100 * 365 * 24 * time.Hour, 290 * 365 * 24 * time.Hour} {
		w := &watch{}
		l := limiter(w)
		takes(l, key("a", rate(60, time.Minute)))
		w.pass(-back)
		n := 0
		for range 600 {
			w.pass(100 * time.Millisecond)
			n += takes(l, key("a", rate(60, time.Minute)))
		}
		if n < 59-int(min(back, 60*time.Second)/time.Second) || n > 61 {
			t.Errorf("a minute after going back by %s: got %d, want about 60", back, n)
		}
	}
	w := &watch{} // a table full of names from the future makes room, too
	l := limiter(w)
	l.Capacity = spread
	w.pass(1000 * time.Hour)
	flood(l, KindKey, 100_000, rate(1, time.Second))
	w.pass(-1000 * time.Hour)
	takes(l, key("new", rate(10, time.Second)))
	w.pass(time.Second)
	if n := takes(l, key("new", rate(10, time.Second))); n != 10 {
		t.Errorf("after the clock went back a new name got %d, want 10", n)
	}
}

func TestLimiterTellsPartsOfANameApart(t *testing.T) {
	l := limiter(&watch{})
	of := func(name, part string) Bucket {
		return Bucket{Kind: KindTool, Key: name, Of: part, Rate: rate(1, time.Hour)}
	}
	all := []Bucket{of("a", ""), of("a", "b"), of("b", "a"), of("a", "bc"), of("ab", "c"), of("a", "a"), of("b", "b"), of("", "a"), of("", "b")}
	for _, b := range all {
		if !l.Take(b).OK {
			t.Errorf("%q of %q shares its bucket with another", b.Of, b.Key)
		}
	}
	for _, b := range all {
		if l.Take(b).OK {
			t.Errorf("%q of %q passed twice", b.Of, b.Key)
		}
	}
}

func TestLimiterCountsEachThingOfAnAddressByItself(t *testing.T) {
	l, from := limiter(&watch{}), netip.MustParseAddr("192.0.2.1")
	for of, want := range map[string]int{"": 4, "registrations": 5, "pages": 60} {
		b := Bucket{Kind: KindAddress, Of: of, Addr: from, Rate: rate(want, time.Minute)}
		if n := takes(l, b); n != want {
			t.Errorf("%q: got %d, want %d", of, n, want)
		}
	}
}
