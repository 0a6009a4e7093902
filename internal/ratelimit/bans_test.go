package ratelimit

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// fails has credentials of an address refused, and returns how many bans began.
func fails(b *Bans, a string, n int) (began int) {
	for range n {
		if _, yes := b.Failed(addr(a), "GH-1011"); yes {
			began++
		}
	}
	return began
}

func TestBanBeginsAfterTooManyFailuresAndEnds(t *testing.T) {
	w := &watch{}
	b := &Bans{Rate: rate(20, time.Minute), For: 10 * time.Minute, Now: w.now}
	if n := fails(b, "198.51.100.7", 20); n != 0 || b.Banned(addr("198.51.100.7")) != nil {
		t.Fatal("banned within the rate")
	}
	ban, began := b.Failed(addr("198.51.100.7"), "GH-1012")
	if !began || ban.Attempts != 21 || ban.Code != "GH-1012" || ban.Prefix.String() != "198.51.100.7/32" ||
		!ban.Since.Equal(w.now()) || ban.Until.Sub(ban.Since) != 10*time.Minute {
		t.Fatalf("got %+v, %v", ban, began)
	}
	if ban, began := b.Failed(addr("198.51.100.7"), "GH-1010"); began || ban == nil || ban.Attempts != 22 || ban.Code != "GH-1010" {
		t.Errorf("one that was on its way: got %+v, %v", ban, began)
	}
	if b.Banned(addr("198.51.100.8")) != nil {
		t.Error("the neighbour is banned too")
	}
	w.pass(10*time.Minute - 1)
	if b.Banned(addr("198.51.100.7")) == nil || len(b.List()) != 1 {
		t.Error("the ban ended early")
	}
	w.pass(1)
	if b.Banned(addr("198.51.100.7")) != nil || len(b.List()) != 0 {
		t.Error("the ban did not end")
	}
	if b.live.Load() != 0 {
		t.Error("a ban that ended is remembered")
	}
}

func TestA162BansHoldHoweverAnAddressIsWritten(t *testing.T) {
	w := &watch{}
	b := &Bans{Rate: rate(3, time.Minute), For: time.Minute, Now: w.now}
	for i := range 4 {
		a := addr("2001:db8::").As16()
		a[15] = byte(i)
		b.Failed(netip.AddrFrom16(a), "GH-1011")
	}
	fails(b, "::ffff:192.0.2.1", 2)
	fails(b, "192.0.2.1", 2)
	for _, in := range []string{"2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8::1%eth0", "192.0.2.1", "::ffff:192.0.2.1"} {
		if b.Banned(addr(in)) == nil {
			t.Errorf("%s is not banned", in)
		}
	}
	for _, out := range []string{"2001:db8:0:1::1", "192.0.2.2", "::1"} {
		if b.Banned(addr(out)) != nil {
			t.Errorf("%s is banned", out)
		}
	}
	for range 100 { // a unix socket's peer has no address: it would be everybody
		b.Failed(netip.Addr{}, "GH-1011")
	}
	if b.Banned(netip.Addr{}) != nil {
		t.Error("no address is banned")
	}
}

func TestOneBanBeginsHoweverManyFailAtOnce(t *testing.T) {
	w := &watch{}
	b := &Bans{Rate: rate(50, time.Minute), Now: w.now}
	var began, refused atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				ban, first := b.Failed(addr("192.0.2.1"), "GH-1011")
				if first {
					began.Add(1)
				}
				if ban == nil {
					refused.Add(1)
				}
				b.Banned(addr("192.0.2.1"))
				b.List()
			}
		})
	}
	wg.Wait()
	if began.Load() != 1 || refused.Load() != 50 {
		t.Errorf("got %d bans after %d failures, want 1 after 50", began.Load(), refused.Load())
	}
	if l := b.List(); len(l) != 1 || l[0].Attempts != 64*20-50+50 {
		t.Errorf("got %+v, want every attempt counted", l)
	}
}

