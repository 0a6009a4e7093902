package why_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// trailOf writes events, a second apart where they say no time, and searches them.
func trailOf(t testing.TB, events ...audit.Event) why.Search {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	at := noon
	for i := range events {
		e := &events[i]
		if e.Time.IsZero() {
			at = at.Add(time.Second)
			e.Time = at
		}
		if e.Kind == "" {
			e.Kind = config.AuditSignIn
		}
		if err := l.Write(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, q audit.Query, found func(audit.Match) error) (audit.Report, error) {
		return audit.Search(ctx, path, q, found)
	}
}

// step is one of the login FLOW.
func step(action string, change ...func(*audit.Event)) audit.Event {
	e := audit.Event{Action: action, Request: "FLOW", ClientID: "app", Client: "App", Outcome: audit.OK}
	for _, c := range change {
		c(&e)
	}
	return e
}

func refused(code, reason string) func(*audit.Event) {
	return func(e *audit.Event) { e.Outcome, e.Code, e.Reason = audit.Refused, code, reason }
}

func detail(pairs ...string) func(*audit.Event) {
	return func(e *audit.Event) {
		e.Detail = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			e.Detail[pairs[i]] = pairs[i+1]
		}
	}
}

func token(id string) func(*audit.Event) { return func(e *audit.Event) { e.TokenID = id } }

// call is one with a token.
func call(kind, id string, change ...func(*audit.Event)) audit.Event {
	e := audit.Event{Kind: kind, Request: "CALL", TokenID: id, Method: "tools/list", Server: "notes", Outcome: audit.OK}
	for _, c := range change {
		c(&e)
	}
	return e
}

// stop is how far a login came, and what is to be said of it.
type stop struct {
	name           string
	events         []audit.Event
	more           []audit.Event
	now            time.Time
	state, stopped string
	cause          string // a part of one, or of what to do
}

// stops are the places where logins stop.
func stops() []stop {
	begun := []audit.Event{step("authorize", detail("redirect", "127.0.0.1:1"))}
	allowed := append(slices.Clone(begun), step("consent"))
	away := append(slices.Clone(allowed), step("login", detail("provider", "google")))
	back := append(slices.Clone(away), step("callback", detail("provider", "google")))
	in := append(slices.Clone(back), step("login", detail("session", "ses_1")))
	coded := append(slices.Clone(in), step("code"))
	given := append(slices.Clone(coded), step("token", token("jti")))
	early, late := noon.Add(20*time.Second), noon.Add(time.Hour)
	return []stop{
		{"nobody answered the page", begun, nil, late, why.Unfinished, why.StepConsent, "closed the page"},
		{"a page that is read", begun, nil, early, why.UnderWay, why.StepConsent, ""},
		{"a person who said no", begun, []audit.Event{step("consent", refused("", "access_denied"))}, late, why.Refused, why.StepConsent, "as the person wanted"},
		{"nobody signed in", allowed, nil, late, why.Unfinished, why.StepSignIn, "cookies"},
		{"a wrong password, and no other", allowed, []audit.Event{step("login", refused("GH-1430", "x"))}, late, why.Refused, why.StepSignIn, "type it again"},
		{"nobody came back", away, nil, late, why.Unfinished, why.StepCallback, "login-test"},
		{"a provider that said no", away, []audit.Event{step("callback", refused("GH-1444", "x"))}, late, why.Refused, why.StepCallback, "allow-list"},
		{"a session that did not open", back, nil, late, why.Unfinished, why.StepSignIn, ""},
		{"no code", in, nil, late, why.Unfinished, why.StepCode, "connect again"},
		{"an account that may nothing", in, []audit.Event{step("code", refused("GH-1425", "x"))}, late, why.Refused, why.StepCode, "policy explain"},
		{"a code that waits", coded, nil, early, why.UnderWay, why.StepToken, ""},
		{"a code that nobody redeemed", coded, nil, late, why.Unfinished, why.StepToken, "the answer did not reach the client at 127.0.0.1:1"},
		{"a token that nobody used", given, nil, late, why.Unfinished, why.StepCall, "letter by letter"},
		{"a token that is new", given, nil, early, why.UnderWay, why.StepCall, ""},
		{"a token that was used", given, []audit.Event{call(config.AuditCall, "jti")}, late, why.Connected, "", ""},
		{"somebody else's calls", given, []audit.Event{call(config.AuditCall, "other")}, late, why.Unfinished, why.StepCall, ""},
		{"a call that was denied", given, []audit.Event{call(config.AuditDenied, "jti", refused("GH-1202", "x"))}, late, why.Refused, why.StepCall, "gatehouse why CALL"},
		{"a token that was refused", given, []audit.Event{call(config.AuditAuthFailed, "jti", refused("GH-1130", "x"))}, late, why.Refused, why.StepCall, "revoked"},
		{"a call that was denied, and one that was not", given, []audit.Event{call(config.AuditDenied, "jti", refused("GH-1202", "x")), call(config.AuditToolCall, "jti")}, late, why.Connected, "", ""},
		{"a client whose refresh token was refused", given, []audit.Event{call(config.AuditCall, "jti"), step("refresh", refused("GH-1411", "x"))}, late, why.Refused, why.StepRefresh, "sign in again"},
		{"a client that was refused once, and went on", given, []audit.Event{call(config.AuditCall, "jti"), step("refresh", refused("GH-1411", "x")), step("refresh")}, late, why.Connected, "", ""},
		{"an account that was set up, and nobody in it", allowed, []audit.Event{step("enrol")}, late, why.Unfinished, why.StepSignIn, ""},
		{"a device that waits", []audit.Event{step("device")}, nil, early, why.UnderWay, why.StepConsent, ""},
		{"a server that broke", given, []audit.Event{call(config.AuditCall, "jti", func(e *audit.Event) { e.Outcome, e.Code = audit.Failed, "GH-1601" })}, late, why.Refused, why.StepCall, "start it"},
	}
}

