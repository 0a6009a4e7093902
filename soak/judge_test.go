package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// judged is a book whose violations are gathered.
func judged() (*book, *[]string) {
	var found []string
	return newBook(time.Second, func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }), &found
}

func TestBookJudgesWhatServersSee(t *testing.T) {
	k := &key{id: "K", tenant: "one", tools: []string{"echo", "big"}}
	good := identity{Key: "K", Tenant: "one", Tool: "echo", Server: notes, Request: "r"}
	other := good
	other.Tenant = "two"
	hour := time.Hour
	tests := []struct {
		name   string
		before func(*book)
		after  func(*book)            // between sending and seeing
		edit   func(*call, *sighting) // of what is sent, and seen
		later  time.Duration          // seen so long after it was sent
		want   string                 // empty: nothing is wrong
	}{
		{name: "a good call"},
		{name: "with a good identity", edit: func(_ *call, s *sighting) { s.who = &good }},
		{name: "with another's identity", edit: func(_ *call, s *sighting) { s.who = &other }, want: "wrong identity"},
		{name: "without a key", edit: func(c *call, _ *sighting) { c.key = nil }, want: "without a valid key"},
		{name: "with another tool", edit: func(_ *call, s *sighting) { s.tool = "write_a" }, want: "was called"},
		{name: "with a tool that the key lacks", edit: func(c *call, s *sighting) { c.tool, s.tool = "write_a", "write_a" }, want: "whose tools are"},
		{name: "at another server", edit: func(_ *call, s *sighting) { s.server = old }, want: "was called"},
		{name: "that nobody made", edit: func(_ *call, s *sighting) { s.nonce = newNonce() }, want: "nobody made"},
		{name: "sent after its key was revoked", before: func(b *book) { b.forbid("key K") }, want: "it was sent"},
		{name: "sent after its tenant was suspended", before: func(b *book) { b.forbid("tenant one") }, want: "it was sent"},
		{name: "sent after its tool was forbidden", before: func(b *book) { b.forbid("tool echo") }, want: "it was sent"},
		{name: "sent after its tool was forbidden to its tenant", before: func(b *book) { b.forbid("tool echo of one") }, want: "it was sent"},
		{name: "sent to a server that was taken away", before: func(b *book) { b.forbid("server notes") }, want: "it was sent"},
		{name: "sent after another's was", before: func(b *book) { b.forbid("key L"); b.forbid("tool echo of two") }},
		{name: "sent after it was permitted again", before: func(b *book) { b.forbid("key K"); b.permit("key K") }},
		{name: "under way when its key was revoked", after: func(b *book) { b.forbid("key K") }, later: time.Second},
		{name: "under way for long when its key was revoked", after: func(b *book) { b.forbid("key K") }, later: hour, want: "carried out 1h"},
		{name: "under way for long, and permitted again", after: func(b *book) { b.forbid("key K"); b.permit("key K") }, later: hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, found := judged()
			if test.before != nil {
				test.before(b)
			}
			c := &call{nonce: newNonce(), client: 1, key: k, server: notes, tool: "echo"}
			s := sighting{server: notes, tool: "echo", nonce: c.nonce}
			if test.edit != nil {
				test.edit(c, &s)
			}
			b.send(c)
			if test.after != nil {
				test.after(b)
			}
			s.at = time.Now().Add(test.later)
			b.see(s)
			if got := strings.Join(*found, "; "); (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestBookHearsWhatIsAnothers(t *testing.T) {
	b, found := judged()
	mine, other := &call{nonce: newNonce(), client: 1, key: &key{}}, &call{nonce: newNonce(), client: 2, key: &key{}}
	b.send(mine)
	b.send(other)
	b.hears(1, "x"+mine.nonce+"y"+newNonce()+nonceMark)
	if len(*found) != 0 {
		t.Errorf("got %q of what is mine, or nobody's", *found)
	}
	b.hears(1, mine.nonce+other.nonce)
	if len(*found) != 1 {
		t.Errorf("got %q, want one", *found)
	}
	b.forbid("key K")
	late := &call{nonce: newNonce(), key: &key{id: "K"}}
	b.send(late)
	b.answered(late)
	b.answered(&call{})
	if len(*found) != 3 {
		t.Errorf("got %q, want two more", *found)
	}
}

func TestLedgerFindsWhatWasLost(t *testing.T) {
	l := newLedger("one", "two")
	dead := &key{id: "dead"}
	l.add(&key{id: "live"})
	l.add(dead)
	l.end(dead, true)
	l.suspend("two", true)
	as := func(live, dead, one, two string) map[string]string {
		return map[string]string{"live": live, "dead": dead, "one": one, "two": two}
	}
	if lost := l.compare(as("active", "revoked", "active", "suspended")); len(lost) != 0 {
		t.Errorf("got %q, want nothing lost", lost)
	}
	if lost := l.compare(as("revoked", "active", "suspended", "active")); len(lost) != 4 {
		t.Errorf("got %q, want all four lost", lost)
	}
}

// trailOf has a trail of the lines read and judged.
func trailOf(t *testing.T, before func(*trail), lines ...string) []string {
	t.Helper()
	s := defaults()
	s.out, s.slack = io.Discard, 0
	r := newReport(&s)
	w := &world{s: &s, dir: t.TempDir(), report: r}
	w.trail = newTrail(w)
	if err := os.Mkdir(w.trailDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.trailDir(), "audit.jsonl"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before(w.trail)
	time.Sleep(time.Millisecond)
	w.trail.finish()
	return r.violations()
}

func TestTrailLacksNothing(t *testing.T) {
	const (
		revoked = `{"kind":"admin","action":"key.revoke","phase":"result","key":"K","outcome":"ok"}`
		called  = `{"kind":"tool_call","request":"r1","phase":"intent"}`
		many    = `{"kind":"auth_failed","code":"GH-1011","outcome":"refused","count":2}`
	)
	long := time.Now().Add(-time.Hour)
	expect := func(e *trail) {
		e.expectChange("key.revoke", "K")
		e.expectCall("r1", "call", true)
		e.recent = []refusal{{"GH-1011", long}, {"GH-1011", long}}
	}
	tests := []struct {
		name   string
		before func(*trail)
		lines  []string
		want   string
	}{
		{"all is there", expect, []string{revoked, called, many}, ""},
		{"a change is not", expect, []string{called, many}, "nothing of key.revoke K"},
		{"a change was only meant", expect, []string{strings.Replace(revoked, "result", "intent", 1), called, many}, "nothing of key.revoke K"},
		{"a call is not, and the trail is strict", expect, []string{revoked, many}, "the trail is strict"},
		{"a refusal is not", expect, []string{revoked, called, strings.Replace(many, "2", "1", 1)}, "counts"},
		{"a call is late", func(e *trail) { e.calls["r2"] = expected{since: long} }, []string{called}, "nothing of a call"},
		{"a call was cut off by a kill", func(e *trail) { e.calls["r2"] = expected{since: long}; e.killed() }, []string{called}, ""},
		{"a strict call was cut off by a kill", func(e *trail) { e.expectCall("r2", "call", true); e.killed() }, []string{called}, "the trail is strict"},
		{"a line is damaged", func(*trail) {}, []string{`{"kind":`, called}, "nobody was killed"},
		{"a line was torn by a kill", (*trail).killed, []string{`{"kind":`, `{"kind":"admin","action":"audit.torn"}`}, ""},
		{"a line was torn and nobody says so", (*trail).killed, []string{`{"kind":`}, "speaks of 0"},
		{"a key is in it", func(*trail) {}, []string{`{"kind":"denied","reason":"gthk_7Qm2Vx9KtB4cabc"}`}, "has a key in it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(trailOf(t, test.before, test.lines...), "; ")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMeasureFindsWhatIsLeft(t *testing.T) {
	base := measure{goroutines: 40, files: 30, children: 2, resident: 40 << 20}
	for name, edit := range map[string]func(*measure){
		"goroutines": func(m *measure) { m.goroutines += roomGoroutines + 1 },
		"files":      func(m *measure) { m.files += roomFiles + 1 },
		"children":   func(m *measure) { m.children += 2 },
		"zombies":    func(m *measure) { m.zombies++ },
		"litter":     func(m *measure) { m.temporary++ },
		"memory":     func(m *measure) { m.resident += roomResident + 1 },
	} {
		m := base
		edit(&m)
		if m.above(base) == nil {
			t.Errorf("%s: nothing was found in %s", name, m)
		}
	}
	if err := base.above(base); err != nil {
		t.Errorf("got %v of the base line itself", err)
	}
}

func TestSlopeFindsGrowthAtRest(t *testing.T) {
	for _, test := range []struct {
		perMinute int64
		want      int
	}{{0, 0}, {100 << 10, 0}, {8 << 20, 1}} {
		s := defaults()
		s.out = io.Discard
		w := &world{s: &s, report: newReport(&s)}
		for i := range 12 {
			w.slope(measure{life: 1, age: time.Duration(i) * time.Minute, resident: 50<<20 + int64(i)*test.perMinute})
		}
		if got := len(w.report.violations()); min(got, 1) != test.want {
			t.Errorf("growing by %d a minute: got %q", test.perMinute, w.report.violations())
		}
	}
}

func TestWitnessFindsCredentials(t *testing.T) {
	s := defaults()
	s.out = io.Discard
	for name, edit := range map[string]func(*http.Request){
		"in Authorization": func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
		"in a header":      func(r *http.Request) { r.Header.Set("X-Other", "gthk_abc") },
		"in the query":     func(r *http.Request) { r.URL.RawQuery = "k=gthk_abc" },
		"no identity":      func(*http.Request) {},
	} {
		w := &world{s: &s, report: newReport(&s), identities: &identities{}}
		r := httptest.NewRequest(http.MethodPost, "/mcp", http.NoBody)
		edit(r)
		(&witness{name: notes, w: w}).look(r, nil)
		want := 1
		if name != "no identity" { // which these have not either
			want = 2
		}
		if got := w.report.violations(); len(got) != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestStandardErrorIsWatched(t *testing.T) {
	s := defaults()
	s.out = io.Discard
	for text, want := range map[string]int{
		"level=INFO msg=request":   0,
		"WARNING: DATA RACE\n":     1,
		"panic: nil":               1,
		"key gthk_7Qm2Vx9KtB4c…":   0,
		"key gthk_7Qm2Vx9KtB4cabc": 1,
	} {
		r := newReport(&s)
		o := &watched{report: r}
		half := len(text) / 2
		_, _ = o.Write([]byte(text[:half]))
		_, _ = o.Write([]byte(text[half:] + "\n"))
		if got := r.violations(); len(got) != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestPlanIsTheSeeds(t *testing.T) {
	names := func(seed uint64) string {
		s := defaults()
		s.seed = seed
		p := newPlan(&world{s: &s, house: &house{since: time.Now().Add(-time.Hour)}})
		var all []string
		for range 200 {
			all = append(all, p.next().name)
		}
		for _, f := range faultNames() {
			if !strings.Contains(strings.Join(all, " "), f) {
				t.Errorf("%s never happens", f)
			}
		}
		return strings.Join(all, " ")
	}
	if first, again := names(1), names(1); first != again || first == names(2) {
		t.Error("one seed has two plans, or two have one")
	}
	if got := chosen([]string{"reload.*", "ban.add"}); len(got) != 7 {
		t.Errorf("got %d faults, want 7", len(got))
	}
}
