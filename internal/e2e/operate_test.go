package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// operate starts inProduction and has one call made.
func operate(t *testing.T) (p *production, call func()) {
	t.Helper()
	p = serve(t, inProduction, "KEY_PEPPER="+pepper, "UPSTREAM_TOKEN="+backstage)
	_, key := p.key("--name", "operator")
	c := p.client()
	call = func() {
		t.Helper()
		if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusOK {
			t.Fatalf("got %d %s, want 200", got.status, got.body)
		}
	}
	call()
	return p, call
}

// TestMetricsReference holds docs/reference/metrics.md to what a running server publishes.
func TestMetricsReference(t *testing.T) {
	t.Parallel()
	p, _ := operate(t)
	p.ask(p.client(), "GET", "https://mcp.test/nowhere", "")
	got := p.ask(http.DefaultClient, "GET", "http://"+p.Admin+"/-/metrics", "").body
	type metric struct{ kind, labels string }
	published, told := map[string]metric{}, map[string]metric{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (gatehouse_\S+) (\S+)$`).FindAllStringSubmatch(got, -1) {
		line := regexp.MustCompile(`(?m)^` + m[1] + `(?:_count)?(?:\{(.*)\})? `).FindStringSubmatch(got)
		var labels []string
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(line[1], -1) {
			labels = append(labels, "`"+l[1]+"`")
		}
		slices.Sort(labels)
		published[m[1]] = metric{m[2], strings.Join(labels, " ")}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(gatehouse_[a-z_]+)` \\| (\\w+) \\| ([^|]*) ?\\| .+ \\|$").FindAllStringSubmatch(read(t, "docs/reference/metrics.md"), -1) {
		labels := strings.Fields(m[3])
		slices.Sort(labels)
		told[m[1]] = metric{m[2], strings.Join(labels, " ")}
	}
	for name, m := range published {
		if told[name] != m {
			t.Errorf("%s: the page says %+v, the server %+v", name, told[name], m)
		}
	}
	for name := range told {
		if published[name] == (metric{}) {
			t.Errorf("%s is on the page, and not published", name)
		}
	}
	if !strings.Contains(got, `gatehouse_requests_total{code="GH-1305",method="GET",server="none"} 1`) {
		t.Error("a path that nobody serves is counted under a server")
	}
}

// A rehearsal of a reload says what the server would say, and changes nothing.
func TestReloadRehearsed(t *testing.T) {
	t.Parallel()
	p, _ := operate(t)
	fails := func(with, want string) {
		t.Helper()
		write(t, p.file, with)
		if out := p.fails(t, "config", "reload", "--dry-run", "-c", p.file); !strings.Contains(out, want) {
			t.Errorf("got %s, want %s", out, want)
		}
	}
	data, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	fails(strings.Replace(text, "listen: 127.0.0.1:0", "listen: 127.0.0.1:1", 1), "GH-2033 Cannot change while running: server.listen")
	fails(strings.Replace(text, "key.pem", "cert.pem", 1), "GH-2031")
	fails(strings.Replace(text, "gatehouse.db", "other.db", 1), "GH-2033 store cannot change")
	fails(strings.Replace(text, "limits:", "limit:", 1), "Did you mean \"limits\"?")
}

// What a reload says it has put in force is in force.
func TestReloadChangesTheTrail(t *testing.T) {
	t.Parallel()
	p, call := operate(t)
	calls := func() (n int) {
		for _, e := range p.trail() {
			if e["kind"] == "call" && e["method"] == "tools/list" {
				n++
			}
		}
		return n
	}
	eventually(t, "the call is written down", func() bool { return calls() == 1 })
	p.configure(t, inProduction+"audit: {include: [auth_failed, admin, denied]}\n")
	p.run("config", "reload")
	call()
	p.configure(t, inProduction)
	p.run("config", "reload")
	call()
	eventually(t, "calls are written down again", func() bool { return calls() >= 2 })
	if n := calls(); n != 2 {
		t.Errorf("got %d calls written down, want 2: not the one between", n)
	}
}

// Whoever looks after a server need not have its secrets.
func TestOperatorsNeedNoSecrets(t *testing.T) {
	t.Parallel()
	p, _ := operate(t)
	for _, command := range []string{"status", "audit tail", "audit search --kind admin", "key list", "ban list", "config reload --dry-run"} {
		cmd := exec.Command(gatehouseBinary(t), append(strings.Fields(command), "-c", p.file)...)
		cmd.Env = append(os.Environ(), "HOME="+p.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("gatehouse %s: %v\n%s", command, err, out)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"status": "No server runs over the installation in", "audit search --kind admin": "server.stop"} {
		cmd := exec.Command(gatehouseBinary(t), append(strings.Fields(command), "-c", p.file)...)
		cmd.Env = append(os.Environ(), "HOME="+p.dir)
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), want) {
			t.Errorf("gatehouse %s, while nothing runs: got %s, want %q", command, out, want)
		}
	}
}
