package policy_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

func TestGrantableLeavesOutWhatNoRuleCouldEverAllow(t *testing.T) {
	rules, err := policy.Build(policy.Spec{
		Server: "notes", Scopes: map[string][]string{"notes:all": {"notes:write"}},
		Issuers: map[string][]string{"gatehouse": {"https://own"}, "other": {"https://other"}},
		Rules: []policy.Rule{
			{Tools: []string{"get_*"}, Require: policy.Require{Scopes: []string{"notes:read"}}},
			{Tools: []string{"put_*"}, Require: policy.Require{Scopes: []string{"notes:write"}, Groups: []string{"editors"}}},
			{Tools: []string{"rm_*"}, Tenants: []string{"acme"}, Require: policy.Require{Scopes: []string{"notes:delete"}, MaxAuthAge: 60}},
			{Tools: []string{"x"}, Issuers: []string{"other"}, Require: policy.Require{Scopes: []string{"notes:x"}}},
			{Tools: []string{"y"}, When: "args.a == 1", Require: policy.Require{Scopes: []string{"notes:y"}}},
			{Tools: []string{"rm_*"}, Deny: true, Tenants: []string{"evil"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"notes:read", "notes:all", "notes:write", "notes:delete", "notes:x", "notes:y", "free"}
	tests := []struct {
		name   string
		tenant string
		groups []string
		want   []string
	}{
		{"a stranger to groups and tenants", "default", nil, []string{"notes:read", "notes:y", "free"}},
		{"an editor", "default", []string{"editors"}, []string{"notes:read", "notes:all", "notes:write", "notes:y", "free"}},
		{"somebody of the tenant, who may sign in again", "acme", nil, []string{"notes:read", "notes:delete", "notes:y", "free"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			who := &policy.Asker{Identity: &gatehouse.Identity{Issuer: "https://own", Subject: "u", Groups: test.groups}, Tenant: test.tenant, SignedIn: -1}
			if got := rules.Grantable(who, all); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	names := []string{"get_a", "put_b", "rm_c", "x"}
	if got := rules.Opens("notes:all", policy.Tool, names); !slices.Equal(got, []string{"put_b"}) {
		t.Errorf("notes:all opens %v", got)
	}
}
