package policy_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// others are rules about tools that nobody calls, in the forms that people write.
func others(n int) []policy.Rule {
	all := make([]policy.Rule, 0, n+3)
	for i := range n {
		r := policy.Rule{Name: "other", Source: "p.yaml:1", Require: policy.Require{Scopes: []string{"read"}}}
		switch i % 5 {
		case 0:
			r.Tools = []string{fmt.Sprintf("tool_%d", i)}
		case 1:
			r.Tools = []string{fmt.Sprintf("area%d_*", i)}
		case 2:
			r.Tools = []string{fmt.Sprintf("*_thing%d", i)}
		case 3:
			r.Tools = []string{fmt.Sprintf("get_*_%d", i)}
		case 4:
			r.Tools = []string{fmt.Sprintf("*mid%d*", i)}
		}
		all = append(all, r)
	}
	return all
}

func BenchmarkDecide(b *testing.B) {
	who := token("crm:read", "crm:write")
	for _, n := range []int{0, 99, 1_000, 10_000, 1_000_000} {
		rules := append(others(n), policy.Rule{Name: "read", Source: "g.yaml:20", Tools: []string{"get_*", "list_*"}, Require: policy.Require{Scopes: []string{"crm:read"}}})
		r := build(b, policy.Spec{Rules: rules})
		op := call("get_customer", "")
		b.Run(fmt.Sprintf("rules=%d/allowed", n+1), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := r.Decide(who, op); !d.Allowed {
					b.Fatal(d.Reason)
				}
			}
		})
		op = call("drop_customer", "")
		b.Run(fmt.Sprintf("rules=%d/denied", n+1), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r.Decide(who, op).Allowed {
					b.Fatal("allowed")
				}
			}
		})
	}
}

func BenchmarkDecideCondition(b *testing.B) {
	for _, when := range []string{"args.amount < 100", "args.amount < 100 && args.path.under(tenant.root)", "args.items.exists(i, i == 'x')", "claims.department == 'sales'", "'admin' in caller.roles"} {
		rules := append(others(99), policy.Rule{Name: "pay", Source: "g.yaml:20", Tools: []string{"pay"}, When: when})
		r := build(b, policy.Spec{Rules: rules, Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}}})
		who := token()
		who.Identity.Claims = []byte(`{"iss":"https://idp.test","sub":"ada","department":"sales","exp":1790000000,"scope":"a b c"}`)
		who.Identity.Roles = []string{"user", "admin"}
		op := call("pay", `{"amount":42,"path":"/srv/acme/notes/1.txt","items":["a","b","x"],"note":"a few words that nobody asks about"}`)
		b.Run(when, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := r.Decide(who, op); !d.Allowed {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}
