package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// A pattern is matched in one pass: what makes others try every way of dividing
// a name costs nothing here.
func TestA204PatternsAreLinear(t *testing.T) {
	name := strings.Repeat("a", 1<<20)
	for _, p := range []string{strings.Repeat("*a", 63) + "*b", strings.Repeat("a*", 63) + "b", "*" + strings.Repeat("a", 60) + "b*", strings.Repeat("*", 127) + "b", "*" + strings.Repeat("a*", 60) + "b*"} {
		set, err := policy.Compile([]string{p})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if set.Allows(name) {
			t.Errorf("%.20s matches", p)
		}
		if build(t, policy.Spec{Rules: []policy.Rule{{Tools: []string{p}}}}).Decide(token(), call(name, "")).Allowed {
			t.Errorf("%.20s matches in a rule", p)
		}
		if took := time.Since(began); took > 10*time.Second { // by trying, it is the age of the universe
			t.Errorf("%.20s took %s", p, took)
		}
	}
}

// The edges of the language of rules: deny wins wherever it stands, nothing is
// everything by accident, and what is too large is refused when it is loaded.
func TestA149LanguageEdges(t *testing.T) {
	sound := policy.Rule{Name: "a", Tools: []string{"*"}}
	for _, rules := range [][]policy.Rule{
		{sound, {Name: "d", Tools: []string{"a*b"}, Deny: true}}, {{Name: "d", Tools: []string{"a*b"}, Deny: true}, sound},
		{sound, sound, {Name: "d", Tools: []string{"*"}, When: "args.x == 1", Deny: true}},
	} {
		r := build(t, policy.Spec{Rules: rules})
		if r.Decide(token(), call("aXb", `{"x":1}`)).Allowed || r.Decide(token(), call("ab", `{"x":1}`)).Allowed {
			t.Errorf("a rule that denies does not win: %v", rules)
		}
		if !r.Decide(token(), call("aXbc", `{"x":2}`)).Allowed {
			t.Errorf("a rule that denies is about more than it says: %v", rules)
		}
	}
	// A negation says what the caller must not be; it gives nobody a right that a rule does not.
	not := build(t, policy.Spec{Rules: []policy.Rule{{Tools: []string{"get"}, When: "!('guest' in caller.roles)", Require: policy.Require{Scopes: []string{"read"}}}}})
	user := with(token("read"), func(i *gatehouse.Identity) { i.Roles = []string{"user"} })
	if !not.Decide(user, call("get", "")).Allowed || not.Decide(user, call("put", "")).Allowed {
		t.Error("a negation is about other tools than the rule")
	}
	if not.Decide(with(token(), func(i *gatehouse.Identity) { i.Roles = []string{"user"} }), call("get", "")).Allowed {
		t.Error("a negation widens what the token's scopes allow")
	}
	if not.Decide(token("read"), call("get", "")).Allowed {
		t.Error("a negation is true of roles that nobody told")
	}
	refused := map[string]policy.Rule{
		"a rule about nothing":         {Name: "x"},
		"an empty pattern":             {Tools: []string{""}},
		"a pattern of 10 KB":           {Tools: []string{strings.Repeat("a*", 5<<10)}},
		"a condition of 10 KB":         {Tools: []string{"x"}, When: strings.Repeat("(", 5<<10) + "true" + strings.Repeat(")", 5<<10)},
		"a long condition":             {Tools: []string{"x"}, When: "true" + strings.Repeat(" || true", 2000)},
		"a regular expression of 10KB": {Tools: []string{"x"}, When: "tool.matches('" + strings.Repeat("(a|b)?", 1700) + "')"},
		"a small one that is large":    {Tools: []string{"x"}, When: "tool.matches('((a{100}){100}){100}')"},
		"one that callers choose":      {Tools: []string{"x"}, When: "tool.matches(args.pattern)"},
		"lists within lists":           {Tools: []string{"x"}, When: "args.a.all(x, args.b.all(y, x != y))"},
		"what is no condition":         {Tools: []string{"x"}, When: "'yes'"},
		"a clock":                      {Tools: []string{"x"}, When: "timestamp('2026-01-01T00:00:00Z') < now()"},
		"an unknown name":              {Tools: []string{"x"}, When: "arg.x == 1"},
		"an issuer that is none":       {Tools: []string{"x"}, Issuers: []string{"nobody"}},
		"a deny rule that requires":    {Tools: []string{"x"}, Deny: true, Require: policy.Require{Roles: []string{"x"}}},
		"a negative age":               {Tools: []string{"x"}, Require: policy.Require{MaxAuthAge: -1}},
		"a resource that cannot be":    {Resources: []string{"file:///a/../b*"}},
		"keys that are no pattern":     {Tools: []string{"x"}, Keys: []string{"a b"}},
	}
	for name, rule := range refused {
		if r, err := policy.Build(policy.Spec{Rules: []policy.Rule{sound, rule}}); err == nil || r != nil {
			t.Errorf("%s: got %v beside %v, want a refusal", name, r, err)
		}
	}
	open := policy.Spec{AllowByDefault: true, Rules: []policy.Rule{{Tools: []string{"drop"}, Require: policy.Require{Roles: []string{"admin"}}}}}
	if _, err := policy.Build(open); err == nil {
		t.Error("a requirement that the default undoes is accepted")
	}
	loop := policy.Spec{Scopes: map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a"}}}
	if _, err := policy.Build(loop); err == nil || !strings.Contains(err.Error(), "scopes.a includes itself: a → b → c → a") {
		t.Errorf("scopes that include themselves: got %v", err)
	}
}

// A URI is compared in one form. Whatever would have to be brought into it first
// is refused: a server may read it as something else than was allowed.
func TestA152ResourceURIs(t *testing.T) {
	r := build(t, policy.Spec{Rules: []policy.Rule{
		{Resources: []string{"file:///pub/*", "notes://all/*", "https://api.test/v1/*", "https://api.test.*/*", "https://api.test:*/*", "mem:*", "file:///one"}},
		{Resources: []string{"file:///pub/secret"}, Deny: true},
	}})
	for _, uri := range []string{"file:///pub/a", "file:///pub/a/b.txt", "file:///pub/", "file:///pub/a%20b", "file:///pub/%C3%BC", "notes://all/1?page=2", "https://api.test/v1/x", "mem:x", "file:///one"} {
		if d := r.Decide(token(), resource(uri)); !d.Allowed {
			t.Errorf("%s: got %s", uri, d.Reason)
		}
	}
	for _, uri := range []string{
		"file:///pub/../etc/passwd", "file:///pub/..", "file:///pub/./a", "file:///pub//a", "file:////pub/a", "file:///pub/%2e%2e/etc", "file:///pub/%2E%2E/etc",
		"file:///pub/a%2Fb", "file:///pub/a%2f..%2f", "file:///pub/%5C", `file:///pub/..\etc`, "FILE:///pub/a", "File:///pub/a", "file://host/pub/a", "file://localhost/pub/a",
		"file:/pub/a", "file:pub/a", "//pub/a", "/pub/a", "file:///pub/a\x00", "file:///pub/%00", "file:///pub/a\n", "file:///pub/ü", "file:///pub/a b", "file:///pub/{name}",
		"file:///pub/a?x", "file:///pub/a#x", "file:///pub/%61", "file:///pub/%zz", "file:///pub/%", "file:///pub/%c3%bc", "file:///public", "file:///pub", "file:///PUB/a",
		"https://API.test/v1/x", "https://api.test:443/v1/x", "https://ada@api.test/v1/x", "https://api.test", "https://api.test/v1/../x",
		"https://api.test./v1/x", "https://api.test.:8443/v1/x", "https://api.test:0443/v1/x", "https://api.test:+443/v1/x", "https://api.test:x/v1/x", "https://api.test::443/v1/x", "notes://all/\u202e", "", ":", "1:x",
		"file:///pub/secret", "file:///pub/secret?", "file:///pub/secret#",
	} {
		if d := r.Decide(token(), resource(uri)); d.Allowed || d.Code != policy.CodeRight || d.Reason == "" {
			t.Errorf("%q: got %+v, want a refusal with a reason", uri, d)
		}
		if r.Lists(token(), policy.Resource, uri) {
			t.Errorf("%q is shown", uri)
		}
	}
	if !build(t, policy.Spec{AllowByDefault: true}).Decide(token(), resource("any thing")).Allowed {
		t.Error("a URI is judged where no rule is about resources")
	}
}

// argumentCases are conditions, and arguments of which they are true and not.
var argumentCases = []struct {
	when    string
	yes, no []string // arguments; of no some are errors and some are false
}{
	{
		"args.amount <= 100",
		[]string{`{"amount":100}`, `{"amount":1e2}`, `{"amount":99.99}`, `{"amount":-0}`, `{"amount":-0.0}`, `{"amount":0.1}`, `{"amount":1E+2}`, `{"amoun\u0074":1}`, `{"amount":100.0}`, `{"amount":0.30000000000000004}`},
		[]string{
			`{"amount":"100"}`, `{"amount":"1"}`, `{"amount":1e400}`, `{"amount":-1e400}`, `{"amount":[100]}`, `{"amount":null}`, `{}`, ``, `{"amount":1,"amount":1000}`, `{"amount":1,"amoun\u0074":1000}`,
			`{"x":{"amount":1}}`, `{"amount":true}`, `{"amount":{"v":1}}`, `{"Amount":1}`, `{"amount":"１００"}`, `{"amount":101}`, `{"amount":100.00000000000000001}`, `{"amount":99.99999999999999999}`,
			`{"amount":1e-400}`, `{"amount":9007199254740993}`, `{"amount":100.5}`, `{"amount":-123456789012345678901234567890}`, `{"amount":01}`, `{"amount":1}x`, `[1]`, `null`, `{"amount":NaN}`, "{\"amount\":1,\"\xff\":1}", `{"amount":1,"n":{"a":1,"a":2}}`,
		},
	},
	{"args.n == 9007199254740993", []string{`{"n":9007199254740993}`}, []string{`{"n":9007199254740992}`, `{"n":9007199254740993.0}`, `{"n":"9007199254740993"}`, `{"n":9.007199254740993e15}`}},
	{"args.n < 18446744073709551615u", []string{`{"n":18446744073709551614}`, `{"n":-1}`}, []string{`{"n":18446744073709551615}`, `{"n":18446744073709551616}`, `{"n":1e30}`}},
	{"args.n <= 9007199254740992.0", []string{`{"n":5}`}, []string{`{"n":9007199254740993}`}},
	{`args.kind != "admin"`, []string{`{"kind":"user"}`, `{"kind":"Admin"}`}, []string{`{"kind":"admin"}`, `{"kind":["admin"]}`, `{"kind":{"admin":1}}`, `{"kind":1}`, `{}`, `{"kind":true}`, `{"kind":"\u0061dmin"}`}},
	{`!(args.kind in ["admin", "root"])`, []string{`{"kind":"user"}`}, []string{`{"kind":"admin"}`, `{"kind":["admin"]}`, `{"kind":7}`, `{}`, `{"kind":null}`}},
	{`args.kind == null`, []string{`{"kind":null}`}, []string{`{"kind":""}`, `{}`}},
	{`!has(args.force)`, []string{`{}`, `{"other":true}`}, []string{`{"force":false}`, `{"force":null}`, `{"Force":true}`, `{"\u017force":1,"FORCE":true}`, `{"other":1,"fo\u0072cE":1}`}},
	{`args.path.startsWith("/pub/")`, []string{`{"path":"/pub/a"}`}, []string{`{"path":"/pub/a","Path":"/etc/passwd"}`, `{"PATH":"/etc/passwd","path":"/pub/a"}`, `{"Path":"/pub/a"}`}},
	{`args.o.k == 1`, []string{`{"o":{"k":1}}`}, []string{`{"o":{"k":1,"K":2}}`, `{"o":{"\u212A":2,"k":1}}`}},
	{`args.to != {"address": "admin"}`, []string{`{"to":{"address":"ada"}}`, `{"to":{}}`, `{"to":{"name":"ada"}}`}, []string{`{"to":{"address":"admin"}}`, `{"to":{"address":["admin"]}}`, `{"to":{"address":1}}`, `{"to":"admin"}`}},
	{`args.to == {"a": [{"b": 1}]}`, []string{`{"to":{"a":[{"b":1.0}]}}`}, []string{`{"to":{"a":[{"b":"1"}]}}`, `{"to":{"a":[{"b":2}]}}`, `{"to":{"a":[{}]}}`}},
	{`args.tags == ["a", "b"]`, []string{`{"tags":["a","b"]}`}, []string{`{"tags":["a"]}`, `{"tags":["b","a"]}`, `{"tags":"a"}`, `{"tags":[["a"],"b"]}`}},
	{`args.tags != ["a"]`, []string{`{"tags":["b"]}`, `{"tags":[]}`}, []string{`{"tags":["a"]}`, `{"tags":[["a"]]}`, `{"tags":"a"}`}},
	{`args.ids.all(i, i < 10)`, []string{`{"ids":[1,2]}`, `{"ids":[]}`}, []string{`{"ids":[1,20]}`, `{"ids":["1"]}`, `{"ids":5}`, `{"ids":[1e400]}`, `{}`}},
	{`args.to.address.endsWith("@acme.test")`, []string{`{"to":{"address":"a@acme.test"}}`}, []string{`{"to":{"address":"a@acme.test.evil"}}`, `{"to":"a@acme.test"}`, `{"to":{"address":["a@acme.test"]}}`, `{"to":[{"address":"a@acme.test"}]}`}},
	{`args.path.under(tenant.root)`, []string{`{"path":"/srv/acme/a"}`, `{"path":"/srv/acme"}`, `{"path":"/srv/acme//a/"}`}, []string{
		`{"path":"/srv/acme/../bolt"}`, `{"path":"/srv/acmeevil"}`, `{"path":"/srv/acme/a\u0000"}`, `{"path":"srv/acme/a"}`, `{"path":"/srv/acme/./a"}`, `{"path":"/srv/acme/..\\x"}`, `{"path":""}`, `{"path":["/srv/acme/a"]}`, `{}`, `{"path":"/srv"}`, `{"path":"/SRV/acme/a"}`,
	}},
	{`args.path under tenant.root && tool == "t"`, []string{`{"path":"/srv/acme/a"}`}, []string{`{"path":"/srv/acme/../a"}`}},
	{`args.path startsWith tenant.root`, []string{`{"path":"/srv/acme/a"}`, `{"path":"/srv/acme/../x"}`}, []string{`{"path":"/srv/bolt"}`}},
	{`args.flag`, []string{`{"flag":true}`}, []string{`{"flag":"true"}`, `{"flag":1}`, `{"flag":false}`, `{}`}},
	{`args.size() == 1`, []string{`{"a":1}`}, []string{`{}`, `{"a":1,"b":2}`}},
}

// Conditions compare what they are given, and nothing that it could be turned into.
func TestA153ArgumentsAreComparedByType(t *testing.T) {
	allow := func(when string) *policy.Rules {
		return build(t, policy.Spec{Tenants: map[string]map[string]string{"acme": {"root": "/srv/acme"}, "bolt": {"quota": "1"}}, Rules: []policy.Rule{{Name: "r", Source: "g.yaml:7", Tools: []string{"t"}, When: when}}})
	}
	deny := func(when string) *policy.Rules {
		return build(t, policy.Spec{Rules: []policy.Rule{{Name: "all", Tools: []string{"t"}}, {Name: "r", Tools: []string{"t"}, When: when, Deny: true}}})
	}
	for _, tt := range argumentCases {
		a, d := allow(tt.when), (*policy.Rules)(nil)
		if !strings.Contains(tt.when, "tenant") {
			d = deny(tt.when)
		}
		for _, args := range tt.yes {
			if got := a.Decide(token(), call("t", args)); !got.Allowed {
				t.Errorf("%s of %s: got %s", tt.when, args, got.Reason)
			}
			if d != nil && d.Decide(token(), call("t", args)).Allowed {
				t.Errorf("%s of %s does not deny", tt.when, args)
			}
		}
		for _, args := range tt.no {
			got := a.Decide(token(), call("t", args))
			if got.Allowed || !strings.Contains(got.Reason, "g.yaml:7") {
				t.Errorf("%s of %s: got %+v, want a refusal that names the rule", tt.when, args, got)
			}
			if broken := strings.Contains(got.Reason, "cannot be told"); d != nil && d.Decide(token(), call("t", args)).Allowed == broken {
				t.Errorf("%s of %s: a rule that denies and %v", tt.when, args, map[bool]string{true: "cannot be told lets it pass", false: "is not met stops it"}[broken])
			}
		}
	}
	r := allow("tenant.root == '/srv/acme' || true")
	if !r.Decide(of("bolt", token()), call("t", "")).Allowed {
		t.Error("what is true whatever the attribute is does not hold")
	}
	if allow("tenant.root == ''").Decide(of("bolt", token()), call("t", "")).Allowed {
		t.Error("an attribute that a tenant does not have is empty")
	}
	if strings.Contains(fmt.Sprint(r.Decide(token(), call("t", `{"secret":"hunter2"`))), "hunter2") {
		t.Error("an argument is in the reason")
	}
}

// A condition stops when it has worked enough, and then it denies.
func TestConditionsAreBounded(t *testing.T) {
	r := build(t, policy.Spec{Rules: []policy.Rule{{Name: "r", Tools: []string{"t"}, When: "args.ids.exists(i, i == 7 || i == 8 || i == 9 || i == 10)"}}})
	few, many := strings.Repeat("1,", 1000)+"7", strings.Repeat("1,", 15_000)+"7"
	if d := r.Decide(token(), call("t", `{"ids":[`+few+`]}`)); !d.Allowed {
		t.Errorf("a thousand: got %s", d.Reason)
	}
	if d := r.Decide(token(), call("t", `{"ids":[`+many+`]}`)); d.Allowed || !strings.Contains(d.Reason, "cost limit") {
		t.Errorf("fifteen thousand: got %+v, want that it costs too much", d)
	}
	if d := r.Decide(token(), call("t", `{"ids":[`+many+","+many+`]}`)); d.Allowed || !strings.Contains(d.Reason, "more than 20000 values") {
		t.Errorf("thirty thousand: got %+v, want that it is too much to look at", d)
	}
	if d := r.Decide(token(), call("t", `{"ids":[7],"other":[`+many+","+many+`]}`)); !d.Allowed {
		t.Errorf("what nobody asks for: got %s", d.Reason)
	}
	for _, when := range []string{"args.q.matches('^([a-z]+[.])*[a-z]+$')", "[args.q].exists(q, q matches '^([a-z]+[.])*[a-z]+$')"} {
		r := build(t, policy.Spec{Rules: []policy.Rule{{Name: "r", Tools: []string{"t"}, When: when}}})
		if d := r.Decide(token(), call("t", `{"q":"`+strings.Repeat("a.", 1000)+`a"}`)); !d.Allowed {
			t.Errorf("%s of a short text: got %s", when, d.Reason)
		}
		if d := r.Decide(token(), call("t", `{"q":"`+strings.Repeat("a.", 1000)+`"}`)); d.Allowed {
			t.Errorf("%s of what does not match: got %s", when, d.Reason)
		}
		if d := r.Decide(token(), call("t", `{"q":"`+strings.Repeat("a.", 2_000_000)+`"}`)); d.Allowed || !strings.Contains(d.Reason, "65536 bytes") {
			t.Errorf("%s of four megabytes: got %.200s, want that it is not even begun", when, d.Reason)
		}
	}
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	if d := build(t, policy.Spec{Rules: []policy.Rule{{Name: "r", Tools: []string{"t"}, When: "args.a.a == args.a.a.a"}}}).Decide(token(), call("t", deep)); d.Allowed || !strings.Contains(d.Reason, "nested more than 64 deep") {
		t.Errorf("nine thousand objects in one another: got %.200s", d.Reason)
	}
}
