package why_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

func from(address string) func(*audit.Event) {
	return func(e *audit.Event) { e.Address = netip.MustParseAddr(address) }
}

func at(ago time.Duration) func(*audit.Event) {
	return func(e *audit.Event) { e.Time = noon.Add(-ago) }
}

func names(l *why.Login) (out []string) {
	for _, s := range l.Steps {
		out = append(out, s.Step+" "+s.Outcome)
	}
	return out
}

// TestALoginIsToldFromTheFirstFetchOn has a hosted client, whose program and whose
// person come from different places, and strangers in between.
func TestALoginIsToldFromTheFirstFetchOn(t *testing.T) {
	own := func(e *audit.Event) { e.Request = "X" }
	s := trailOf(t,
		step("register", at(40*24*time.Hour), own, from("198.51.100.1")),
		audit.Event{Action: "discovery", Outcome: audit.OK, Detail: map[string]string{"document": "/old"}, Address: netip.MustParseAddr("198.51.100.1"), Time: noon.Add(-time.Hour)},
		audit.Event{Kind: config.AuditAuthFailed, Code: "GH-1001", Request: "Y", Address: netip.MustParseAddr("198.51.100.1"), Server: "notes", Time: noon.Add(-3 * time.Minute)},
		audit.Event{Action: "discovery", Outcome: audit.OK, Detail: map[string]string{"document": "/mine"}, Client: "App/1", Address: netip.MustParseAddr("198.51.100.1"), Time: noon.Add(-2 * time.Minute)},
		audit.Event{Action: "discovery", Outcome: audit.OK, Detail: map[string]string{"document": "/a-stranger's"}, Address: netip.MustParseAddr("198.51.100.2"), Time: noon.Add(-time.Minute)},
		step("authorize", from("203.0.113.9")), step("consent", from("203.0.113.9")), step("login", detail("session", "s"), from("203.0.113.9")), step("code", from("203.0.113.9")),
		step("code", func(e *audit.Event) { e.Request = "OTHER" }),
		step("token", token("jti-1"), from("198.51.100.1"), detail("grant", "g1", "resource", "https://mcp.test/mcp")),
		call(config.AuditCall, "jti-1"), call(config.AuditCall, "jti-1"),
		step("refresh", token("jti-2")), step("refresh", token("jti-3")), step("refresh", token("jti-4")),
	)
	l, err := s.Login(t.Context(), "FLOW", why.View{Now: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"registration ok", "challenge refused", "discovery ok", "authorization ok", "consent ok", "sign-in ok", "code ok", "token ok", "call ok", "refresh ok",
	}
	if got := names(l); !slices.Equal(got, want) || l.Steps[2].Text != "fetched /mine (App/1)" || l.Steps[9].Count != 3 || l.Grant != "g1" || l.Resource != "https://mcp.test/mcp" {
		t.Errorf("got %q and %+v, want %q", got, l.Steps, want)
	}
}

func TestWhatIsNotKnownToBelongIsToldWhereItFits(t *testing.T) {
	loose := func(e *audit.Event) { e.Request = "LOOSE" }
	given := []audit.Event{step("authorize", from("203.0.113.9")), step("code"), step("token", token("jti"), from("203.0.113.9"))}
	bare := audit.Event{Kind: config.AuditAuthFailed, Code: "GH-1001", Request: "BARE", Address: netip.MustParseAddr("203.0.113.9")}
	for name, tt := range map[string]struct {
		events  []audit.Event
		stopped string
		request string // of the step; empty: there is none of another request
		state   string
	}{
		"a token request whose client was not believed": {[]audit.Event{step("code"), step("token", loose, refused("GH-1409", "x"))}, why.StepToken, "LOOSE", why.Refused},
		"one of another client":                         {[]audit.Event{step("code"), step("token", loose, refused("GH-1409", "x"), func(e *audit.Event) { e.ClientID = "other" })}, why.StepToken, "", why.Unfinished},
		"one of another login":                          {[]audit.Event{step("code"), step("token", loose, detail(audit.DetailFlow, "OTHER"), refused("GH-1410", "x"))}, why.StepToken, "", why.Unfinished},
		"one of this login":                             {[]audit.Event{step("code"), step("token", loose, detail(audit.DetailFlow, "FLOW"), refused("GH-1410", "x"))}, why.StepToken, "LOOSE", why.Refused},
		"a call without the token":                      {append(slices.Clone(given), bare), why.StepUnsigned, "BARE", why.Refused},
		"one with a key": {append(slices.Clone(given), func() audit.Event {
			e := bare
			e.Code, e.KeyID = "GH-1011", "key"
			return e
		}()), why.StepCall, "", why.Unfinished},
		"one after the client had given it up": {append(slices.Clone(given), step("revoke", at(-30*time.Second)), func() audit.Event {
			e := bare
			e.Time = noon.Add(time.Minute)
			return e
		}()), why.StepCall, "", why.Unfinished},
		"one from elsewhere": {append(slices.Clone(given), func() audit.Event {
			e := bare
			e.Address = netip.MustParseAddr("203.0.113.10")
			return e
		}()), why.StepCall, "", why.Unfinished},
		"one before it was used": {append(slices.Clone(given), bare, call(config.AuditCall, "jti")), "", "CALL", why.Connected},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := trailOf(t, tt.events...).Login(t.Context(), "FLOW", why.View{Now: noon.Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			request := ""
			for _, s := range l.Steps {
				if s.Request != "" {
					request = s.Request
				}
			}
			if l.State != tt.state || l.Stopped != tt.stopped || request != tt.request {
				t.Errorf("got %s at %q with %q of another request: %q", l.State, l.Stopped, request, names(l))
			}
		})
	}
}

func TestLoginsAreFoundByClientAndUser(t *testing.T) {
	of := func(flow, client, name, user string) audit.Event {
		return step("code", func(e *audit.Event) { e.Request, e.ClientID, e.Client, e.Subject = flow, client, name, user })
	}
	const document = "https://claude.ai/oauth/claude-code-client-metadata"
	s := trailOf(t, of("F1", document, "Claude Code", "usr_a"), of("F2", "dcr_AQAAxyz", "Claude Code", "usr_b"), of("F3", "static", "", "usr_a"),
		audit.Event{Action: "discovery", Outcome: audit.OK}, step("register", func(e *audit.Event) { e.Request = "R" }), step("introspect", func(e *audit.Event) { e.Request = "I" }))
	for want, f := range map[string]why.Filter{
		"F3 F2 F1":    {},
		"F2 F1":       {Client: "claude code"},
		"F1":          {Client: document},
		"F1 ":         {Client: "claude.ai"},
		"F2":          {Client: "dcr_AQ"},
		"":            {Client: "dcr"},
		"F3 F1":       {Subjects: []string{"usr_a", "x"}},
		"F1  ":        {Subjects: []string{"usr_a"}, Client: "Claude Code"},
		" ":           {Client: "https://other.example"},
		"F3":          {Limit: 1},
		"F3 F2":       {Since: noon.Add(2 * time.Second)},
		"  ":          {Client: "x" + document},
		"F3 F2 F1   ": {Limit: 3},
	} {
		list, cut, err := s.Logins(t.Context(), f, why.View{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, l := range list {
			ids = append(ids, l.Request)
		}
		if strings.Join(ids, " ") != strings.TrimSpace(want) || cut != (f.Limit == 1) {
			t.Errorf("%+v: got %q, cut %t, want %q", f, ids, cut, want)
		}
	}
}

// FuzzWhy reads lines that anybody may have written into a trail.
func FuzzWhy(f *testing.F) {
	f.Add(`{"time":"2026-11-27T12:00:00.000000Z","kind":"sign_in","action":"code","request":"FLOW","outcome":"ok"}`, `{"kind":"denied","token":"jti"}`)
	f.Add(`{"kind":"sign_in","action":"token","request":"FLOW","token":"jti","rights":{"scopes":["a"]}}`, `{"kind":"auth_failed","code":"GH-1001","address":"::1"}`)
	f.Add(`{"kind":"sign_in","action":"login","request":"FLOW","detail":{"next":"/account"}}`, `{"kind":"sign_in","detail":{"flow":"FLOW"},"outcome":"refused"}`)
	f.Fuzz(func(t *testing.T, one, two string) {
		var events []audit.Event
		for _, line := range []string{one, two} {
			if e, err := audit.Parse([]byte(line)); err == nil && slices.Contains(config.AuditKinds(), e.Kind) {
				events = append(events, *e)
			}
		}
		if len(events) == 0 {
			return
		}
		s := trailOf(t, events...)
		v := why.View{Now: noon}
		if l, err := s.Login(t.Context(), "FLOW", v); err == nil && (l.State == "" || l.Failed() && l.Stopped == "" || len(l.Steps) == 0) {
			t.Errorf("got %+v", l)
		}
		if _, _, err := s.Logins(t.Context(), why.Filter{}, v); err != nil {
			t.Error(err)
		}
		if _, list, err := s.Request(t.Context(), "FLOW"); err == nil {
			why.Decisions(list)
		}
	})
}
