package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
)

// faulty answers by the name of the tool.
func faulty(w http.ResponseWriter, r *http.Request) {
	switch name := r.Header.Get("Mcp-Name"); name {
	case "fails":
		http.Error(w, "no", http.StatusInternalServerError)
	case "resets":
		panic(http.ErrAbortHandler)
	case "refuses":
		http.Error(w, "no", http.StatusUnauthorized)
	case "babbles":
		_, _ = fmt.Fprint(w, "<html>")
	default:
		answerJSON(w, `{"content":[],"tools":[]}`)
	}
}

// mcpAt is the address of the gateway's endpoint.
const mcpAt = "https://mcp.test/mcp"

// decision is a request, and what the trail shall have of it.
type decision struct {
	name string
	code string // empty: admitted
	kind string
	got  got
}

// decisions gathers what a server has decided for keys of different rights.
type decisions struct {
	p                        *production
	c                        *http.Client
	id, key, few, slow, dead string
	all                      []decision
}

// does notes an answer, and wants its code in it.
func (d *decisions) does(t *testing.T, name, kind, code string, g got) {
	t.Helper()
	if code != "" && !strings.Contains(g.body, code) {
		t.Errorf("%s: got %d %s, want %s", name, g.status, g.body, code)
	}
	d.all = append(d.all, decision{name, code, kind, g})
}

// calls asks for what is admitted, of an upstream that works and that fails.
func (d *decisions) calls(t *testing.T) {
	d.does(t, "a list", "call", "", d.p.ask(d.c, "POST", mcpAt, toolsList, modern(d.key)...))
	d.does(t, "a tool", "tool_call", "", d.p.ask(d.c, "POST", mcpAt, toolCall("x", `{}`), toolHeaders(d.key, "x")...))
	for tool, code := range map[string]string{"fails": "", "resets": "GH-1601", "refuses": "GH-1602", "babbles": "GH-1604"} {
		d.does(t, "a tool that "+tool, "tool_call", code, d.p.ask(d.c, "POST", mcpAt, toolCall(tool, `{}`), toolHeaders(d.key, tool)...))
	}
}

// strangers brings every credential that is not taken.
func (d *decisions) strangers(t *testing.T) {
	d.does(t, "no credential", "auth_failed", "GH-1001", d.p.ask(d.c, "POST", mcpAt, toolsList))
	d.does(t, "a damaged key", "auth_failed", "GH-1010", d.p.ask(d.c, "POST", mcpAt, toolsList, modern(d.key[:len(d.key)-1]+"!")...))
	d.does(t, "another's token", "auth_failed", "GH-1011", d.p.ask(d.c, "POST", mcpAt, toolsList, modern("sk-x")...))
	d.does(t, "a revoked key", "auth_failed", "GH-1011", d.p.ask(d.c, "POST", mcpAt, toolsList, modern(d.dead)...))
	d.does(t, "two credentials", "auth_failed", "GH-1004", d.p.ask(d.c, "POST", mcpAt, toolsList, append(modern(d.key), "X-API-Key: "+d.key)...))
	d.does(t, "a key in the query", "auth_failed", "GH-1002", d.p.ask(d.c, "POST", mcpAt+"?k="+d.dead, toolsList, modern(d.key)...))
	d.does(t, "a variable", "auth_failed", "GH-1003", d.p.ask(d.c, "POST", mcpAt, toolsList, modern("${KEY}")...))
}

