package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// policyDir writes files beside a configuration whose policy is given, and
// returns the configuration's path.
func policyDir(t *testing.T, policy string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["g.yaml"] = "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/'}]\nauth: {api_keys: {}}\npolicy: " + policy + "\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "g.yaml")
}

func TestFilesOfRules(t *testing.T) {
	path := policyDir(t, "{default: deny, rules: [{tools: [own]}], files: [rules/*.yaml, more.yaml]}", map[string]string{
		"rules/b.yaml":      "version: 1\nrules:\n  - {name: b, tools: [b], require: {scopes: [notes:read], max_auth_age: 5m}}\n",
		"rules/a.yaml":      "rules:\n  - name: a\n    prompts: [a]\n    when: |\n      caller.kind == \"user\" &&\n      name != \"$x\"\n  - {resources: ['file:///pub/*'], effect: deny}\n",
		"rules/a_test.yaml": "cases: []\n",
		"more.yaml":         "rules: [{tools: [more]}]\n",
	})
	c, err := Load(path, Outside{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := []Rule{
		{Tools: []string{"own"}, Effect: Allow, source: path + ":4"},
		{Name: "a", Prompts: []string{"a"}, When: "caller.kind == \"user\" &&\nname != \"$x\"\n", Effect: Allow, source: dir + "/rules/a.yaml:2"},
		{Resources: []string{"file:///pub/*"}, Effect: Deny, source: dir + "/rules/a.yaml:7"},
		{Name: "b", Tools: []string{"b"}, Require: &Require{Scopes: []string{"notes:read"}, MaxAuthAge: 5 * time.Minute}, Effect: Allow, source: dir + "/rules/b.yaml:3"},
		{Tools: []string{"more"}, Effect: Allow, source: dir + "/more.yaml:1"},
	}
	if !reflect.DeepEqual(c.Policy.Rules, want) {
		t.Errorf("got  %+v\nwant %+v", c.Policy.Rules, want)
	}
	files := strings.Join(c.Files(), " ")
	for _, name := range []string{path, dir + "/rules", dir + "/rules/a.yaml", dir + "/rules/b.yaml", dir + "/more.yaml"} {
		if !strings.Contains(files+" ", name+" ") {
			t.Errorf("%s is not watched: %s", name, files)
		}
	}
	for _, s := range c.Settings() {
		if s.Path == "policy.rules[b].require.scopes" && s.Origin != dir+"/rules/b.yaml:3" {
			t.Errorf("%s: got origin %s", s.Path, s.Origin)
		}
	}
}

func TestMistakesInFilesOfRules(t *testing.T) {
	tests := []struct {
		name, policy string
		files        map[string]string
		want         []string // each is a part of one mistake, in order
	}{
		{
			"mistakes with their places, beside those of the configuration", "{default: deny, files: [r.yaml], rulez: []}",
			map[string]string{"r.yaml": "rules:\n  - {tools: [a], efect: deny}\n  - {tools: ['a b']}\n  - {name: x}\nextra: 1\n"},
			[]string{
				`g.yaml:4:42: unknown key "rulez" under policy. Did you mean "rules"?`, `r.yaml:2:18: unknown key "efect" under policy.rules[0]. Did you mean "effect"?`,
				`r.yaml:3:14: policy.rules[1].tools[0] is a pattern with ' ' in it`, `r.yaml:5:1: unknown key "extra" under policy`,
			},
		},
		{"what Check finds, in the file where it stands", "{default: deny, files: [r.yaml]}", map[string]string{"r.yaml": "rules:\n  - {tools: [a]}\n  - {name: x, issuers: [corp]}\n"}, nil},
		{"no such file", "{default: deny, files: [r.yaml]}", map[string]string{}, []string{`g.yaml:4:33: policy.files[0] "`}},
		{"a pattern that matches nothing", "{default: allow, files: ['r/*.yaml']}", map[string]string{"r/x_test.yaml": "cases: []"}, []string{"is no file, and matches none"}},
		{"a file without rules", "{default: allow, files: [r.yaml]}", map[string]string{"r.yaml": "version: 1\n"}, []string{"r.yaml:1:1: policy.rules is missing"}},
		{"a file that is not YAML", "{default: allow, files: [r.yaml]}", map[string]string{"r.yaml": "rules: [\n"}, []string{"r.yaml:"}},
		{"an empty file", "{default: allow, files: [r.yaml]}", map[string]string{"r.yaml": "\n"}, []string{"r.yaml: is empty"}},
		{"a directory", "{default: allow, files: [r]}", map[string]string{"r/x": ""}, []string{"r: is not a plain file"}},
		{"a claim of no type", "{default: allow, claims: {a: text}}", map[string]string{}, []string{`policy.claims.a "text" is not string, int`}},
		{"an empty condition", "{default: deny, rules: [{tools: [x], when: ' '}]}", map[string]string{}, []string{"policy.rules[0].when is empty"}},
		{"a condition with a control character", "{default: deny, rules: [{tools: [x], when: \"a\\tb\"}]}", map[string]string{}, []string{"control character"}},
	}
	for _, tt := range tests {
		t.Run("it says "+tt.name, func(t *testing.T) {
			c, err := Load(policyDir(t, tt.policy, tt.files), Outside{})
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				err = c.Check()
				tt.want = []string{"r.yaml:3:5: policy.rules[1].tools is missing", `r.yaml:3:25: policy.rules[1].issuers[0] there is no issuer "corp"`}
			}
			var all Mistakes
			if !errors.As(err, &all) || len(all) != len(tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			for i, m := range all {
				if !strings.Contains(m.Error(), tt.want[i]) {
					t.Errorf("got %q, want %q", m, tt.want[i])
				}
			}
		})
	}
	path := policyDir(t, "{default: allow, files: [r.yaml]}", map[string]string{"r.yaml": "rules: [{tools: [x], effect: deny}]\n"})
	if err := os.Chmod(filepath.Join(filepath.Dir(path), "r.yaml"), 0o666); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	if _, err := Load(path, Outside{}); err == nil || !strings.Contains(err.Error(), "can be written by others") {
		t.Errorf("rules that others can write: got %v", err)
	}
}

func TestRulesThatWouldNotBeObeyed(t *testing.T) {
	for text, want := range map[string]string{
		"{default: deny, rules: [{tools: [x]}, {tools: [y], effect: deny, require: {roles: [a]}}]}": "policy.rules[1].require is for rules that allow",
		"{default: allow, rules: [{tools: [x], require: {roles: [a]}}]}":                            "policy.rules[0].effect is allow, and so is the default",
		"{default: allow, rules: [{tools: [x], when: 'true'}]}":                                     "policy.rules[0].effect is allow, and so is the default",
		"{default: deny, rules: [{tools: [x], require: {}}]}":                                       "policy.rules[0].require requires nothing",
		"{default: deny, rules: [{keys: [x]}]}":                                                     "policy.rules[0].tools is missing, and so are prompts and resources",
		"{default: deny, rules: [{tools: [x], issuers: [corp]}]}":                                   `there is no issuer "corp"`,
		"{default: deny, rules: [{tools: [x], require: {max_auth_age: 10ms}}]}":                     "is less than 1s",
		"{default: deny, rules: [{tools: [x], require: {scopes: ['a b']}}]}":                        "policy.rules[0].require.scopes[0]",
		"{default: allow, tool_pinning: {on_change: stop}}":                                         `"stop" is not block, warn or off`,
	} {
		c, err := Parse("f", []byte("version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/'}]\nauth: {api_keys: {}}\npolicy: "+text+"\n"), Outside{})
		if err == nil {
			err = c.Check()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestWarningsOfRules(t *testing.T) {
	for text, want := range map[string]string{
		"{tools: [x], require: {roles: [a]}}, {tools: [x], require: {roles: [b, a]}}":                         "policy.rules[1] can never match: policy.rules[0] allows all of it already",
		"{tools: [x]}, {tools: [x], when: 'true'}":                                                            "policy.rules[1] can never match",
		"{tools: ['x*'], prompts: [p]}, {prompts: [p]}":                                                       "policy.rules[1] can never match",
		"{tools: [x], require: {max_auth_age: 1h}}, {tools: [x], require: {max_auth_age: 5m}}":                "policy.rules[1] can never match",
		"{tools: [x], require: {scopes: ['notes:raed']}}":                                                     `policy.rules[0].require.scopes[0] "notes:raed" is not among scopes. Did you mean "notes:read"?`,
		"{tools: [x], tenants: [acne]}":                                                                       `policy.rules[0].tenants[0] there is no tenant "acne" in this file. Did you mean "acme"?`,
		"{tools: [x], require: {roles: [a, b]}}, {tools: [x], require: {roles: [a]}}":                         "",
		"{tools: [x], when: 'a'}, {tools: [x]}":                                                               "",
		"{tools: [x], keys: ['*']}, {tools: [x]}":                                                             "",
		"{tools: [x]}, {prompts: [x]}":                                                                        "",
		"{tools: [x], clients: [a]}, {tools: [x], clients: [b]}":                                              "",
		"{tools: [x], require: {max_auth_age: 5m}}, {tools: [x], require: {max_auth_age: 1h}}":                "",
		"{tools: [x], require: {scopes: ['notes:read']}}, {tools: [y], tenants: [somebody-else]}":             "",
		"{name: n, tools: [x]}, {name: m, tools: [y]}, {name: n, tools: [z]}":                                 `policy.rules[2].name "n" is the name of policy.rules[0] too`,
		"{name: n, servers: [a], tools: [x]}, {name: n, tools: [y]}":                                          `policy.rules[1].name "n" is the name of policy.rules[0] too`,
		"{name: n, servers: [a], tools: [x]}, {name: n, servers: [b], tools: [y]}":                            "",
		"{tools: [x]}, {tools: [y]}":                                                                          "",
		"{tools: [x], effect: deny, when: 'a'}, {tools: [x]}":                                                 "",
		"{tools: ['*'], effect: deny}, {tools: [x]}, {resources: ['a:*'], require: {scopes: ['notes:read']}}": "policy.rules[1] can never match: policy.rules[0] denies all of it already",
	} {
		c := parsed(t, "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/'}]\nauth: {api_keys: {}}\nscopes: {'notes:read': Read}\ntenants: {attributes: {acme: {root: /x}}}\npolicy: {default: deny, rules: ["+text+"]}\n", Outside{})
		got := c.Warnings().Error()
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestCases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x_test.yaml")
	load := func(text string) (*Cases, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return LoadCases(path)
	}
	c, err := load(`config: g.yaml
cases:
  - name: everything
    caller: {subject: ada, scopes: [], roles: [a:b, c], signed_in: 5m, claims: {n: 9007199254740993, f: 1.5, s: "1", b: true, z: null, l: [1, [x:y]], m: {"https://a/b": ~}}}
    call: {tool: t, args: {amount: 100.0, "Ünï": '"\'}}
    expect: step-up
    scopes: [r]
  - {caller: {key: ci}, call: {resource: "file:///a"}, expect: deny, rule: never}
`)
	if err != nil {
		t.Fatal(err)
	}
	one := c.Cases[0]
	if got, want := string(one.Caller.Claims), `{"n":9007199254740993,"f":1.5,"s":"1","b":true,"z":null,"l":[1,["x:y"]],"m":{"https://a/b":null}}`; got != want {
		t.Errorf("claims:\ngot  %s\nwant %s", got, want)
	}
	if got, want := string(one.Call.Args), `{"amount":100.0,"Ünï":"\"\\"}`; got != want {
		t.Errorf("args:\ngot  %s\nwant %s", got, want)
	}
	if one.Caller.Scopes == nil || len(one.Caller.Scopes) != 0 || one.Caller.Groups != nil || !reflect.DeepEqual(one.Caller.Roles, []string{"a:b", "c"}) {
		t.Errorf("got %+v", one.Caller)
	}
	if c.Cases[1].Source() != path+":8" || c.Config != filepath.Join(filepath.Dir(path), "g.yaml") {
		t.Errorf("got %s and %s", c.Cases[1].Source(), c.Config)
	}
	for text, want := range map[string]string{
		"cases: [{call: {tool: x}, expect: maybe}]":                           `cases[0].expect "maybe" is not allow, deny or step-up`,
		"cases: [{call: {tool: x}}]":                                          "cases[0].expect is missing",
		"cases: [{call: {tool: x, prompt: y}, expect: deny}]":                 "needs one of tool, prompt and resource",
		"cases: [{call: {}, expect: deny}]":                                   "needs one of tool, prompt and resource",
		"cases: [{call: {tool: x, args: {a: 0x10}}, expect: deny}]":           "is no number of JSON",
		"cases: [{call: {tool: x, args: {a: 1, a: 2}}, expect: deny}]":        "already defined",
		"cases: [{call: {tool: x, args: {a: &b c}}, expect: deny}]":           "anchors",
		"cases: [{caller: {scope: [x]}, call: {tool: x}, expect: deny}]":      `Did you mean "scopes"?`,
		"cases: [{caller: {signed_in: soon}, call: {tool: x}, expect: deny}]": "soon",
		"cases: [{caller: {roles: admin}, call: {tool: x}, expect: deny}]":    "needs to be a list",
		"rules: []": `unknown key "rules"`,
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
