package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asks sends one request of the newer era with a key, and returns the answer.
func (p *production) asks(key, method, name, params string) got {
	p.t.Helper()
	headers := []string{"Authorization: Bearer " + key, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " + method}
	if name != "" {
		headers = append(headers, "Mcp-Name: "+name)
	}
	body := strings.Replace(toolsList, `"tools/list","params":{`, fmt.Sprintf(`%q,"params":{%s`, method, params), 1)
	return p.ask(p.client(), "POST", "https://mcp.test/mcp", body, headers...)
}

const rulesToServe = `version: 1
server: {listen: '127.0.0.1:0', public_url: 'https://mcp.test', tls: {files: {cert: cert.pem, key: key.pem}}}
servers: [{name: demo, stdio: {command: [GATEHOUSE, demo-server]}}]
auth: {api_keys: {}}
tenants: {attributes: {default: {greeting: hello}}}
policy:
  default: deny
  rules:
    - {name: small, tools: [add], when: args.a < 100 && args.b < 100}
    - {name: polite, tools: [echo], when: args.text startsWith tenant.greeting}
    - {name: by method, tools: [now], when: request.method == "tools/call" && request.server == "demo"}
    - {name: not guests, tools: [now], keys: [guest], effect: deny}
    - {name: welcome, resources: ["demo://welcome"]}
  files: rules.d/*.yaml
store: {sqlite: state/g.db}
`

// TestRulesThroughTheGateway has rules decide about arguments, prompts and
// resources of a real server, about what its lists show, and about a call that
// is refused by a rule from a file which is added while it runs.
func TestRulesThroughTheGateway(t *testing.T) {
	t.Parallel()
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	if err := os.Mkdir(filepath.Join(p.dir, "rules.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.dir, "rules.d", "a.yaml"), "rules: [{name: more, tools: [nothing]}]\n")
	p.configure(t, rulesToServe)
	p.launch(t)
	_, ada := p.key("--name", "ada")
	_, guest := p.key("--name", "guest")
	for _, tt := range []struct {
		key, name, args string
		want            int
	}{
		{ada, "add", `{"a":1,"b":2}`, 200},
		{ada, "add", `{"a":100,"b":2}`, 403},
		{ada, "add", `{"a":"1","b":2}`, 403},
		{ada, "add", `{"a":1e400,"b":2}`, 403},
		{ada, "add", `{"b":2}`, 403},
		{ada, "echo", `{"text":"hello there"}`, 200},
		{ada, "echo", `{"text":"hi"}`, 403},
		{ada, "now", `{}`, 200},
		{guest, "now", `{}`, 403},
		{ada, "countdown", `{"from":1}`, 403},
		{ada, "delete_note", `{"id":"1"}`, 403},
	} {
		got := p.asks(tt.key, "tools/call", tt.name, fmt.Sprintf(`"name":%q,"arguments":%s,`, tt.name, tt.args))
		if got.status != tt.want || tt.want == 403 && !strings.Contains(got.body, "GH-1202") {
			t.Errorf("%s %s: got %d %s, want %d", tt.name, tt.args, got.status, got.body, tt.want)
		}
	}
	for _, tt := range []struct {
		method, name, params string
		want                 int
	}{
		{"resources/read", "demo://welcome", `"uri":"demo://welcome",`, 200},
		{"resources/read", "demo://x/../welcome", `"uri":"demo://x/../welcome",`, 403},
		{"prompts/get", "introduce", `"name":"introduce",`, 403},
	} {
		if got := p.asks(ada, tt.method, tt.name, tt.params); got.status != tt.want {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.name, got.status, got.body, tt.want)
		}
	}
	for key, want := range map[string]string{ada: "add echo now", guest: "add echo"} {
		if got := toolsIn(p.asks(key, "tools/list", "", "").body); got != want {
			t.Errorf("tools: got %s, want %s", got, want)
		}
	}
	takesARule(t, p, ada)
}

// takesARule adds a file with a rule while the program runs.
func takesARule(t *testing.T, p *production, key string) {
	t.Helper()
	write(t, filepath.Join(p.dir, "rules.d", "b.yaml"), "rules: [{name: no sums, tools: [add], effect: deny}]\n")
	p.reloaded(t)
	if got := p.asks(key, "tools/call", "add", `"name":"add","arguments":{"a":1,"b":2},`); got.status != http.StatusForbidden {
		t.Errorf("got %d %s with a rule of a file that was added, want 403", got.status, got.body)
	}
	events := p.trail()
	last := events[len(events)-1]
	if said := fmt.Sprint(last["rules"], " ", last["reason"]); !strings.HasPrefix(said, "[no sums small] ") || !strings.Contains(said, `rules.d/b.yaml:1) denies it`) {
		t.Errorf("the trail says %s", said)
	}
}

var toolName = regexp.MustCompile(`"name":"([a-z_]+)"`)

// toolsIn are the names of the tools in an answer, in order.
func toolsIn(body string) string {
	var all []string
	for _, m := range toolName.FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