// refusals asks for what is denied to a key that is taken.
func (d *decisions) refusals(t *testing.T) {
	d.does(t, "a path", "denied", "GH-1305", d.p.ask(d.c, "POST", "https://mcp.test/nothing", toolsList, modern(d.key)...))
	d.does(t, "a path in another form", "denied", "GH-1007", d.p.ask(d.c, "POST", "https://mcp.test/mcp;x", toolsList, modern(d.key)...))
	d.does(t, "an origin", "denied", "GH-1006", d.p.ask(d.c, "POST", mcpAt, toolsList, append(modern(d.key), "Origin: https://evil.test")...))
	d.does(t, "a tool that the key may not call", "denied", "GH-1202", d.p.ask(d.c, "POST", mcpAt, toolCall("x", `{}`), toolHeaders(d.few, "x")...))
	d.does(t, "a method that nobody knows", "denied", "GH-1203", d.p.ask(d.c, "POST", mcpAt, `{"jsonrpc":"2.0","id":1,"method":"x/y"}`, "Authorization: Bearer "+d.key))
	d.does(t, "a body that is no JSON", "denied", "-32700", d.p.ask(d.c, "POST", mcpAt, `{`, modern(d.key)...))
	d.does(t, "a verb", "denied", "", d.p.ask(d.c, "PUT", mcpAt, ``, "Authorization: Bearer "+d.key))
	d.p.ask(d.c, "POST", mcpAt, toolsList, modern(d.slow)...)
	d.does(t, "one too many", "denied", "GH-1501", d.p.ask(d.c, "POST", mcpAt, toolsList, modern(d.slow)...))
	d.does(t, "an unknown session", "denied", "", d.p.ask(d.c, "POST", "https://mcp.test/sse/messages?session=x", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Authorization: Bearer "+d.key))
}

// olderDoor takes the ways of the older transport.
func (d *decisions) olderDoor(t *testing.T) {
	s, f := d.p.stream(t, d.c, d.key), d.p.stream(t, d.c, d.few)
	message := func(s *eventStream, key, body string) got {
		return d.p.ask(d.c, "POST", "https://mcp.test"+s.endpoint, body, "Authorization: Bearer "+key)
	}
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}`
	d.does(t, "a message of the older door", "tool_call", "", message(s, d.key, call))
	d.does(t, "a message of the older door that is refused", "denied", "", message(f, d.few, call))
	d.does(t, "a message that nobody knows there", "denied", "", message(s, d.key, `{"jsonrpc":"2.0","id":1,"method":"x/y"}`))
	d.does(t, "a message that cannot be read there", "denied", "", message(s, d.key, `{`))
	d.does(t, "a message of another's stream", "denied", "", message(s, d.few, call))
	eventually(t, "both answers", func() bool {
		return strings.Contains(s.String(), `"result"`) && strings.Contains(f.String(), "GH-1202")
	})
}

// isOnTrail wants one event for a decision, with all that is to be in it.
func (a decision) isOnTrail(t *testing.T, p *production, id string) {
	t.Helper()
	request := a.got.header.Get("X-Request-Id")
	var of []map[string]any
	for _, e := range p.events(request) {
		if e["phase"] != "intent" {
			of = append(of, e)
		}
	}
	if len(of) != 1 {
		t.Errorf("%s: got %d events, want one: %v", a.name, len(of), of)
		return
	}
	e := of[0]
	if e["kind"] != a.kind && a.kind != "denied" || e["address"] != "127.0.0.1" || e["outcome"] == "" || e["time"] == nil {
		t.Errorf("%s: got %v, want kind %s, a time and an address", a.name, e, a.kind)
	}
	if strings.HasPrefix(a.code, "GH-") && e["code"] != a.code {
		t.Errorf("%s: got %v, want %s", a.name, e, a.code)
	}
	if a.kind == "tool_call" && (e["key"] != id || e["tenant"] != "default" || e["subject"] == nil || e["method"] != "tools/call" || e["name"] == nil) {
		t.Errorf("%s: got %v, want who and what", a.name, e)
	}
}

// TestA169OneEventForEachDecision takes every way that a request can end, once
// or twice, and counts what the trail has of each.
func TestA169OneEventForEachDecision(t *testing.T) {
	t.Parallel()
	up := newDouble(t, faulty)
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %v", strict), func(t *testing.T) {
			t.Parallel()
			p := serve(t, strings.NewReplacer("UPSTREAM", up.URL, "per_key: 10/min", "per_key: off", "per_address: 40/min", "per_address: off", "admin: {listen", fmt.Sprintf("audit: {strict: %v}\nadmin: {listen", strict)).Replace(limited))
			d := &decisions{p: p}
			d.id, d.key = p.key("--name", "k")
			_, d.few = p.key("--name", "few", "--tools", "get_*")
			_, d.slow = p.key("--name", "slow", "--limit", "1/h")
			_, d.dead = p.key("--name", "dead")
			p.run("key", "revoke", d.dead[5:17], "--yes")
			d.c = p.client()
			d.calls(t)
			d.strangers(t)
			d.refusals(t)
			d.olderDoor(t)
			if err := p.stop(); err != nil {
				t.Error(err)
			}
			for _, a := range d.all {
				a.isOnTrail(t, p, d.id)
			}
		})
	}
}

// TestA169RefusalsAtTheEdge wants refusals that no gateway sees in the trail too.
func TestA169RefusalsAtTheEdge(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, strings.ReplaceAll(allDoors, "UPSTREAM", up.URL))
	id, key := p.key("--name", "burnt")
	plain := p.plainClient()
	burnt := p.ask(plain, "POST", "http://mcp.test/mcp", toolsList, modern(key)...)
	bare := p.ask(plain, "POST", "http://mcp.test/mcp", toolsList)
	n := map[string]int{}
	for _, e := range p.trail() {
		code := fmt.Sprint(e["code"])
		n[code]++
		if code == "GH-1015" && (e["key"] != id || e["address"] != "127.0.0.1") || code == "GH-1016" && (e["request"] != bare.header.Get("X-Request-Id") || e["address"] != "127.0.0.1") {
			t.Errorf("got %v, want who and from where", e)
		}
	}
	if burnt.status != http.StatusForbidden || bare.status != http.StatusForbidden || n["GH-1015"] != 1 || n["GH-1016"] != 1 {
		t.Errorf("got %d, %d and events %v, want one for each refusal", burnt.status, bare.status, n)
	}
}

// TestA167NoInjectionIntoLogAndTrail says what is nasty in every position, to
// the real program: what is logged stays one line for each, of characters that print.
func TestA167NoInjectionIntoLogAndTrail(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	p.run("tenant", "create", "other")
	nasty := "a\r\n{\"level\":\"INFO\",\"forged\":true}\x1b[2J\x1b]8;;http://evil.test\x07\u202e\u2028\u0085\u200b\x7f"
	quoted, _ := json.Marshal(nasty)
	fits := strings.Map(func(r rune) rune { // a header
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, nasty) + "\xff\xc0"
	for _, c := range []*http.Client{p.client(), p.client(old)} {
		for _, body := range []string{
			`{"jsonrpc":"2.0","id":1,"method":` + string(quoted) + `}`,
			`{"jsonrpc":"2.0","id":` + string(quoted) + `,"method":"ping"}`,
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":` + string(quoted) + `,"arguments":{` + string(quoted) + `:` + string(quoted) + `}}}`,
			`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":` + string(quoted) + `}}}`,
			nasty,
		} {
			p.ask(c, "POST", "https://mcp.test/mcp", body, "Authorization: Bearer "+key)
		}
		for _, name := range []string{"User-Agent", "Origin", "Referer", "X-Forwarded-For", "Forwarded", "Authorization", "X-API-Key", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name", "X-Request-Id", "Content-Type", "Traceparent"} {
			q := name + ": " + fits
			p.ask(c, "POST", "https://mcp.test/mcp", toolsList, append(modern(key), q)...)
		}
		p.ask(c, "POST", "https://mcp.test/mcp?a%0d%0a%1b[2J=%e2%80%ae", toolsList, modern(key)...)
		p.ask(c, "POST", "https://mcp.test/%0d%0a%1b[2J%e2%80%ae", toolsList, modern(key)...)
	}
	cmd := exec.Command(gatehouseBinary(t), "key", "create", "--name", nasty, "-c", p.file) // people may be hostile too
	cmd.Env = p.cmd.Env
	said, _ := cmd.CombinedOutput()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	trail, err := os.ReadFile(filepath.Join(p.dir, "state", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the log": p.stderr.String(), "the trail": string(trail), "a command": string(said)} {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }); i >= 0 && where != "a command" {
				t.Errorf("%s has what does not print: %.200q", where, line[max(0, i-40):])
			}
			if strings.ContainsAny(line, "\x1b\u202e\u2028\x07") {
				t.Errorf("%s has %.200q", where, line)
			}
			var m map[string]any
			if strings.HasPrefix(line, "{") && (json.Unmarshal([]byte(line), &m) != nil || m["forged"] != nil) {
				t.Errorf("%s has a line that was forged or broken: %.200q", where, line)
			}
			if len(line) > 40_000 {
				t.Errorf("%s has a line of %d bytes", where, len(line))
			}
		}
	}
}

