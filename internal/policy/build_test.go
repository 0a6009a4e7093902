package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	_, err := policy.Build(policy.Spec{
		Claims: map[string]string{"department": "text"},
		Rules: []policy.Rule{
			{Name: "a", Source: "p.yaml:3", Tools: []string{"x", "a b"}},
			{Name: "b", Source: "p.yaml:4", Tools: []string{"x"}, Issuers: []string{"corp"}},
			{Name: "c", Source: "p.yaml:5", Resources: []string{"FILE:///x"}},
		},
	})
	var all policy.Faults
	if !errors.As(err, &all) || len(all) != 4 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{
		`claims.department "text" is none of the types any, bool, double, int, list, map, string`,
		`p.yaml:3: tools[1] "a b" is no pattern: it contains ' '`, `p.yaml:4: issuers[0] there is no issuer "corp"`, `p.yaml:5: resources[0] "FILE:///x" can never match`,
	} {
		if !strings.HasPrefix(all[i].Error(), want) {
			t.Errorf("got %q, want %q", all[i], want)
		}
	}
}

func TestConditionsAreTypeChecked(t *testing.T) {
	spec := policy.Spec{
		Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}},
		Claims:  map[string]string{"department": "string", "level": "int", "teams": "list", "more": "any"},
		Schemas: map[string][]byte{
			"pay": []byte(`{"type":"object","properties":{"amount":{"type":"number"},"to":{"type":"object","properties":{"name":{"type":"string"}}},"note":{"type":"string"},"ids":{"type":"array","items":{"type":"string"}},"odd":{"$ref":"#/x"}}}`),
			"any": []byte(`{"type":"object"}`), "odd": []byte(`[]`),
		},
	}
	tests := []struct {
		tool, when string
		want       string // a part of the fault; empty: none
	}{
		{"x", "claims.department == 'sales' && claims.level > 3 && 'a' in claims.teams && claims.more.x == 1", ""},
		{"x", "claims.departement == 'sales'", "there is no departement"},
		{"x", "claims.level == '3'", "no matching overload for '_==_' applied to '(int, string)'"},
		{"x", "claims.teams == 'a'", "no matching overload"},
		{"x", "tenant.root == 5", "no matching overload"},
		{"x", "tenant.rot == 'x'", "tenant has name, root"},
		{"x", "caller.scopes == 'x'", "no matching overload"},
		{"x", "request.address == 'x'", "request has method, server"},
		{"x", "args.anything == 1", ""},
		{"x", "args.path under", "is not understood"},
		{"x", "args.path <", "the end comes too early (at 1:12)"},
		{"x", "args.x ? true : 5", "no matching overload"},
		{"x", "caller.subject", "is string; a condition is true or false"},
		{"pay", "args.amount < 100 && args.to.name == 'x' && args.ids.all(i, i.startsWith('a')) && args.odd == 1", ""},
		{"pay", "args.amout < 100", `does not fit the arguments of "pay": is not understood: there is no amout`},
		{"pay", "args.note < 100", "no matching overload"},
		{"pay", "args.to.nme == 'x'", "there is no nme"},
		{"p*", "args.amout < 100", "there is no amout"},
		{"any", "args.amout < 100", ""},
		{"odd", "args.amout < 100", ""},
	}
	for _, tt := range tests {
		spec.Rules = []policy.Rule{{Name: "r", Source: "p.yaml:1", Tools: []string{tt.tool}, When: tt.when}}
		_, err := policy.Build(spec)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "p.yaml:1: when ") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s of %s: got %v, want %q", tt.when, tt.tool, err, tt.want)
		}
	}
}

// TestDeclaredClaimsAreOfTheirTypes: what the issuer says is not made to fit.
func TestDeclaredClaimsAreOfTheirTypes(t *testing.T) {
	r := build(t, policy.Spec{Claims: map[string]string{"level": "int", "teams": "list", "https://acme.test/dept": "string"}, Rules: []policy.Rule{
		{Tools: []string{"level"}, When: "claims.level > 3"}, {Tools: []string{"team"}, When: "'a' in claims.teams"}, {Tools: []string{"has"}, When: "has(claims.level)"},
	}})
	tests := []struct {
		tool, claims string
		want         bool
	}{
		{"level", `{"level":4}`, true},
		{"level", `{"level":"4"}`, false},
		{"level", `{"level":[4]}`, false},
		{"level", `{}`, false},
		{"level", `{"level":4,"level":1}`, false},
		{"team", `{"teams":["b","a"]}`, true},
		{"team", `{"teams":"a"}`, false},
		{"team", `{"teams":{"a":1}}`, true}, // a key of a map
		{"has", `{"level":null}`, true},
		{"has", `{}`, false},
		{"has", `not JSON`, false},
	}
	for _, tt := range tests {
		who := with(token(), func(i *gatehouse.Identity) { i.Claims = []byte(tt.claims) })
		if got := r.Decide(who, call(tt.tool, "")); got.Allowed != tt.want {
			t.Errorf("%s of %s: got %+v", tt.tool, tt.claims, got)
		}
	}
	if r.Decide(key("x"), call("has", "")).Allowed {
		t.Error("a key has claims")
	}
}

