package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// varied writes n events in files of a few kilobytes and returns the trail.
func varied(t testing.TB, n int) string {
	t.Helper()
	l, path := start(t, func(c *Config) { c.MaxSize, c.Keep = 20<<10, 1000 })
	for i := range n {
		e := sample()
		e.Time = e.Time.Add(time.Duration(i) * time.Second)
		e.Name, e.Request = fmt.Sprintf("tool-%d", i%7), fmt.Sprintf("r%d", i)
		e.KeyID, e.Tenant = fmt.Sprintf("key-%d", i%50), fmt.Sprintf("tenant \u202e%d", i%3)
		e.Address = netip.AddrFrom4([4]byte{10, 0, byte(i % 4), byte(i % 200)})
		switch i % 10 {
		case 3:
			e.Kind, e.Outcome, e.Code, e.Method = config.AuditDenied, Refused, "GH-1202", "tools/call"
		case 4:
			e.Kind, e.Action, e.Method, e.Name = config.AuditAdmin, "key.create", "", "tool-1"
		case 5:
			e.Kind, e.Method, e.Name = config.AuditCall, "resources/read", "tool-1"
		case 7:
			e.Kind, e.Action, e.TokenID, e.ClientID = config.AuditSignIn, "token", fmt.Sprintf("jti-%d", i), "app \u202e"
			e.Detail = map[string]string{DetailFlow: fmt.Sprintf("r%d", i-1)}
		case 6:
			e.Count, e.Since, e.Address = 5, e.Time, netip.MustParseAddr("2001:db8:1:2::")
		}
		if err := l.Write(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// requests are the names of what a search finds.
func requests(t testing.TB, path string, q Query, size int64) ([]string, Report) {
	t.Helper()
	var out []string
	r, err := search(t.Context(), path, q, size, func(m Match) error {
		if e, err := Parse(m.Line); err != nil || e.Request != m.Request {
			t.Errorf("line %q is not the event", m.Line)
		}
		out = append(out, m.Request)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, r
}

func TestSearchFindsWhatReadingEverythingFinds(t *testing.T) {
	path := varied(t, 1000)
	all := events(t, path)
	slices.Reverse(all)
	base := sample().Time
	prefix := netip.MustParsePrefix
	for name, tt := range map[string]struct {
		q    Query
		want func(e *Event) bool
	}{
		"everything":       {Query{}, func(*Event) bool { return true }},
		"a key":            {Query{Key: "key-7"}, func(e *Event) bool { return e.KeyID == "key-7" }},
		"part of a key":    {Query{Key: "key"}, func(*Event) bool { return false }},
		"a tenant's name":  {Query{Tenant: "tenant \u202e1"}, func(e *Event) bool { return e.Tenant == "tenant \u202e1" }},
		"a tenant's id":    {Query{Tenant: sample().TenantID}, func(*Event) bool { return true }},
		"kinds":            {Query{Kinds: []string{"denied", "admin"}}, func(e *Event) bool { return e.Kind == "denied" || e.Kind == "admin" }},
		"since":            {Query{Since: base.Add(990 * time.Second)}, func(e *Event) bool { return !e.Time.Before(base.Add(990 * time.Second).Truncate(time.Microsecond)) }},
		"until":            {Query{Until: base.Add(9 * time.Second)}, func(e *Event) bool { return e.Time.Before(base.Add(9 * time.Second).Truncate(time.Microsecond)) }},
		"an address":       {Query{Address: prefix("10.0.1.5/32")}, func(e *Event) bool { return e.Address.String() == "10.0.1.5" }},
		"a network":        {Query{Address: prefix("10.0.2.0/24")}, func(e *Event) bool { return prefix("10.0.2.0/24").Contains(e.Address) }},
		"one of a counted": {Query{Address: prefix("2001:db8:1:2::77/128")}, func(e *Event) bool { return e.Count > 1 }},
		"a tool":           {Query{Tool: "tool-1"}, func(e *Event) bool { return e.Name == "tool-1" && e.Method != "resources/read" }},
		"many things":      {Query{Tool: "tool-3", Outcome: OK, Server: "files", Method: "tools/call", Subject: "ada@example.com", Kinds: []string{"tool_call"}}, func(e *Event) bool { return e.Name == "tool-3" && e.Kind == "tool_call" }},
		"a code":           {Query{Code: "GH-1202"}, func(e *Event) bool { return e.Code == "GH-1202" }},
		"a beginning":      {Query{Prefix: "r99"}, func(e *Event) bool { return strings.HasPrefix(e.Request, "r99") }},
		"a login":          {Query{Flow: "r36"}, func(e *Event) bool { return e.Request == "r36" || e.Request == "r37" }},
		"a client":         {Query{ClientID: "app \u202e", Action: "token"}, func(e *Event) bool { return e.ClientID != "" }},
		"tokens":           {Query{Tokens: []string{"jti-7", "jti-997", "jti-"}}, func(e *Event) bool { return e.TokenID == "jti-7" || e.TokenID == "jti-997" }},
		"a request":        {Query{Request: "r500"}, func(e *Event) bool { return e.Request == "r500" }},
	} {
		var want []string
		for _, e := range all {
			if tt.want(e) {
				want = append(want, e.Request)
			}
		}
		for _, size := range []int64{100, 4096, blockSize} {
			got, r := requests(t, path, tt.q, size)
			if !slices.Equal(got, want) || r.Damaged != 0 {
				t.Errorf("%s, blocks of %d: got %d events, want %d (%+v)", name, size, len(got), len(want), r)
			}
			tt.q.Oldest = true
			got, _ = requests(t, path, tt.q, size)
			if slices.Reverse(got); !slices.Equal(got, want) {
				t.Errorf("%s, the oldest first: got %d events, want %d", name, len(got), len(want))
			}
			tt.q.Oldest = false
			tt.q.Limit = 3
			got, r = requests(t, path, tt.q, size)
			if n := min(3, len(want)); !slices.Equal(got, want[:n]) || r.Cut != (len(want) > 3) {
				t.Errorf("%s, the newest three: got %v of %d (%+v)", name, got, len(want), r)
			}
			tt.q.Limit = 0
		}
	}
}

func TestDamagedLinesAreCountedAndNamed(t *testing.T) {
	path := varied(t, 5)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := []string{"garbage\n", "{\"time\":\"2026\"}\n", string(make([]byte, 100)) + "\n", strings.Repeat("x", 4*maxLine) + "\n", "\n", string(text[:50]) + "\n"}
	at := int64(len(text))
	for _, d := range damage {
		text = append(text, d...)
	}
	text = append(append(text, text[:at]...), "torn"...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{100, 5000, blockSize} {
		got, r := requests(t, path, Query{}, size)
		if len(got) != 10 || r.Damaged != len(damage)-1 || len(r.Damage) == 0 {
			t.Errorf("blocks of %d: got %d events, %+v", size, len(got), r)
		}
		if !slices.Contains(r.Damage, Damage{"audit.jsonl", at}) {
			t.Errorf("got %v, want one at %d", r.Damage, at)
		}
	}
}

func TestSearchWithoutATrail(t *testing.T) {
	if _, err := Search(t.Context(), filepath.Join(t.TempDir(), "x"), Query{}, nil); !errors.Is(err, ErrNoTrail) {
		t.Errorf("got %v, want ErrNoTrail", err)
	}
}

func TestFileThatIsTurnedOverMeanwhileIsReadOnce(t *testing.T) {
	path := varied(t, 3)
	if err := os.Link(path, path+".20261127T031209.000"); err != nil { // as if it was renamed between two looks
		t.Fatal(err)
	}
	if got, r := requests(t, path, Query{}, blockSize); len(got) != 3 || r.Files != 1 {
		t.Errorf("got %v %+v", got, r)
	}
}

func TestSearchEndsWhenAsked(t *testing.T) {
	path := varied(t, 100)
	enough := errors.New("enough")
	if _, err := Search(t.Context(), path, Query{}, func(Match) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Search(ctx, path, Query{}, func(Match) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSearchReadsFilesThatLogrotateNumbered(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	for name, request := range map[string]string{"": "5", ".20261127T031209.001": "4", ".20261127T031209.000": "3", ".1": "2", ".2": "1", ".lock": "no", ".20261127.1": "no", ".gz": "no"} {
		e := sample()
		e.Request = request
		if err := os.WriteFile(path+name, appendEvent(nil, e), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, r := requests(t, path, Query{}, blockSize); strings.Join(got, "") != "54321" || r.Files != 5 {
		t.Errorf("got %v %+v", got, r)
	}
}

func TestFollowSeesEveryEventOnceOverManyFiles(t *testing.T) {
	l, path := start(t, func(c *Config) { c.MaxSize, c.Keep = 2000, 1000 })
	if err := l.Durable(t.Context(), call("before")); err != nil {
		t.Fatal(err)
	}
	r, err := Search(t.Context(), path, Query{}, func(Match) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Follow(ctx, path, r.End, Query{}, func(m Match) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m.Name)
			return nil
		})
	}()
	const n = 2000
	for i := range n {
		if err := l.Write(t.Context(), call(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if i%400 == 0 {
			time.Sleep(followWait)
		}
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= n })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for i, name := range got {
		if name != fmt.Sprint(i) {
			t.Fatalf("event %d is %q", i, name)
		}
	}
}

func FuzzSearchAgreesWithReadingLineByLine(f *testing.F) {
	good := string(appendEvent(nil, sample()))
	f.Add([]byte(good+"damaged\n"+good+good[:40]), "7Qm2aB9xKp01", uint16(64))
	f.Add([]byte("\n\n\x00\n"+good), "", uint16(1))
	f.Add([]byte(`{"time":"2026-11-27T03:12:09.123456Z","key":"a","key":"b"}`+"\n"), "b", uint16(9))
	f.Fuzz(func(t *testing.T, text []byte, key string, size uint16) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		q := Query{Key: key}
		var want []string
		sieve := q.sieve()
		for line := range bytes.Lines(text) {
			line, ended := bytes.CutSuffix(line, []byte{'\n'})
			if !ended || !sound(line) || len(line) > maxLine || !sieve.passes(line) {
				continue
			}
			if e, err := Parse(line); err == nil && q.wants(e) {
				want = append(want, string(line))
			}
		}
		slices.Reverse(want)
		var got []string
		if _, err := search(t.Context(), path, q, int64(size)+1, func(m Match) error {
			if len(m.Line) <= maxLine {
				got = append(got, string(m.Line))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// million writes a trail of a million lines, once for all runs of a benchmark.
func million(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "audit.jsonl")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for i := range 1_000_000 {
		e := sample()
		e.Time = e.Time.Add(time.Duration(i) * time.Millisecond)
		if i%100_000 == 7 {
			e.KeyID = "needle"
		}
		if buf = appendEvent(buf, e); len(buf) > 1<<20 {
			if _, err := f.Write(buf); err != nil {
				b.Fatal(err)
			}
			buf = buf[:0]
		}
	}
	if _, err := f.Write(buf); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

func BenchmarkSearchOfAMillionLines(b *testing.B) {
	path := million(b)
	for name, q := range map[string]Query{"a key": {Key: "needle"}, "the newest 20": {Limit: 20}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got, _ := requests(b, path, q, blockSize); len(got) < 10 {
					b.Fatalf("got %d", len(got))
				}
			}
		})
	}
}
