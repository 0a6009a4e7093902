package policy_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

func tools(tb testing.TB, patterns ...string) policy.Tools {
	tb.Helper()
	set, err := policy.Compile(patterns)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestRulesDecide(t *testing.T) {
	ci := tools(t, "ci-*")
	rules := []policy.Rule{
		{Name: "read", Tools: tools(t, "get_*", "list_*")},
		{Name: "write", Tools: tools(t, "put"), Tenants: []string{"acme"}},
		{Name: "not from ci", Tools: tools(t, "put", "get_secret"), Keys: &ci, Deny: true},
		{Name: "never", Tools: tools(t, "get_danger"), Deny: true},
	}
	acme, bolt, nightly := policy.Asker{Tenant: "acme", Key: "ada"}, policy.Asker{Tenant: "bolt", Key: "bob"}, policy.Asker{Tenant: "acme", Key: "ci-nightly"}
	tests := []struct {
		name string
		who  policy.Asker
		tool string
		want bool
		rule string
	}{
		{"a pattern that allows", bolt, "get_x", true, "read"},
		{"a name for one tenant", acme, "put", true, "write"},
		{"a name for another tenant", bolt, "put", false, ""},
		{"deny over allow for a key", nightly, "put", false, "not from ci"},
		{"deny over a pattern that allows", nightly, "get_secret", false, "not from ci"},
		{"a key that the deny rule does not name", acme, "get_secret", true, "read"},
		{"deny over allow for everybody", acme, "get_danger", false, "never"},
		{"no rule at all", acme, "delete", false, ""},
		{"an empty name", acme, "", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rule := policy.NewRules(false, rules).Allows(tt.who, tt.tool)
			if got != tt.want || rule != tt.rule {
				t.Errorf("got %v by %q, want %v by %q", got, rule, tt.want, tt.rule)
			}
			if !tt.want && tt.rule == "" {
				if open, _ := policy.NewRules(true, rules).Allows(tt.who, tt.tool); !open {
					t.Error("the default allow did not hold where no rule matched")
				}
			}
			if tt.rule != "" && !tt.want {
				if open, _ := policy.NewRules(true, rules).Allows(tt.who, tt.tool); open {
					t.Error("the default allow won over a deny rule")
				}
			}
		})
	}
}

func TestNoRulesDenyUnlessTheDefaultAllows(t *testing.T) {
	if ok, _ := policy.NewRules(false, nil).Allows(policy.Asker{}, "x"); ok {
		t.Error("no rules allowed a call")
	}
	if ok, _ := (&policy.Rules{}).Allows(policy.Asker{}, "x"); ok {
		t.Error("the zero value allowed a call")
	}
	if ok, _ := policy.NewRules(false, []policy.Rule{{Name: "empty"}}).Allows(policy.Asker{}, "x"); ok {
		t.Error("a rule without tools allowed a call")
	}
}

func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var rules []policy.Rule
			for i := range n {
				rules = append(rules, policy.Rule{Name: "r", Tools: tools(b, fmt.Sprintf("tool_%d", i))})
			}
			r := policy.NewRules(false, rules)
			who := policy.Asker{Tenant: "acme", Key: "ada"}
			b.ReportAllocs()
			for b.Loop() {
				r.Allows(who, "tool_0")
			}
		})
	}
}
