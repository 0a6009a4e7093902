package policy_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// build compiles rules that are meant to be sound.
func build(tb testing.TB, s policy.Spec) *policy.Rules {
	tb.Helper()
	r, err := policy.Build(s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func call(tool, args string) *policy.Operation {
	op := &policy.Operation{Kind: policy.Tool, Name: tool, Method: "tools/call"}
	if args != "" {
		op.Args = []byte(args)
	}
	return op
}

func token(scopes ...string) *policy.Asker {
	return &policy.Asker{Identity: &gatehouse.Identity{Issuer: "https://idp.test", Subject: "ada", Scopes: append([]string{}, scopes...)}, Tenant: "acme", SignedIn: -1}
}

func key(name string) *policy.Asker {
	return &policy.Asker{Identity: &gatehouse.Identity{Subject: "key:1", KeyID: "1"}, Tenant: "acme", Key: name, SignedIn: -1}
}

func TestSmoke(t *testing.T) {
	r := build(t, policy.Spec{
		Server: "crm",
		Scopes: map[string][]string{"admin": {"read", "write"}},
		Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}},
		Rules: []policy.Rule{
			{Name: "read", Source: "g.yaml:1", Tools: []string{"get_*"}, Require: policy.Require{Scopes: []string{"read"}}},
			{Name: "pay", Source: "g.yaml:2", Tools: []string{"pay"}, When: "args.amount < 100"},
			{Name: "file", Source: "g.yaml:3", Tools: []string{"open"}, When: "args.path under tenant.root"},
			{Name: "file2", Source: "g.yaml:3", Tools: []string{"open2"}, When: "args.path startsWith tenant.root && !(tool contains 'x')"},
			{Name: "role", Source: "g.yaml:4", Tools: []string{"role"}, When: "'a' in caller.roles || args.kind != 'admin'"},
			{Name: "cl", Source: "g.yaml:5", Tools: []string{"cl"}, When: "claims.org == 'x' && claims.n == 9007199254740993"},
		},
	})
	show := func(a *policy.Asker, op *policy.Operation) {
		d := r.Decide(a, op)
		t.Logf("%s %s: %+v lists %v", op.Name, op.Args, d, r.Lists(a, op.Kind, op.Name))
	}
	show(token("read"), call("get_x", ""))
	show(token("admin"), call("get_x", ""))
	show(token(), call("get_x", ""))
	show(key("k"), call("get_x", ""))
	for _, a := range []string{`{"amount":5}`, `{"amount":"5"}`, `{"amount":5.5}`, `{"amount":1e2}`, `{"amount":100}`, `{}`, `{"amount":null}`, `{"amount":[5]}`, `{"amount":5,"amount":6}`, `{"amount":1e400}`, `{"amount":-0}`, `{"amount":123456789012345678901234}`} {
		show(token(), call("pay", a))
	}
	for _, a := range []string{"/srv/acme/x", "/srv/acme", "/srv/acme-evil", "/srv/acme/../x", "srv"} {
		show(token(), call("open", `{"path":"`+a+`"}`))
		show(token(), call("open2", `{"path":"`+a+`"}`))
	}
	for _, a := range []string{`{"kind":"user"}`, `{"kind":["admin"]}`, `{"kind":"admin"}`} {
		show(token(), call("role", a))
	}
	a := token()
	a.Identity.Roles = []string{"a"}
	show(a, call("role", `{}`))
	a.Identity.Claims = []byte(`{"org":"x","n":9007199254740993}`)
	show(a, call("cl", ``))
	a.Identity.Claims = []byte(`{"org":"x","n":9007199254740992}`)
	show(a, call("cl", ``))
	for _, w := range []string{"args.x <", "tenant.rot == 'x'", "1 + 2", "timestamp('2020-01-01T00:00:00Z') < timestamp('2021-01-01T00:00:00Z')", "args.a.all(x, args.b.all(y, args.c.all(z, z == x)))", "args.x.matches(args.y)", "foo == 1", "args.x.all(a, args.y.all(b, a == b))", "caller.nme == 'x'", "args.x.matches('(')"} {
		_, err := policy.Build(policy.Spec{Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}}, Rules: []policy.Rule{{Tools: []string{"x"}, When: w}}})
		t.Logf("%s: %v", w, err)
	}
	_ = strings.Repeat
}
