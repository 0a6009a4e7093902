package audit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

func TestA205FloodOfRefusalsIsCounted(t *testing.T) {
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	l, path := start(t, func(c *Config) { c.Now = func() time.Time { return now } })
	refusal := func(from, code, key string) {
		t.Helper()
		e := &Event{Time: now, Kind: config.AuditAuthFailed, Code: code, Address: netip.MustParseAddr(from), KeyID: key, Name: from, Tenant: "claimed"}
		if err := l.Durable(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		refusal("203.0.113.7", "GH-1011", fmt.Sprint("claimed", i))
		refusal(fmt.Sprintf("2001:db8::%x", i), "GH-1011", "")
	}
	refusal("203.0.113.8", "GH-1011", "")
	refusal("203.0.113.7", "GH-1010", "")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines, total := map[string]int{}, map[string]int{}
	for _, e := range events(t, path) {
		from := e.Address.String() + " " + e.Code
		if e.Address.Is6() {
			from = "v6"
		}
		lines[from]++
		total[from] += max(e.Count, 1)
		if e.Count > 1 && (e.Since.IsZero() || e.KeyID != "" || e.Tenant != "") {
			t.Errorf("got %+v", e)
		}
	}
	for from, want := range map[string]int{"203.0.113.7 GH-1011": 500, "v6": 500, "203.0.113.8 GH-1011": 1, "203.0.113.7 GH-1010": 1} {
		if total[from] != want || lines[from] > collapseAfter+1 {
			t.Errorf("%s: got %d events on %d lines, want %d events", from, total[from], lines[from], want)
		}
	}
}

func TestA205FloodFromManyAddressesIsCountedToo(t *testing.T) {
	const n = 5000
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	for addresses, most := range map[int]int{n: collapseKeys + 2, 200: collapseTotal + 200} {
		l, path := start(t, func(c *Config) { c.Now = func() time.Time { return now } }) // one window
		var all sync.WaitGroup
		for w := range 50 {
			all.Go(func() {
				for i := w; i < n; i += 50 {
					a := i % addresses
					e := &Event{Time: now, Kind: config.AuditAuthFailed, Code: "GH-1011", Address: netip.AddrFrom4([4]byte{10, byte(a >> 8), byte(a), 1})}
					if err := l.Durable(t.Context(), e); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got, total := events(t, path), 0
		for _, e := range got {
			total += max(e.Count, 1)
		}
		if total != n || len(got) > most {
			t.Errorf("%d addresses: got %d events on %d lines, want %d on at most %d", addresses, total, len(got), n, most)
		}
	}
}

func TestA205FloodOfRefusedSignInsIsCounted(t *testing.T) {
	l, path := start(t, func(*Config) {})
	for i := range 200 {
		for _, e := range []Event{
			{Action: "authorize", Code: "GH-1401", Outcome: Refused, Request: fmt.Sprint("r", i)}, {Action: "token", Code: "GH-1401", Outcome: Refused},
			{Action: "token", Code: "GH-1405", Outcome: Failed}, {Action: "token", Code: "GH-1405", Outcome: Refused},
			{Action: "refresh", Code: "GH-1411", Outcome: Refused, Changed: true}, // it has ended a grant
			{Action: "authorize", Outcome: OK}, {Action: "code", Code: "GH-1425", Outcome: Refused, Subject: "usr_ada"},
		} {
			e.Kind, e.Address = config.AuditSignIn, netip.MustParseAddr("203.0.113.7")
			if err := l.Durable(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines, total := map[string]int{}, map[string]int{}
	for _, e := range events(t, path) {
		lines[e.Action+e.Code+e.Outcome]++
		total[e.Action+e.Code+e.Outcome] += max(e.Count, 1)
	}
	for what, most := range map[string]int{
		"authorizeGH-1401" + Refused: collapseAfter + 1, "tokenGH-1401" + Refused: collapseAfter + 1, "authorize" + OK: 200, "codeGH-1425" + Refused: 200,
		"tokenGH-1405" + Failed: collapseAfter + 1, "tokenGH-1405" + Refused: collapseAfter + 1, "refreshGH-1411" + Refused: 200,
	} {
		if total[what] != 200 || lines[what] > most || most == 200 && lines[what] != 200 {
			t.Errorf("%s: got %d events on %d lines", what, total[what], lines[what])
		}
	}
}

func TestWindowOfAFloodEnds(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	l, path := start(t, func(c *Config) { c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now } })
	for range collapseAfter + 5 {
		if err := l.Durable(t.Context(), &Event{Time: now, Kind: config.AuditDenied, Code: "GH-1202", KeyID: "k1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Durable(t.Context(), &Event{Time: now, Kind: config.AuditDenied, Code: "GH-1202", KeyID: "k2"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(collapseWindow)
	mu.Unlock()
	eventually(t, func() bool {
		got := events(t, path)
		last := got[len(got)-1]
		return len(got) == collapseAfter+2 && last.Count == 5 && last.KeyID == "k1"
	})
}
