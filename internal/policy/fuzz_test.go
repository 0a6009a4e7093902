package policy_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// FuzzBuild compiles what nobody would write. Whatever compiles answers, says
// the same twice, and never allows what it does not list.
func FuzzBuild(f *testing.F) {
	for _, s := range [][3]string{
		{"get_*", "args.amount < 100", `{"amount":5}`}, {"*", "args.path under tenant.root", `{"path":"/a"}`}, {"a*b*c", "", "{}"},
		{"file:///pub/*", "name.startsWith('x') || !has(args.y)", `{"y":[1,{"z":null}]}`}, {"x", "args.a.all(i, i in ['a', 1, null])", `{"a":["a",1e5]}`},
		{"x", "claims.x.map(k, k + 'a') == ['ba']", `{"x":["b"]}`}, {"x", "caller.scopes.exists_one(s, s.matches('^a+$'))", ``}, {"x", "{'a': args.b}[args.c].size() > 2", `{"b":"xyz","c":"a"}`},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, pattern, when, args string) {
		spec := policy.Spec{
			Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}},
			Rules: []policy.Rule{
				{Name: "a", Tools: []string{pattern}, When: when}, {Name: "d", Tools: []string{"x"}, When: when, Deny: true},
			},
		}
		r, err := policy.Build(spec)
		if err != nil {
			return
		}
		who := with(token("aa"), func(i *gatehouse.Identity) { i.Claims = []byte(args) })
		for _, name := range []string{pattern, strings.ReplaceAll(pattern, "*", "x"), "x", "file:///pub/a"} {
			op := call(name, args)
			d := r.Decide(who, op)
			if again := r.Decide(who, op); again.Allowed != d.Allowed || again.Reason != d.Reason {
				t.Errorf("%q: got %+v, then %+v", name, d, again)
			}
			if d.Allowed && !r.Lists(who, policy.Tool, name) {
				t.Errorf("%q of %s is allowed when %s, and is not listed", name, args, when)
			}
			if d.Allowed && len(d.Rules) == 0 || !d.Allowed && (d.Code == "" || d.Reason == "") {
				t.Errorf("%q: got %+v", name, d)
			}
		}
	})
}

// FuzzArguments has callers send anything: what a server may take for more than
// a hundred, or for no number, is not allowed.
func FuzzArguments(f *testing.F) {
	allow, err := policy.Build(policy.Spec{Rules: []policy.Rule{{Tools: []string{"t"}, When: "args.amount <= 100 && args.amount >= 0"}}})
	if err != nil {
		f.Fatal(err)
	}
	deny, err := policy.Build(policy.Spec{Rules: []policy.Rule{{Tools: []string{"t"}}, {Tools: []string{"t"}, When: "args.amount > 100 || args.amount < 0", Deny: true}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"amount":5}`, `{"amount":"5"}`, `{"amount":1e2,"x":[{}]}`, `{"amount":5,"amount":500}`, `{"amount":1e400}`, `{"\u0061mount":1}`, `[]`, `{"amount":{"amount":1}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, args string) {
		a, d := allow.Decide(token(), call("t", args)).Allowed, deny.Decide(token(), call("t", args)).Allowed
		if a != d {
			t.Errorf("%s: a rule that allows says %v, one that denies leaves %v", args, a, d)
		}
		if want := hundred(args); a && !want {
			t.Errorf("%s: allowed, and it may be more than 100", args)
		}
	})
}

// hundred reads the amount with another reader and unbounded numbers, and says
// whether it is between 0 and 100.
func hundred(args string) bool {
	dec := json.NewDecoder(strings.NewReader(args))
	dec.UseNumber()
	var members map[string]any
	if dec.Decode(&members) != nil {
		return false
	}
	n, ok := members["amount"].(json.Number)
	if !ok || len(n) > 1000 {
		return false
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(n.String()), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return strings.HasPrefix(exponent, "-") || !strings.ContainsAny(n.String()[:strings.IndexAny(n.String(), "eE")], "123456789")
	}
	r, ok := new(big.Rat).SetString(n.String())
	return ok && r.Sign() >= 0 && r.Cmp(big.NewRat(100, 1)) <= 0
}
