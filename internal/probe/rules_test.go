package probe

import (
	"slices"
	"testing"
	"time"
)

// proof is a fault of a house, and what a rule makes of it.
type proof struct {
	rule  *Rule
	fault string
	want  Outcome
}

// proofs has a broken house for each rule.
func proofs() []proof {
	return []proof{
		{encrypted, "plain served", Fail},
		{versions, "TLS 1.0", Fail}, {versions, "TLS 1.1", Fail}, {versions, "TLS 1.2", Warn},
		{certificate, "certificate over", Fail},
		{hsts, "no hsts", Warn},
		{slash, "slash to SSO", Fail},
		{demanded, "open", Fail}, {demanded, "list open", Fail}, {demanded, "GET open", Fail},
		{toolsOpen, "list open", Fail}, {toolsOpen, "open", Fail},
		{routes, "sse open", Fail},
		{paths, "exact guard", Fail},
		{websocket, "websocket open", Fail},
		{debug, "debug shown", Fail},
		{upstream, "upstream open", Fail},
		{challengeRule, "403", Fail}, {challengeRule, "no challenge", Fail}, {challengeRule, "error without credential", Warn},
		{describedRule, "root disagrees", Fail}, {describedRule, "no path metadata", Fail}, {describedRule, "keys only", Fail},
		{named, "other resource", Fail},
		{contents, "no issuer named", Fail}, {contents, "query advertised", Fail},
		{issuerRule, "issuer with a slash", Fail},
		{pkce, "no PKCE advertised", Fail},
		{registration, "no registration", Warn},
		{iss, "no iss advertised", Warn},
		{endpoints, "no token endpoint", Fail},
		{tokenEndpoint, "token errors in 200", Fail},
		{bound, "proofs by nobody", Fail}, {bound, "no bound tokens", Fail}, {bound, "no key in common", Warn},
		{consent, "code for anybody", Fail},
		{pkceEnforced, "PKCE optional", Fail},
		{redirects, "any redirect", Fail},
		{targets, "resource ignored", Warn},
		{issSent, "errors without iss", Fail},
		{schemes, "any scheme", Fail},
		{cors, "cors with cookies", Fail}, {cors, "cors forgets", Warn},
		{mismatch, "headers not compared", Fail},
		{origin, "any origin", Fail},
		{host, "any host", Warn},
		{sessions, "session of anybody", Fail}, {sessions, "session is enough", Fail},
		{strength, "weak key", Fail},
		{garbage, "any credential", Fail}, {garbage, "open", Fail}, {garbage, "403", Fail},
		{uniform, "tells revoked", Warn}, {uniform, "revoked taken", Fail},
		{algorithms, "alg none", Fail}, {algorithms, "HS256", Fail}, {algorithms, "zeros", Fail}, {algorithms, "own key", Fail},
		{audience, "any audience", Fail},
		{tokenKinds, "any typ", Fail},
		{refreshToken, "any credential", Fail},
		{expired, "expired taken", Fail},
		{revoked, "revoked taken", Fail},
		{query, "query taken", Fail},
		{leaks, "stack trace", Fail}, {leaks, "echoes", Fail},
		{rotation, "revoked keys live", Fail},
		{rate, "no limit", Warn},
		{failures, "no ban", Warn},
	}
}

// given are the options with which every rule sees what it needs.
func given(t *testing.T, h *house) Options {
	t.Helper()
	hour := time.Hour
	o := h.options()
	o.Credential, o.Other = goodKey, otherKey
	o.Bad = map[Bad]string{
		BadExpired: h.sign(t, "at+jwt", houseURL, time.Now().Add(-hour)), BadResource: h.sign(t, "at+jwt", "https://other.example.com/mcp", time.Now().Add(hour)),
		BadIDToken: h.sign(t, "JWT", houseURL, time.Now().Add(hour)), BadRefresh: "refresh-0123456789", BadRevoked: "house_revoked_0123456789",
	}
	o.Upstreams = []string{"http://behind.example.com:3000/mcp"}
	h.toldTo(t, &o)
	o.Burst, o.Register, o.Keys = true, true, &keyMaker{h, map[string]string{}}
	return o
}

// TestEveryRuleSeesItsFault has every rule pass a server that does everything
// right, and fail one that has the fault that it is about.
func TestEveryRuleSeesItsFault(t *testing.T) {
	t.Parallel()
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			o := given(t, h)
			o.Only = []string{rule.Code}
			want := Pass
			if rule == strength || rule == publicReach {
				want = Unknown // that a key was drawn at random, and whom others let in, cannot be seen
			}
			wantOutcome(t, o, want)
			proven := false
			for _, p := range slices.Concat(proofs(), publicProofs()) {
				if p.rule != rule {
					continue
				}
				proven = true
				t.Run(p.fault, func(t *testing.T) {
					h := newHouse(t, p.fault)
					o := given(t, h)
					o.Only = []string{rule.Code}
					switch p.fault {
					case "certificate over":
						o.Now = func() time.Time { return h.server.Certificate().NotAfter.Add(time.Hour) }
					case "weak key":
						o.Credential = "hunter2"
					}
					wantOutcome(t, o, p.want)
				})
			}
			if !proven {
				t.Error("no broken server fails it")
			}
		})
	}
}

func wantOutcome(t *testing.T, o Options, want Outcome) {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Results[0]; got.Outcome != want {
		t.Errorf("got %s: %s, want %s", got.Outcome, got.Text, want)
		for _, x := range got.Evidence {
			t.Logf("%s\n%s", x.Request(), x.Response())
		}
	}
}

// TestNothingIsWrongWithAGoodHouse asks everything at once.
func TestNothingIsWrongWithAGoodHouse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := given(t, h)
	o.Budget = 1000
	o.Skip = []string{strength.Code, publicReach.Code}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		if res.Outcome != Pass {
			t.Errorf("%s %s: got %s: %s, want pass", res.Rule.Code, res.Rule.Name, res.Outcome, res.Text)
		}
	}
	for _, c := range r.Clients {
		if c.Outcome != Pass {
			t.Errorf("%s: got %s: %s, want pass", c.Client, c.Outcome, c.Text)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) != 0 {
		t.Errorf("%d clients are left behind", len(h.clients))
	}
	if len(h.keys) != 0 {
		t.Errorf("%d keys are left behind", len(h.keys))
	}
}