// canary is a secret that is found again by its name.
func canary(name string) string { return "canary-" + name + "-0123456789abcdef0123456789abcdef" }

// serveCanaries starts a server with a canary for each secret of its configuration, every line of its log on.
func serveCanaries(t *testing.T, up *double, canaries map[string]string) *production {
	t.Helper()
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	text := strings.NewReplacer(
		"auth: {api_keys: {}}", `auth: {api_keys: {pepper: "${PEPPER}"}}`,
		`url: "UPSTREAM/mcp"}`, `url: "UPSTREAM/mcp", forward: {identity: jwt, authorization: "Bearer ${UPSTREAM_TOKEN}"}}`+"\n"+
			"  - {name: child, path: /child, stdio: {command: [GATEHOUSE, demo-server], secrets: {TOKEN: \"${CHILD_TOKEN}\"}}}",
		"gatehouse.db}", `gatehouse.db, encryption_key: "${STORE_KEY}"}`,
	).Replace(plainly)
	p.configure(t, strings.NewReplacer("UPSTREAM/", up.URL+"/", "GRACE", "1s", "AUDIT", "strict: true").Replace(text))
	cmd := exec.Command(gatehouseBinary(t), "serve", "--json", "--verbose", "-c", p.file)
	cmd.Env = append(os.Environ(), "HOME="+p.dir)
	for _, name := range []string{"PEPPER", "UPSTREAM_TOKEN", "CHILD_TOKEN", "STORE_KEY"} {
		canaries[name] = canary(name)
		cmd.Env = append(cmd.Env, name+"="+canaries[name])
	}
	p.program = start(t, cmd)
	select {
	case <-p.stdout.line:
	case err := <-p.done:
		t.Fatalf("ended with %v\n%s", err, p.stderr)
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), p); err != nil {
		t.Fatalf("%v: %s%s", err, p.stdout, p.stderr)
	}
	return p
}