func TestWhereALoginStopped(t *testing.T) {
	for _, tt := range stops() {
		t.Run(tt.name, func(t *testing.T) {
			s := trailOf(t, append(slices.Clone(tt.events), tt.more...)...)
			l, err := s.Login(t.Context(), "FLOW", why.View{Now: tt.now})
			if err != nil {
				t.Fatal(err)
			}
			if l.State != tt.state || l.Stopped != tt.stopped || !strings.Contains(strings.Join(append(l.Causes, l.Fix...), "\n"), tt.cause) {
				t.Errorf("got %s at %q, because of %q, do %q; want %s at %q and %q", l.State, l.Stopped, l.Causes, l.Fix, tt.state, tt.stopped, tt.cause)
			}
			if l.Failed() != (len(l.Fix) > 0) {
				t.Errorf("got %s and %q to do", l.State, l.Fix)
			}
			last := l.Steps[len(l.Steps)-1]
			if missing := l.State == why.Unfinished; missing != (last.Outcome == why.Missing) || missing && (last.Step != l.Stopped || last.Text == "" || !last.Time.IsZero()) {
				t.Errorf("got %+v as the last step of %s", last, l.State)
			}
			list, cut, err := s.Logins(t.Context(), why.Filter{Client: "App"}, why.View{Now: tt.now})
			if err != nil || cut || len(list) == 0 {
				t.Fatalf("got %v, %t, %v", list, cut, err)
			}
			if list[0].State != tt.state || list[0].Stopped != tt.stopped {
				t.Errorf("a list has %s at %q, want the same", list[0].State, list[0].Stopped)
			}
		})
	}
}

func TestCallsThatAreNotWrittenDownAreNotMissing(t *testing.T) {
	s := trailOf(t, step("code"), step("token", token("jti")))
	l, err := s.Login(t.Context(), "FLOW", why.View{Now: noon.Add(time.Hour), Blind: true})
	if err != nil || l.State != why.UnderWay || len(l.Causes) != 1 || !strings.Contains(l.Causes[0], "audit.include") {
		t.Errorf("got %+v, %v: want no claim that there was no call", l, err)
	}
}

func TestAnIDIsFoundByItsBeginning(t *testing.T) {
	s := trailOf(t, step("a", func(e *audit.Event) { e.Request = "ABCD1" }), step("b", func(e *audit.Event) { e.Request = "ABCD2" }), step("c", func(e *audit.Event) { e.Request = "ABCD" }),
		step("d", func(e *audit.Event) { e.Request = "ABCD2" }), step("e", func(e *audit.Event) { e.Request = "" }))
	for begun, want := range map[string]string{"ABCD1": "ABCD1", "ABCD": "ABCD", "ABCD2": "ABCD2"} {
		id, events, err := s.Request(t.Context(), begun)
		if err != nil || id != want || len(events) != map[string]int{"ABCD2": 2}[want]+map[bool]int{true: 1}[want != "ABCD2"] {
			t.Errorf("%s: got %s, %d events, %v", begun, id, len(events), err)
		}
	}
	_, _, err := s.Request(t.Context(), "ABC")
	if many, ok := errors.AsType[*why.Ambiguous](err); !ok || !slices.Equal(many.IDs, []string{"ABCD2", "ABCD", "ABCD1"}) {
		t.Errorf("got %v, want all three", err)
	}
	for _, none := range []string{"X", "BCD", "abcd"} {
		if _, _, err := s.Request(t.Context(), none); !errors.Is(err, why.ErrNotFound) {
			t.Errorf("%s: got %v, want nothing", none, err)
		}
	}
	if _, err := s.Login(t.Context(), "NONE", why.View{Now: noon}); !errors.Is(err, why.ErrNotFound) {
		t.Errorf("got %v, want nothing", err)
	}
}
