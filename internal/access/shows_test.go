package access_test

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// What is asked without arguments is not what is asked with none: a rule that
// asks for them cannot be taken to find them absent.
func TestArgumentsThatAreNotKnownAreNotAbsent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []policy.Rule
		want  bool
	}{
		{"no rule asks for them", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}}}, true},
		{"a rule denies by one", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}}, {Tools: []string{"drop"}, Prompts: []string{"drop"}, When: "has(args.force)", Deny: true}}, false},
		{"a rule allows without one", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}, When: "!has(args.force)"}}, false},
		{"a rule allows by the value of one", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}, When: "args.n < 3"}}, false},
		{"another rule allows all the same", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}}, {Tools: []string{"*"}, Prompts: []string{"*"}, When: "args.n < 3"}}, true},
		{"it is true whatever they are", []policy.Rule{{Tools: []string{"*"}, Prompts: []string{"*"}, When: "has(args.force) || true"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, c, _ := admitted(t, "*")
			var err error
			if g.Rules, err = policy.Build(policy.Spec{Rules: tt.rules}); err != nil {
				t.Fatal(err)
			}
			if got := g.Remains(c, "tools/call", mcp.Subject{Kind: mcp.Tool, Name: "drop"}); got != tt.want {
				t.Errorf("a call under way remains: got %t, want %t", got, tt.want)
			}
			about := request("completion/complete", "drop") // of a prompt
			if got := verdict(g.Check(c, single(mcp.Modern, about), nil)) == "pass"; got != tt.want {
				t.Errorf("a completion passes: got %t, want %t", got, tt.want)
			}
		})
	}
	g, c, _ := admitted(t, "*")
	var err error
	g.Rules, err = policy.Build(policy.Spec{Rules: []policy.Rule{{Tools: []string{"*"}, When: "!has(args.force)"}}})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		`{"method":"tools/call","params":{"name":"drop"}}`:                                 "pass",
		`{"method":"tools/call","params":{"name":"drop","arguments":{}}}`:                  "pass",
		`{"method":"tools/call","params":{"name":"drop","arguments":{"force":true}}}`:      "403 -32602 1",
		`{"method":"tools/call","params":{"name":"drop","arguments":{"\u0046orce":true}}}`: "403 -32602 1",
	} {
		m := request("tools/call", "drop")
		m.Raw = []byte(raw)
		if got := verdict(g.Check(c, single(mcp.Modern, m), nil)); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}