func TestWhatConditionsSee(t *testing.T) {
	who := &policy.Asker{Tenant: "acme", SignedIn: 5, Identity: &gatehouse.Identity{
		Issuer: "https://idp.test", Subject: "ada", Client: "cli", Kind: gatehouse.KindUser, Email: "ada@acme.test", Name: "Ada",
		Scopes: []string{"admin"}, Permissions: []string{"p"}, Roles: []string{"r"}, Groups: []string{"g"}, Actor: []string{"agent"},
	}}
	nobody, bare := &policy.Asker{SignedIn: -1}, token()
	bare.Identity = &gatehouse.Identity{Issuer: "https://idp.test", Subject: "x"}
	tests := []struct {
		when                string
		who                 *policy.Asker
		tool, prompt, other bool // whether it is true of a tool called x, a prompt called x, and of somebody of whom nothing is told
	}{
		{"caller.issuer == 'https://idp.test' && caller.subject == 'ada'", who, true, true, false},
		{"caller.client == 'cli' && caller.kind == 'user' && caller.email == 'ada@acme.test'", who, true, true, false},
		{"caller.scopes == ['admin', 'read', 'write']", who, true, true, false},
		{"'p' in caller.permissions && 'r' in caller.roles && 'g' in caller.groups && caller.actors == ['agent']", who, true, true, false},
		{"!has(caller.key)", who, true, true, true},
		{"caller.key == 'ci'", key("ci"), true, true, false},
		{"caller.client != 'old'", who, true, true, false},
		{"!('r' in caller.roles)", nobody, false, false, false},
		{"request.server == 'crm'", who, true, true, true},
		{"request.method == 'tools/call'", who, true, false, false},
		{"tool == 'x'", who, true, false, false},
		{"name == 'x'", who, true, true, true},
		{"tenant.name == 'acme'", who, true, true, true},
	}
	for _, tt := range tests {
		r := build(t, policy.Spec{Server: "crm", Scopes: map[string][]string{"admin": {"write"}, "write": {"read"}}, Rules: []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}, When: tt.when}}})
		for i, got := range []bool{
			r.Decide(tt.who, call("x", "")).Allowed, r.Decide(tt.who, &policy.Operation{Kind: policy.Prompt, Name: "x"}).Allowed, r.Decide(bare, &policy.Operation{Kind: policy.Prompt, Name: "x"}).Allowed,
		} {
			if want := []bool{tt.tool, tt.prompt, tt.other}[i]; got != want {
				t.Errorf("%s, %s: got %v, want %v", tt.when, []string{"of a tool", "of a prompt", "of somebody else"}[i], got, want)
			}
		}
	}
	if _, err := policy.Build(policy.Spec{Rules: []policy.Rule{{Tools: []string{"x"}, When: "caller.name == 'Ada'"}}}); err == nil {
		t.Error("a name that people choose can be asked for")
	}
	omitted := with(token(), func(i *gatehouse.Identity) { i.Groups, i.GroupsOmitted = []string{"a"}, true })
	for _, when := range []string{"'a' in caller.groups", "!('b' in caller.groups)"} {
		if build(t, policy.Spec{Rules: []policy.Rule{{Tools: []string{"x"}, When: when}}}).Decide(omitted, call("x", "")).Allowed {
			t.Errorf("%s, of groups that the token leaves out", when)
		}
	}
}

// TestIndexFindsWhatPatternsMatch compares the index with asking every pattern.
func TestIndexFindsWhatPatternsMatch(t *testing.T) {
	words := []string{"", "a", "b", "ab", "ba", "aa", "abc", "get_", "_x", "ü"}
	var patterns, names []string
	for _, a := range words {
		for _, b := range words {
			names = append(names, a+b, a+b+a, b+"_x"+a)
			patterns = append(patterns, a+b, a+"*"+b, "*"+a+"*"+b, a+"*"+b+"*", "*"+a+"*"+b+"*", a+"*ab*"+b+"*a")
		}
	}
	patterns = slices.DeleteFunc(patterns, func(p string) bool { return p == "" })
	var rules []policy.Rule
	for i, p := range patterns {
		rules = append(rules, policy.Rule{Name: fmt.Sprint(i), Tools: []string{p}})
	}
	r := build(t, policy.Spec{Rules: rules})
	for _, name := range names {
		var want []string
		for i, p := range patterns {
			if set, err := policy.Compile([]string{p}); err != nil || set.Allows(name) {
				want = append(want, fmt.Sprint(i))
			}
		}
		if got := r.Decide(token(), call(name, "")).Rules; !slices.Equal(got, want) {
			t.Fatalf("%q: got %v, want %v", name, got, want)
		}
	}
}
