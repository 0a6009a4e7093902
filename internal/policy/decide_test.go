package policy_test

import (
	"slices"
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

func resource(uri string) *policy.Operation {
	return &policy.Operation{Kind: policy.Resource, Name: uri, Method: "resources/read"}
}

// token is a caller with a token of these scopes.
func token(scopes ...string) *policy.Asker {
	return &policy.Asker{Identity: &gatehouse.Identity{Issuer: "https://idp.test", Subject: "ada", Client: "cli", Scopes: append([]string{}, scopes...)}, Tenant: "acme", SignedIn: -1}
}

// with changes a caller's identity.
func with(who *policy.Asker, change func(i *gatehouse.Identity)) *policy.Asker {
	change(who.Identity)
	return who
}

func key(name string) *policy.Asker {
	return &policy.Asker{Identity: &gatehouse.Identity{Subject: "key:1", KeyID: "1"}, Tenant: "acme", Key: name, SignedIn: -1}
}

func of(tenant string, who *policy.Asker) *policy.Asker {
	who.Tenant = tenant
	return who
}

func since(seconds int64, who *policy.Asker) *policy.Asker {
	who.SignedIn = seconds
	return who
}

var crm = policy.Spec{
	Server:  "crm",
	Scopes:  map[string][]string{"admin": {"write"}, "write": {"read"}},
	Issuers: map[string][]string{"corp": {"https://idp.test", "https://idp2.test"}, "other": {"https://other.test"}},
	Rules: []policy.Rule{
		{Name: "read", Source: "g.yaml:1", Tools: []string{"get_*", "list_*"}, Require: policy.Require{Scopes: []string{"read"}}},
		{Name: "write", Source: "g.yaml:2", Tools: []string{"put"}, Require: policy.Require{Scopes: []string{"write", "read"}}},
		{Name: "write or more", Source: "g.yaml:3", Tools: []string{"put"}, Require: policy.Require{Scopes: []string{"write", "extra", "more"}}},
		{Name: "any key", Source: "g.yaml:4", Tools: []string{"keyed"}, Keys: []string{"*"}},
		{Name: "ci", Source: "g.yaml:4", Tools: []string{"put", "get_*"}, Keys: []string{"ci-*"}},
		{Name: "no secrets", Source: "g.yaml:5", Tools: []string{"get_secret*"}, Deny: true},
		{Name: "bolt", Source: "g.yaml:6", Tools: []string{"only_bolt"}, Tenants: []string{"bolt"}},
		{Name: "roles", Source: "g.yaml:7", Tools: []string{"roles"}, Require: policy.Require{Roles: []string{"a", "b"}, Permissions: []string{"p"}}},
		{Name: "group", Source: "g.yaml:8", Tools: []string{"group"}, Require: policy.Require{Groups: []string{"g"}}},
		{Name: "fresh", Source: "g.yaml:9", Tools: []string{"fresh"}, Require: policy.Require{Scopes: []string{"read"}, MaxAuthAge: 900}},
		{Name: "client", Source: "g.yaml:10", Tools: []string{"client"}, Clients: []string{"cli*"}},
		{Name: "issuer", Source: "g.yaml:11", Tools: []string{"issuer"}, Issuers: []string{"corp"}},
		{Name: "issuer denied", Source: "g.yaml:12", Tools: []string{"issuer"}, Issuers: []string{"other"}, Deny: true},
		{Name: "client denied", Source: "g.yaml:13", Tools: []string{"client"}, Clients: []string{"client-of-old"}, Deny: true},
		{Name: "not bolt", Source: "g.yaml:13", Tools: []string{"bolted"}, Tenants: []string{"bolt"}, Deny: true},
		{Name: "bolted", Source: "g.yaml:13", Tools: []string{"bolted"}},
		{Name: "prompts", Source: "g.yaml:14", Prompts: []string{"sum*"}},
		{Name: "pub", Source: "g.yaml:15", Resources: []string{"file:///pub/*"}},
	},
}

// decision is what is decided about a call, in TestDecide.
type decision struct {
	name   string
	who    *policy.Asker
	op     *policy.Operation
	code   string // empty: allowed
	rules  string
	scopes string
	reason string // a part of it
}

var (
	noScopes = with(token(), func(i *gatehouse.Identity) { i.Scopes = nil })
	omitted  = with(token(), func(i *gatehouse.Identity) { i.GroupsOmitted = true })
)

func roles(r, p []string) *policy.Asker {
	return with(token(), func(i *gatehouse.Identity) { i.Roles, i.Permissions = r, p })
}

func decisions() []decision {
	return append(aboutRights(), []decision{
		{"a scope that is there", token("read"), call("get_x", ""), "", "read", "", `rule "read" (g.yaml:1) allows it`},
		{"a scope that another includes", token("write"), call("get_x", ""), "", "read", "", ""},
		{"a scope that another includes by a third", token("admin"), call("get_x", ""), "", "read", "", ""},
		{"a scope that is not there", token("other"), call("get_x", ""), "GH-1201", "", "read", `rule "read" (g.yaml:1): it needs scope read`},
		{"no scope at all", token(), call("get_x", ""), "GH-1201", "", "read", ""},
		{"scopes that differ in case", token("READ", "Read"), call("get_x", ""), "GH-1201", "", "read", ""},
		{"the rule that asks for least, and all that it needs", token("read"), call("put", ""), "GH-1201", "", "write read", "it needs scope write"},
		{"a token that does not speak of scopes", noScopes, call("get_x", ""), "GH-1202", "", "", "the token does not speak of scopes"},
		{"a key, which has no scopes", key("laptop"), call("get_x", ""), "GH-1202", "", "", "a key has no scopes"},
		{"a key by its name", key("ci-nightly"), call("put", ""), "", "ci", "", ""},
		{"a key of another name", key("laptop"), call("put", ""), "GH-1202", "", "", "it is for other keys"},
		{"any key", key("laptop"), call("keyed", ""), "", "any key", "", ""},
		{"a token where any key is meant", token("other"), call("keyed", ""), "GH-1202", "", "", "it is for other keys"},
		{"denied over allowed, and both are said", key("ci-1"), call("get_secret", ""), "GH-1202", "no secrets ci", "", `rule "no secrets" (g.yaml:5) denies it`},
		{"denied over allowed by a scope", token("read"), call("get_secret_x", ""), "GH-1202", "no secrets read", "", ""},
		{"a tenant", of("bolt", token()), call("only_bolt", ""), "", "bolt", "", ""},
		{"another tenant", token(), call("only_bolt", ""), "GH-1202", "", "", "no rule allows it"},
		{"a tenant that is not known", of("", token()), call("only_bolt", ""), "GH-1202", "", "", ""},
	}...)
}

// aboutRights are decisions about what a token says beside scopes, and about
// what is called.
func aboutRights() []decision {
	return []decision{
		{"a tenant that is not denied", token(), call("bolted", ""), "", "bolted", "", ""},
		{"a tenant that is denied", of("bolt", token()), call("bolted", ""), "GH-1202", "not bolt bolted", "", ""},
		{"a tenant that is not known, where one is denied", of("", token()), call("bolted", ""), "GH-1202", "not bolt bolted", "", "tenant is not known"},
		{"all roles and permissions", roles([]string{"a", "b"}, []string{"p"}), call("roles", ""), "", "roles", "", ""},
		{"one role too few", roles([]string{"a"}, []string{"p"}), call("roles", ""), "GH-1202", "", "", "it needs role b"},
		{"no permission", roles([]string{"a", "b"}, nil), call("roles", ""), "GH-1202", "", "", "it needs permission p"},
		{"a group", with(token(), func(i *gatehouse.Identity) { i.Groups = []string{"g"} }), call("group", ""), "", "group", "", ""},
		{"no group", token(), call("group", ""), "GH-1202", "", "", "it needs group g"},
		{"groups that the token leaves out", omitted, call("group", ""), "GH-1210", "", "", "the token leaves groups out"},
		{"groups left out that nothing asks for", omitted, call("roles", ""), "GH-1202", "", "", ""},
		{"a sign-in of just now", since(0, token("read")), call("fresh", ""), "", "fresh", "", ""},
		{"the last second of it", since(900, token("read")), call("fresh", ""), "", "fresh", "", ""},
		{"a second later", since(901, token("read")), call("fresh", ""), "GH-1205", "", "", "that was 15m1s ago"},
		{"a sign-in that is not told", token("read"), call("fresh", ""), "GH-1205", "", "", "does not say when that was"},
		{"too old, and without the scope", since(901, token()), call("fresh", ""), "GH-1205", "", "read", ""},
		{"a key, which nobody signed in with", key("ci-1"), call("fresh", ""), "GH-1202", "", "", ""},
		{"a client", token(), call("client", ""), "", "client", "", ""},
		{"another client", with(token(), func(i *gatehouse.Identity) { i.Client = "web" }), call("client", ""), "GH-1202", "", "", "it is for other clients"},
		{"a token without a client, where one is denied", with(token(), func(i *gatehouse.Identity) { i.Client = "" }), call("client", ""), "GH-1202", "client denied", "", "does not name its client"},
		{"a key, where a client is denied", key("ci-1"), call("client", ""), "GH-1202", "", "", ""},
		{"an issuer", token(), call("issuer", ""), "", "issuer", "", ""},
		{"an issuer by its other name", with(token(), func(i *gatehouse.Identity) { i.Issuer = "https://idp2.test" }), call("issuer", ""), "", "issuer", "", ""},
		{"an issuer that is denied", with(token(), func(i *gatehouse.Identity) { i.Issuer = "https://other.test" }), call("issuer", ""), "GH-1202", "issuer denied", "", ""},
		{"a key, where an issuer is meant", key("ci-1"), call("issuer", ""), "GH-1202", "", "", ""},
		{"nobody", &policy.Asker{Tenant: "acme", SignedIn: -1}, call("get_x", ""), "GH-1202", "", "", "there is none"},
		{"nobody, where a client is meant", &policy.Asker{Tenant: "acme", SignedIn: -1}, call("client", ""), "GH-1202", "", "", ""},
		{"a prompt", token(), &policy.Operation{Kind: policy.Prompt, Name: "summary"}, "", "prompts", "", ""},
		{"a tool called like a prompt", token(), call("summary", ""), "GH-1202", "", "", "no rule allows it"},
		{"a prompt called like a tool", token("read"), &policy.Operation{Kind: policy.Prompt, Name: "get_x"}, "GH-1202", "", "", ""},
		{"a resource", token(), resource("file:///pub/a.txt"), "", "pub", "", ""},
		{"another resource", token(), resource("file:///public"), "GH-1202", "", "", ""},
		{"a tool that no rule names", token("admin"), call("drop", ""), "GH-1202", "", "", "no rule allows it"},
		{"no name", token("admin"), call("", ""), "GH-1202", "", "", ""},
	}
}

func TestDecide(t *testing.T) {
	tests := decisions()
	r := build(t, crm)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // what is said of rules is remembered
				d := r.Decide(tt.who, tt.op)
				if d.Allowed != (tt.code == "") || d.Code != tt.code || strings.Join(d.Rules, " ") != tt.rules || strings.Join(d.Scopes, " ") != tt.scopes || !strings.Contains(d.Reason, tt.reason) {
					t.Errorf("got %+v", d)
				}
				if (d.Code == policy.CodeSignIn) != (d.MaxAge != 0) || d.MaxAge != 0 && d.MaxAge != 900 {
					t.Errorf("got max age %d with %s", d.MaxAge, d.Code)
				}
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	if d := build(t, policy.Spec{}).Decide(token("a"), call("x", "")); d.Allowed || d.Code != "GH-1202" {
		t.Errorf("no rules: got %+v", d)
	}
	open := build(t, policy.Spec{AllowByDefault: true, Rules: []policy.Rule{{Name: "never", Tools: []string{"drop*"}, Deny: true}, {Name: "kept", Tools: []string{"get"}}}})
	if d := open.Decide(&policy.Asker{}, call("x", "")); !d.Allowed || len(d.Rules) != 0 {
		t.Errorf("allowed by default: got %+v", d)
	}
	if d := open.Decide(&policy.Asker{}, call("drop_all", "")); d.Allowed || !slices.Equal(d.Rules, []string{"never"}) {
		t.Errorf("denied though allowed by default: got %+v", d)
	}
	if d := open.Decide(&policy.Asker{}, call("get", "")); !d.Allowed || !slices.Equal(d.Rules, []string{"kept"}) {
		t.Errorf("allowed by a rule: got %+v", d)
	}
}

// TestEveryMatchingRuleIsNamed has more rules match than fit into a decision without help.
func TestEveryMatchingRuleIsNamed(t *testing.T) {
	var rules []policy.Rule
	var want []string
	for _, c := range "abcdefghij" {
		rules = append(rules, policy.Rule{Name: string(c), Tools: []string{"x", "x*", "*", "*x"}})
		want = append(want, string(c))
	}
	d := build(t, policy.Spec{Rules: rules}).Decide(token(), call("x", ""))
	if !d.Allowed || !slices.Equal(d.Rules, want) || !strings.Contains(d.Reason, `rule "j" allows it`) {
		t.Errorf("got %+v", d)
	}
	for i := range rules {
		rules[i].Deny = true
	}
	d = build(t, policy.Spec{Rules: rules}).Decide(token(), call("x", ""))
	if d.Allowed || !slices.Equal(d.Rules, want) {
		t.Errorf("got %+v", d)
	}
}

func TestLists(t *testing.T) {
	spec := crm
	spec.Rules = append(slices.Clone(crm.Rules),
		policy.Rule{Name: "small", Tools: []string{"pay"}, Require: policy.Require{Scopes: []string{"pay"}}, When: "args.amount < 100"},
		policy.Rule{Name: "role", Tools: []string{"role_only"}, When: "'admin' in caller.roles"},
		policy.Rule{Name: "role and args", Tools: []string{"role_args"}, When: "'admin' in caller.roles && args.n == 1"},
		policy.Rule{Name: "all", Tools: []string{"open*"}},
		policy.Rule{Name: "not large", Tools: []string{"open"}, When: "args.amount > 100", Deny: true},
		policy.Rule{Name: "not at all", Tools: []string{"open_never"}, When: "args.amount > 100 || true", Deny: true},
	)
	r := build(t, spec)
	admin := with(token(), func(i *gatehouse.Identity) { i.Roles = []string{"admin"} })
	user := with(token(), func(i *gatehouse.Identity) { i.Roles = []string{"user"} })
	tests := []struct {
		name string
		who  *policy.Asker
		kind policy.Kind
		of   string
		want bool
	}{
		{"what may be called", token("read"), policy.Tool, "get_x", true},
		{"what a scope would allow", token(), policy.Tool, "get_x", true},
		{"what a scope would allow, to a key", key("laptop"), policy.Tool, "get_x", false},
		{"what a sign-in would allow", token("read"), policy.Tool, "fresh", true},
		{"what neither would allow", token("read"), policy.Tool, "roles", false},
		{"what is denied whatever is asked for", token("read"), policy.Tool, "get_secret", false},
		{"what some arguments would allow", token("pay"), policy.Tool, "pay", true},
		{"what some arguments and a scope would allow", token(), policy.Tool, "pay", true},
		{"a condition that is met", admin, policy.Tool, "role_only", true},
		{"a condition that is not met", user, policy.Tool, "role_only", false},
		{"a condition that may be met", admin, policy.Tool, "role_args", true},
		{"a condition that cannot be met", user, policy.Tool, "role_args", false},
		{"what some arguments deny", token(), policy.Tool, "open", true},
		{"what all arguments deny", token(), policy.Tool, "open_never", false},
		{"a resource", key("laptop"), policy.Resource, "file:///pub/x", true},
		{"a resource that is not written as we do", key("laptop"), policy.Resource, "file:///pub/../x", false},
		{"what no rule names", admin, policy.Tool, "drop", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Lists(tt.who, tt.kind, tt.of); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	under := map[string]bool{"file:///pub/": true, "file:///pub/a/": true, "file:///": true, "file:///etc/": false, "": true, "notes://": false}
	for prefix, want := range under {
		if got := r.ListsUnder(key("laptop"), policy.Resource, prefix); got != want {
			t.Errorf("something under %q: got %v, want %v", prefix, got, want)
		}
	}
	spec.Rules = append(spec.Rules, policy.Rule{Resources: []string{"file:///pub/secret/*"}, Deny: true}, policy.Rule{Resources: []string{"*"}, Tenants: []string{"bolt"}, Deny: true})
	r = build(t, spec)
	if r.ListsUnder(token(), policy.Resource, "file:///pub/secret/a/") || !r.ListsUnder(token(), policy.Resource, "file:///pub/") {
		t.Error("a prefix below one that is denied is shown, or one above is not")
	}
	if r.ListsUnder(of("bolt", token()), policy.Resource, "file:///pub/") {
		t.Error("what is denied to a tenant is shown to it")
	}
}

func TestNeedsArgs(t *testing.T) {
	r := build(t, policy.Spec{Rules: []policy.Rule{
		{Tools: []string{"pay*"}, When: "args.amount < 100"}, {Tools: []string{"get*"}, When: "caller.kind == 'user'"}, {Prompts: []string{"p"}},
	}})
	for name, want := range map[string]bool{"pay": true, "pay_all": true, "get": false, "other": false} {
		if got := r.NeedsArgs(token(), policy.Tool, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if r.NeedsArgs(token(), policy.Prompt, "p") {
		t.Error("a prompt without a condition needs arguments")
	}
}

// TestDecideWithoutTheHeap holds what is done for every call to what it may cost.
func TestDecideWithoutTheHeap(t *testing.T) {
	r := build(t, crm)
	for _, who := range []*policy.Asker{token("admin"), key("ci-1")} {
		op := call("get_x", "")
		r.Decide(who, op)
		if n := testing.AllocsPerRun(100, func() { r.Decide(who, op) }); n != 0 {
			t.Errorf("got %v allocations, want none", n)
		}
	}
}

// TestReplay decides with a part unknown: an answer counts only if it would be
// the same whatever that is.
func TestReplay(t *testing.T) {
	spec := crm
	spec.Rules = append(slices.Clone(crm.Rules),
		policy.Rule{Name: "small", Tools: []string{"pay"}, When: "args.amount < 100"},
		policy.Rule{Name: "large", Tools: []string{"get_report"}, When: "args.all", Deny: true},
		policy.Rule{Name: "dept", Tools: []string{"dept"}, When: "claims.department == 'sales' || caller.subject == 'ada'"})
	r := build(t, spec)
	bob := with(token(), func(i *gatehouse.Identity) { i.Subject = "bob" })
	tests := []struct {
		name    string
		who     *policy.Asker
		op      *policy.Operation
		unknown policy.Unknown
		known   bool
		allowed bool
	}{
		{"all is known", token("read"), call("get_x", ""), 0, true, true},
		{"scopes that decide", token(), call("get_x", ""), policy.UnknownScopes, false, false},
		{"scopes that do not", key("ci-1"), call("get_x", ""), policy.UnknownScopes, true, true},
		{"scopes, and denied anyway", token(), call("get_secret", ""), policy.UnknownScopes, true, false},
		{"arguments that decide", token(), call("pay", ""), policy.UnknownArgs, false, false},
		{"arguments that decide a denial", token("read"), call("get_report", ""), policy.UnknownArgs, false, false},
		{"arguments that would only deny what nothing allows", key("laptop"), call("get_report", ""), policy.UnknownArgs, true, false},
		{"claims that do not matter", token(), call("dept", ""), policy.UnknownClaims, true, true},
		{"claims that do", bob, call("dept", ""), policy.UnknownClaims, false, false},
		{"a key's name", key(""), call("put", ""), policy.UnknownKey, false, false},
		{"a client", token(), call("client", ""), policy.UnknownClient, false, false},
		{"an issuer", token(), call("issuer", ""), policy.UnknownIssuer, false, false},
		{"roles", token(), call("roles", ""), policy.UnknownRoles | policy.UnknownPermissions, false, false},
		{"roles, without the permission", token(), call("roles", ""), policy.UnknownRoles, true, false},
		{"groups", token(), call("group", ""), policy.UnknownGroups, false, false},
		{"the sign-in", token("read"), call("fresh", ""), policy.UnknownSignIn, false, false},
		{"the sign-in, without the scope", token(), call("fresh", ""), policy.UnknownSignIn, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, known := r.Replay(tt.who, tt.op, tt.unknown)
			if known != tt.known || known && d.Allowed != tt.allowed {
				t.Errorf("got %v, %+v", known, d)
			}
		})
	}
}

func TestExplainTellsOfEveryRule(t *testing.T) {
	d, steps := build(t, crm).Explain(token("read"), call("put", ""))
	if d.Code != policy.CodeScope || len(steps) != 3 {
		t.Fatalf("got %+v, %+v", d, steps)
	}
	for i, want := range []string{"it needs scope write", "it needs scopes write extra more", "it is for other keys"} {
		if steps[i].Why != want || steps[i].Match != "no" {
			t.Errorf("got %+v, want %q", steps[i], want)
		}
	}
	if got := steps[1].Lacks; !slices.Equal(got, []string{"scope write", "scope extra", "scope more"}) || steps[2].Lacks != nil {
		t.Errorf("got %q as what is lacking, want the scopes of the second rule", got)
	}
}
