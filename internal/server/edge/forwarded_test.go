package edge

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

type addressTest struct {
	name         string
	peer         peer
	headers      []string
	want, source string
}

func addressTests() []addressTest {
	proxy, stranger := peer{hop: netip.MustParseAddr("10.0.0.1")}, peer{hop: netip.MustParseAddr("203.0.113.9")}
	origin := func(a string) peer {
		p := peer{hop: netip.MustParseAddr("10.0.0.1"), proxied: true}
		if a != "" {
			p.origin = netip.MustParseAddr(a)
		}
		return p
	}
	unix := peer{hop: netip.MustParseAddr("127.0.0.1"), unix: true}
	return []addressTest{
		{"nothing", stranger, nil, "203.0.113.9", FromConnection},
		{"a stranger's word", stranger, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"}, "203.0.113.9", FromConnection},
		{"a proxy's word", proxy, []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1", FromForwarded},
		{"a proxy that says nothing", proxy, nil, "10.0.0.1", FromNobody},
		{"the nearest that is no proxy", proxy, []string{"X-Forwarded-For: 192.0.2.66, 192.0.2.1, 10.2.3.4"}, "192.0.2.1", FromForwarded},
		{"several lines", proxy, []string{"X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.2.3.4"}, "192.0.2.1", FromForwarded},
		{"proxies all the way", proxy, []string{"X-Forwarded-For: 10.9.9.9, 10.8.8.8"}, "10.9.9.9", FromForwarded},
		{"a port", proxy, []string{"X-Forwarded-For: 192.0.2.1:4711"}, "192.0.2.1", FromForwarded},
		{"IPv6", proxy, []string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1", FromForwarded},
		{"IPv6 in brackets", proxy, []string{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1", FromForwarded},
		{"IPv6 with a port", proxy, []string{"X-Forwarded-For: [2001:db8::1]:80"}, "2001:db8::1", FromForwarded},
		{"IPv6 past a proxy of IPv6", proxy, []string{"X-Forwarded-For: 2001:db8::1, 2001:db8:1::5"}, "2001:db8::1", FromForwarded},
		{"IPv4 in IPv6 that is a proxy", proxy, []string{"X-Forwarded-For: 192.0.2.1, ::ffff:10.2.3.4"}, "192.0.2.1", FromForwarded},
		{"IPv4 in brackets", proxy, []string{"X-Forwarded-For: [192.0.2.1]"}, "10.0.0.1", FromNobody},
		{"a zone", proxy, []string{"X-Forwarded-For: fe80::1%eth0"}, "10.0.0.1", FromNobody},
		{"garbage", proxy, []string{"X-Forwarded-For: <script>"}, "10.0.0.1", FromNobody},
		{"garbage behind a good one", proxy, []string{"X-Forwarded-For: 192.0.2.66, unknown, 10.2.3.4"}, "10.2.3.4", FromForwarded},
		{"garbage before a good one", proxy, []string{"X-Forwarded-For: ;;, 192.0.2.1"}, "192.0.2.1", FromForwarded},
		{"an empty one", proxy, []string{"X-Forwarded-For: 192.0.2.66, "}, "10.0.0.1", FromNobody},
		{"a chain of 100", proxy, []string{"X-Forwarded-For: 192.0.2.66" + strings.Repeat(", 10.0.0.7", 99)}, "10.0.0.7", FromForwarded},
		{"a number", proxy, []string{"X-Forwarded-For: 3221225985"}, "10.0.0.1", FromNobody},
		{"Forwarded", proxy, []string{`Forwarded: for=192.0.2.66, For=192.0.2.1;proto=https;by=203.0.113.43`}, "192.0.2.1", FromForwarded},
		{"Forwarded of IPv6", proxy, []string{`Forwarded: for="[2001:db8::1]:4711"`}, "2001:db8::1", FromForwarded},
		{"Forwarded that hides", proxy, []string{`Forwarded: for=_hidden`}, "10.0.0.1", FromNobody},
		{"Forwarded with a quote that a stranger opened", proxy, []string{`Forwarded: for="192.0.2.66, for=192.0.2.1`}, "192.0.2.1", FromForwarded},
		{"Forwarded with an escape", proxy, []string{`Forwarded: for="192.0.2.\1"`}, "10.0.0.1", FromNobody},
		{"Forwarded twice in one", proxy, []string{`Forwarded: for=192.0.2.66;for=192.0.2.1`}, "10.0.0.1", FromNobody},
		{"both, of one mind", proxy, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"}, "192.0.2.1", FromForwarded},
		{"both, of two", proxy, []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"}, "10.0.0.1", FromConflict},
		{"other names", proxy, []string{"X-Real-Ip: 192.0.2.1", "True-Client-Ip: 192.0.2.1", "Cf-Connecting-Ip: 192.0.2.1"}, "10.0.0.1", FromNobody},
		{"a unix socket", unix, []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1", FromForwarded},
		{"a unix socket that says nothing", unix, nil, "127.0.0.1", FromNobody},
		{"the PROXY header", origin("192.0.2.1"), nil, "192.0.2.1", FromProxy},
		{"a stranger behind the PROXY header", origin("192.0.2.1"), []string{"X-Forwarded-For: 192.0.2.66"}, "192.0.2.1", FromProxy},
		{"a proxy behind the PROXY header", origin("10.7.7.7"), []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1", FromForwarded},
		{"nobody behind the PROXY header", origin(""), []string{"X-Forwarded-For: 192.0.2.66"}, "10.0.0.1", FromNobody},
	}
}

func TestA130Address(t *testing.T) {
	s := &settings{proxies: proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}}
	for _, tt := range addressTests() {
		t.Run(tt.name, func(t *testing.T) {
			got, source := s.address(&tt.peer, headers(tt.headers...))
			if got.String() != tt.want || source != tt.source {
				t.Errorf("got %s from %s, want %s from %s", got, source, tt.want, tt.source)
			}
		})
	}
}

// By default nobody is believed, loopback included.
func TestA130NobodyIsTrusted(t *testing.T) {
	for _, hop := range []string{"127.0.0.1", "::1", "10.0.0.1", "169.254.1.1"} {
		p := &peer{hop: netip.MustParseAddr(hop)}
		if got, _ := (&settings{}).address(p, headers("X-Forwarded-For: 192.0.2.1")); got != p.hop {
			t.Errorf("got %s behind %s, want the connection's", got, hop)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"192.0.2.1", `for="[2001:db8::1]:80";proto=http`, `for="a,b"`, ",,;=", "for=x;for=y", "[::1", "1.2.3.4:99999", "::ffff:1.2.3.4%z"} {
		f.Add(s, s)
	}
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	s := &settings{proxies: trusted}
	p := &peer{hop: netip.MustParseAddr("10.0.0.1")}
	f.Fuzz(func(t *testing.T, x, fwd string) {
		h := http.Header{"X-Forwarded-For": {x}, "Forwarded": {fwd}}
		a, source := s.address(p, h)
		if !a.IsValid() || a.Zone() != "" || a.Is4In6() {
			t.Fatalf("got %v from %q and %q", a, x, fwd)
		}
		if source == FromForwarded && a == p.hop {
			t.Fatalf("got the hop itself from %q", x)
		}
		inTheClear(h)
		// What our proxy adds decides, whatever a stranger wrote before it.
		h = http.Header{"X-Forwarded-For": {x + ", 192.0.2.1"}}
		if a, _ := s.address(p, h); a.String() != "192.0.2.1" {
			t.Fatalf("got %v before %q, want what our proxy added", a, x)
		}
		h = http.Header{"Forwarded": {fwd + ", for=192.0.2.1"}}
		if a, _ := s.address(p, h); a.String() != "192.0.2.1" {
			t.Fatalf("got %v before %q, want what our proxy added", a, fwd)
		}
	})
}
