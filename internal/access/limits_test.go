package access_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func perMinute(n int) unit.Rate { return unit.Rate{Count: n, Per: time.Minute} }

// limited returns a guard with limits, and a caller who may call every tool.
func limited(t *testing.T, l access.Limits) (*access.Guard, *access.Caller, *keys) {
	t.Helper()
	g, c, k := admitted(t, "*")
	c.ID, c.Tenant, c.TenantName = "key:a", "t1", "acme"
	l.Counters = access.NewCounters()
	g.Limits = &l
	return g, c, k
}

// passes counts how many of n calls of a tool pass.
func passes(g *access.Guard, c *access.Caller, n int, tool string) (passed int) {
	for range n {
		if g.Check(c, single(mcp.Modern, request("tools/call", tool)), nil) == nil {
			passed++
		}
	}
	return passed
}

func TestA162RatesOfEachKind(t *testing.T) {
	set := func(pattern string) policy.Tools {
		s, err := policy.Compile([]string{pattern})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, l := range map[string]access.Limits{
		"of a key":       {PerKey: perMinute(5)},
		"of a tenant":    {PerTenant: perMinute(5)},
		"of this tenant": {PerTenant: perMinute(50), ByTenant: []access.TenantRate{{Tenants: set("b*"), Rate: perMinute(1)}, {Tenants: set("ac*"), Rate: perMinute(5)}, {Tenants: set("*"), Rate: perMinute(2)}}},
		"of a principal": {PerPrincipal: perMinute(5)},
		"of a tool":      {PerTool: []access.ToolRate{{Name: "write_*", Tools: set("write_*"), Rate: perMinute(5)}}},
		"the tightest":   {PerKey: perMinute(50), PerTenant: perMinute(5)},
	} {
		t.Run(name, func(t *testing.T) {
			g, c, _ := limited(t, l)
			if got := passes(g, c, 20, "write_x"); got != 5 {
				t.Errorf("got %d calls through, want 5", got)
			}
			err := g.Check(c, single(mcp.Modern, request("tools/call", "write_y")), nil) // another tool of the pattern
			var l *access.Limited
			if !errors.As(err, &l) || l.Decision.RetryAfter <= 0 || l.Refusal.Code != "GH-1501" || l.Refusal.Status != 429 {
				t.Errorf("got %v, want GH-1501 with the time to wait", err)
			}
		})
	}
}

func TestLimitsTellCallersApart(t *testing.T) {
	g, c, _ := limited(t, access.Limits{PerKey: perMinute(5), PerTenant: perMinute(8)})
	other := &access.Caller{Identity: &gatehouse.Identity{Tenant: "t1"}, ID: "key:b", Tools: c.Tools}
	foreign := &access.Caller{Identity: &gatehouse.Identity{Tenant: "t2"}, ID: "key:c", Tools: c.Tools}
	if got := passes(g, c, 20, "x"); got != 5 {
		t.Errorf("one key: got %d, want 5", got)
	}
	if got := passes(g, other, 20, "x"); got != 3 {
		t.Errorf("another key of the tenant: got %d, want the 3 that the tenant has left", got)
	}
	if got := passes(g, foreign, 20, "x"); got != 5 {
		t.Errorf("another tenant: got %d, want 5", got)
	}
}

func TestAKeysOwnRateGoesBeforeTheCommonOne(t *testing.T) {
	g, c, _ := limited(t, access.Limits{PerKey: perMinute(5)})
	c.Limit = perMinute(9)
	if got := passes(g, c, 20, "x"); got != 9 {
		t.Errorf("got %d, want 9", got)
	}
}

func TestEachMessageOfABatchCounts(t *testing.T) {
	g, c, _ := limited(t, access.Limits{PerKey: perMinute(5)})
	batch := &mcp.Call{Batch: true, Messages: []mcp.Message{request("tools/call", "a"), request("tools/call", "b"), request("ping", "")}}
	if err := g.Check(c, batch, nil); err != nil {
		t.Errorf("the first batch: got %v", err)
	}
	if err := g.Check(c, batch, nil); err == nil {
		t.Error("six messages passed where five may")
	}
	if got := passes(g, c, 5, "a"); got != 2 {
		t.Errorf("after a refused batch: got %d through, want the 2 that were left", got)
	}
}

func TestHoldsEndWithTheirRelease(t *testing.T) {
	for name, l := range map[string]access.Limits{
		"calls of a key":      {CallsPerKey: 2},
		"calls of a tenant":   {CallsPerTenant: 2},
		"streams of a key":    {StreamsPerKey: 2},
		"streams of a tenant": {StreamsPerTenant: 2},
	} {
		t.Run(name, func(t *testing.T) {
			stream := l.StreamsPerKey+l.StreamsPerTenant > 0
			g, c, _ := limited(t, l)
			first, err := g.Hold(c, stream)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = g.Hold(c, stream); err != nil {
				t.Fatal(err)
			}
			if release, err := g.Hold(c, stream); err == nil || release == nil {
				t.Fatal("a third was held")
			}
			if _, err := g.Hold(c, !stream); err != nil {
				t.Errorf("the other kind: %v", err)
			}
			first()
			if _, err := g.Hold(c, stream); err != nil {
				t.Errorf("after a release: %v", err)
			}
		})
	}
}

// banning refuses every key until an address is banned, and counts how often it was asked.
func banning(t *testing.T, p *gatehouse.Credential) (asked int, last error) {
	t.Helper()
	g, _, k := limited(t, access.Limits{})
	g.Limits.Counters.Bans.Set(perMinute(3), time.Minute)
	k.key, k.err = nil, gatehouse.Refuse("GH-1011", "Key not accepted.", nil)
	for range 10 {
		_, last = g.Admit(t.Context(), p)
		var l *access.Limited
		if errors.As(last, &l) {
			return asked, last
		}
		asked++
	}
	return asked, last
}

func TestRefusedCredentialsBanTheirAddress(t *testing.T) {
	asked, err := banning(t, &gatehouse.Credential{From: netip.MustParseAddr("192.0.2.7")})
	var l *access.Limited
	if !errors.As(err, &l) || l.Refusal.Code != "GH-1502" || l.Decision.RetryAfter <= 0 || asked != 4 {
		t.Errorf("got %v after %d attempts, want GH-1502 after 4", err, asked)
	}
}

func TestNobodyIsBannedForAnother(t *testing.T) {
	for name, p := range map[string]*gatehouse.Credential{
		"a proxy that does not say whom it speaks for": {From: netip.MustParseAddr("10.0.0.1"), Shared: true},
		"an address that is not known":                 {},
	} {
		if asked, err := banning(t, p); asked != 10 {
			t.Errorf("%s: got %v after %d attempts, want no ban", name, err, asked)
		}
	}
	g, _, k := limited(t, access.Limits{})
	g.Limits.Counters.Bans.Set(perMinute(1), time.Minute)
	k.key, k.err = nil, &gatehouse.Error{Code: "GH-1902", Status: 503}
	for range 10 {
		var l *access.Limited
		if _, err := g.Admit(t.Context(), &gatehouse.Credential{From: netip.MustParseAddr("192.0.2.8")}); errors.As(err, &l) {
			t.Fatal("somebody was banned because our store was away")
		}
	}
}

func TestAnAddressHasARateBeforeItsKeyIsLookedAt(t *testing.T) {
	g, _, _ := limited(t, access.Limits{PerAddress: perMinute(2)})
	from := &gatehouse.Credential{From: netip.MustParseAddr("2001:db8::1")}
	for range 2 {
		if _, err := g.Admit(t.Context(), from); err != nil {
			t.Fatal(err)
		}
	}
	from.From = netip.MustParseAddr("2001:db8::2") // the same /64
	var l *access.Limited
	if _, err := g.Admit(t.Context(), from); !errors.As(err, &l) || l.Refusal.Code != "GH-1501" {
		t.Errorf("got %v, want GH-1501", err)
	}
}

func TestWelcomeAndRules(t *testing.T) {
	g, c, _ := admitted(t, "*")
	c.TenantName, c.Name = "acme", "ci"
	g.Tenants = map[string]struct{}{"bolt": {}}
	if e := g.Welcome(c); e == nil || e.Code != "GH-1204" || e.Status != 403 {
		t.Errorf("got %v for a tenant that is not admitted, want GH-1204", e)
	}
	if _, err := g.Admit(t.Context(), &gatehouse.Credential{}); err == nil {
		t.Error("such a tenant was let in")
	}
	g.Tenants = nil
	g.Rules = built(t, policy.Spec{})
	if g.Shows(c, mcp.Tool, "x") || g.Check(c, single(mcp.Modern, request("tools/call", "x")), nil) == nil {
		t.Error("no rules let a call through")
	}
	g.Rules = built(t, policy.Spec{AllowByDefault: true})
	if !g.Shows(c, mcp.Tool, "x") {
		t.Error("the default allow denied a call")
	}
	g.Keys = nil
	if e := g.Welcome(c); e == nil || e.Status != 401 {
		t.Errorf("got %v while keys are not accepted, want 401", e)
	}
	if _, err := g.Admit(t.Context(), &gatehouse.Credential{}); err == nil {
		t.Error("a key was accepted where none are")
	}
}

func built(t *testing.T, s policy.Spec) *policy.Rules {
	t.Helper()
	r, err := policy.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