func TestBansOfAnOperator(t *testing.T) {
	w := &watch{}
	b := &Bans{Rate: rate(1, time.Minute), Now: w.now}
	for _, bad := range []netip.Prefix{{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("0.0.0.0/7"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("2000::/3")} {
		if _, err := b.Add(bad, time.Hour, ""); !errors.Is(err, ErrPrefix) {
			t.Errorf("%s: got %v, want ErrPrefix", bad, err)
		}
	}
	if _, err := b.Add(netip.MustParsePrefix("192.0.2.0/24"), 0, ""); err == nil {
		t.Error("a ban of no time was taken")
	}
	for _, p := range []string{"203.0.113.0/24", "2001:db8::/32", "::ffff:198.51.100.0/120", "2001:db8:1::5/128"} {
		if _, err := b.Add(netip.MustParsePrefix(p), time.Hour, "scanner"); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(time.Second)
	fails(b, "192.0.2.9", 2)
	for in, want := range map[string]string{"203.0.113.77": "203.0.113.0/24", "2001:db8:ffff::1": "2001:db8::/32", "198.51.100.200": "198.51.100.0/24", "192.0.2.9": "192.0.2.9/32"} {
		if ban := b.Banned(addr(in)); ban == nil || ban.Prefix.String() != want {
			t.Errorf("%s: got %+v, want %s", in, ban, want)
		}
	}
	if n := fails(b, "203.0.113.77", 5); n != 0 {
		t.Error("a ban began inside another")
	}
	if l := b.List(); len(l) != 5 || l[0].Prefix.String() != "192.0.2.9/32" || l[4].Reason != "scanner" {
		t.Errorf("list: got %+v", l)
	}
	if b.Remove(netip.MustParsePrefix("203.0.113.77/32")) || !b.Remove(netip.MustParsePrefix("203.0.113.0/24")) || b.Banned(addr("203.0.113.77")) != nil {
		t.Error("removing the network did not lift its ban")
	}
	if !b.Remove(netip.MustParsePrefix("192.0.2.9/32")) || fails(b, "192.0.2.9", 1) != 0 {
		t.Error("who was let off does not start anew")
	}
	if n := fails(b, "192.0.2.9", 1); n != 1 {
		t.Error("who was let off is never banned again")
	}
}

func TestBansFollowAReload(t *testing.T) {
	w := &watch{}
	b := &Bans{Now: w.now}
	if n := fails(b, "192.0.2.1", 1000); n != 0 {
		t.Fatal("banned without a rate")
	}
	b.Set(rate(2, time.Minute), time.Hour)
	if n := fails(b, "192.0.2.1", 3); n != 1 {
		t.Error("the new rate does not hold")
	}
	b.Set(unit.Rate{}, 0)
	if b.Banned(addr("192.0.2.1")) == nil {
		t.Error("a reload lifted a ban")
	}
	if n := fails(b, "192.0.2.2", 100); n != 0 {
		t.Error("banned after bans were turned off")
	}
}

func TestA163BansAreBoundedAndAFloodFreesNobody(t *testing.T) {
	w := &watch{}
	b := &Bans{Rate: rate(1, time.Minute), For: time.Hour, Now: w.now}
	fails(b, "192.0.2.1", 2)
	before := heap()
	for i := range maxBans + 10_000 {
		a := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)}
		b.Failed(netip.AddrFrom16(a), "GH-1011")
		b.Failed(netip.AddrFrom16(a), "GH-1011")
	}
	if n := len(b.List()); n != maxBans {
		t.Errorf("got %d bans, want %d", n, maxBans)
	}
	if b.Banned(addr("192.0.2.1")) == nil {
		t.Error("the flood freed the first")
	}
	if grown := int64(heap()) - int64(before); grown > 24<<20 {
		t.Errorf("they take %d MiB, want at most 24", grown>>20)
	}
	if _, err := b.Add(netip.MustParsePrefix("203.0.113.0/24"), time.Hour, ""); err != nil {
		t.Errorf("an operator's ban found no room: %v", err)
	}
	w.pass(time.Hour)
	if n := fails(b, "198.51.100.1", 2); n != 1 || len(b.List()) != 1 {
		t.Error("what ended made no room")
	}
}

func TestAClockThatGoesBackBansNobodyForEver(t *testing.T) {
	w := &watch{}
	w.pass(1000 * time.Hour)
	b := &Bans{Rate: rate(1, time.Minute), For: time.Minute, Now: w.now}
	fails(b, "192.0.2.1", 2)
	w.pass(-999 * time.Hour)
	w.pass(2 * time.Minute)
	if b.Banned(addr("192.0.2.1")) != nil {
		t.Error("banned until the clock has caught up")
	}
	if n := fails(b, "192.0.2.1", 2); n != 1 {
		t.Error("and free meanwhile")
	}
}

func FuzzBans(f *testing.F) {
	f.Add("192.0.2.1", "192.0.2.0/24")
	f.Add("::ffff:192.0.2.1", "2001:db8::/64")
	f.Add("fe80::1%eth0", "::ffff:0:0/95")
	f.Fuzz(func(t *testing.T, address, network string) {
		a, err1 := netip.ParseAddr(address)
		p, err2 := netip.ParsePrefix(network)
		if err1 != nil || err2 != nil {
			return
		}
		b := &Bans{Rate: rate(1, time.Hour)}
		b.Failed(a, "")
		if ban, began := b.Failed(a, ""); !began || !ban.Prefix.Contains(a.Unmap().WithZone("")) || b.Banned(a) == nil || !b.Remove(ban.Prefix) || b.Banned(a) != nil {
			t.Errorf("%s: got %+v", a, ban)
		}
		if ban, err := b.Add(p, time.Hour, ""); err == nil && (b.Banned(ban.Prefix.Addr()) == nil || !b.Remove(p) || b.live.Load() != 0) {
			t.Errorf("%s: got %+v", p, ban)
		}
	})
}