// askWithCanaries puts the canaries of clients wherever a request has a place for one.
func (p *production) askWithCanaries(c *http.Client, canaries map[string]string, key, wrong string) {
	for _, tool := range []string{"x", "fails", "resets", "refuses", "babbles"} {
		p.ask(c, "POST", "https://mcp.test/mcp", toolCall(tool, `{"password":"`+canaries["argument"]+`","x":"`+canaries["argument"]+`"}`),
			append(toolHeaders(key, tool), "Cookie: a="+canaries["cookie"], "X-Secret: "+canaries["header"])...)
	}
	p.ask(c, "POST", "https://mcp.test/child", toolsList, modern(key)...)
	p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(canaries["token"])...)
	p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(wrong)...)
	p.ask(c, "POST", "https://mcp.test/mcp?access_token="+canaries["query"], toolsList, modern(key)...)
	p.ask(c, "POST", "https://mcp.test/mcp?x="+key, toolsList)
	p.ask(c, "GET", "https://mcp.test/"+canaries["path"], "", "Accept: text/html")
	p.ask(c, "POST", "https://mcp.test/mcp", `{"jsonrpc":"2.0","id":1,"method":"x/`+canaries["argument"]+`"`, modern(key)...)
}

// canaryCommands lists the commands that tell of a server and what it keeps.
func canaryCommands(p *production, key string) [][]string {
	return [][]string{
		{"config", "expand"}, {"config", "validate"}, {"key", "list", "--json"}, {"key", "show", key[5:17]}, {"audit", "search", "--json"}, {"audit", "export"}, {"signing-key", "list"},
		{"tenant", "list"}, {"ban", "list"}, {"db", "status"}, {"db", "backup", filepath.Join(p.dir, "copy.db")}, {"config", "reload"}, {"serve", "--dry-run"},
	}
}

// commandsSay runs them all, and returns what they print.
func (p *production) commandsSay(t *testing.T, key string) string {
	t.Helper()
	var out strings.Builder
	for _, args := range canaryCommands(p, key) {
		cmd := exec.Command(gatehouseBinary(t), append(args, "-c", p.file)...)
		cmd.Env = p.cmd.Env
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, text)
		}
		out.Write(text)
	}
	return out.String()
}

// dumps asks for the memory dump of SIGQUIT, and waits for the end.
func (p *production) dumps(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	p.done <- <-p.done
	if !regexp.MustCompile(`(?m)^goroutine \d+ `).MatchString(p.stderr.String()) {
		t.Error("SIGQUIT printed no goroutines")
	}
}

// lookForCanaries wants no secret in anything that came out.
func lookForCanaries(t *testing.T, canaries, files map[string]string) {
	t.Helper()
	for name, secret := range canaries {
		for where, text := range files {
			if name == "path" && where == "the output" {
				continue // a path that is not served is no secret, and an operator wants to see it
			}
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has the secret %s: …%.160q", where, name, text[max(0, i-80):])
			}
		}
	}
}

// TestA168CanarySweep puts a secret of its own into each place where one may
// be, does what there is to do, and looks for them in all that comes out: the
// log with every line on, trail, metrics, status, commands, backup, the memory
// dump that SIGQUIT asks for.
func TestA168CanarySweep(t *testing.T) {
	t.Parallel()
	up := newDouble(t, faulty)
	canaries := map[string]string{}
	p := serveCanaries(t, up, canaries)
	_, key := p.key("--name", "k")
	_, wrong := p.key("--name", "wrong")
	p.run("key", "revoke", wrong[5:17], "--yes")
	for name, k := range map[string]string{"a key": key, "a revoked key": wrong} {
		canaries[name] = k[len("gthk_")+13 : len(k)-6]
	}
	for _, name := range []string{"argument", "cookie", "header", "token", "query", "path"} {
		canaries[name] = canary(name)
	}
	for name, c := range map[string]*http.Client{"h2": p.client(), "h1": p.client(old)} {
		p.askWithCanaries(c, canaries, key, wrong)
		t.Log(name)
	}
	s := p.stream(t, p.client(), key)
	var out strings.Builder
	out.WriteString(p.commandsSay(t, key))
	out.WriteString(p.metricsPage(t) + p.operators(t, "/-/ready") + p.operators(t, "/-/live") + s.String())
	time.Sleep(100 * time.Millisecond)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if err == nil {
		out.Write(line)
	}
	p.dumps(t)
	files := map[string]string{"a command": out.String(), "the output": p.stdout.String() + p.stderr.String()}
	_ = filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			files[path] = string(text)
		}
		return err
	})
	lookForCanaries(t, canaries, files)
}
