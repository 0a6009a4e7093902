package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// inProduction is what stands on the internet: TLS, a key for each client, limits, a trail.
const inProduction = `version: 1
server:
  public_url: https://mcp.test
  listen: 127.0.0.1:0
  plain_listen: 127.0.0.1:0
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
servers:
  - name: demo
    path: /mcp
    sse: /sse
    stdio: {command: [GATEHOUSE, demo-server], secrets: {TOKEN: "${UPSTREAM_TOKEN}"}}
auth: {api_keys: {pepper: "${KEY_PEPPER}"}}
policy: {default: allow}
limits: {per_key: 30/min, failed_auth: {per_ip: 10000/min, ban: 1m}}
store: {sqlite: DIR/state/gatehouse.db}
admin: {listen: 127.0.0.1:0}
`

const (
	toolsList = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	pepper    = "pepper-canary-of-the-checklist-0123456789"
	backstage = "upstream-token-canary"
)

// modern are the headers of a tools/list of 2026-07-28, with a key.
func modern(key string) []string {
	return []string{"Authorization: Bearer " + key, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"}
}

// TestChecklist asserts the security checklist against a running production
// configuration, one point after the other. PKCE is of a login, which this
// configuration does not have.
func TestChecklist(t *testing.T) {
	t.Parallel()
	p := serve(t, inProduction, "KEY_PEPPER="+pepper, "UPSTREAM_TOKEN="+backstage)
	c := p.client()
	const url = "https://mcp.test/mcp"
	id, key := p.key("--name", "checklist")
	if got := p.ask(c, "POST", url, toolsList, modern(key)...); got.status != http.StatusOK {
		t.Fatalf("got %d %s with a key, want 200", got.status, got.body)
	}
	for _, point := range []struct {
		name  string
		holds func(*testing.T, *production, *http.Client, string, string)
	}{
		{"1 every endpoint demands a credential", demandsCredentials},
		{"2 HTTPS only", httpsOnly},
		{"3 keys are long, random, one per client and stored as a hash", keysAreHashed},
		{"4 keys rotate without downtime and are revoked without restart", keysChange},
		{"5 limits per key", limitsPerKey},
		{"6 failed attempts are logged with address and time", failuresAreLogged},
		{"7 secrets are in the environment, never in files", secretsStayOut},
		{"8 an audit trail", auditTrail},
	} {
		t.Run(point.name, func(t *testing.T) { point.holds(t, p, c, id, key) })
	}
}

func demandsCredentials(t *testing.T, p *production, c *http.Client, _, _ string) {
	for _, path := range []string{"/mcp", "/mcp/", "/", "/sse", "/sse/messages?session=x", "/messages", "/.well-known/oauth-protected-resource", "/-/live", "/-/ready", "/-/metrics", "/v1/keys", "/debug/pprof/", "/admin", "/other"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			body := ""
			if method == "POST" {
				body = toolsList
			}
			got := p.ask(c, method, "https://mcp.test"+path, body, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list")
			if got.status < 400 || got.status >= 500 || strings.Contains(got.body, "tools") && strings.Contains(got.body, "inputSchema") {
				t.Errorf("%s %s: got %d %.200s without a credential, want a refusal", method, path, got.status, got.body)
			}
		}
	}
	got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList)
	if got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") || strings.Contains(got.header.Get("WWW-Authenticate"), "error=") {
		t.Errorf("got %d %q, want 401 with a challenge that names no error", got.status, got.header.Get("WWW-Authenticate"))
	}
}

func httpsOnly(t *testing.T, p *production, c *http.Client, _, key string) {
	got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...)
	if !strings.HasPrefix(got.header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("got HSTS %q", got.header.Get("Strict-Transport-Security"))
	}
	old := p.client(func(way *http.Transport) { way.TLSClientConfig.MaxVersion = tls.VersionTLS11 })
	if _, err := old.Get("https://mcp.test/mcp"); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	id, burnt := p.key("--name", "burnt")
	for name, where := range map[string]*http.Client{"the port for TLS": p.client(), "the port for plain HTTP": p.plainClient()} {
		got := p.ask(where, "POST", "http://mcp.test/mcp", toolsList, modern(burnt)...)
		if got.status < 400 || got.status >= 500 || got.header.Get("Location") != "" || !strings.Contains(got.body, "GH-1015") {
			t.Errorf("%s: got %d %s, Location %q for a key in the clear, want GH-1015 and no redirect", name, got.status, got.body, got.header.Get("Location"))
		}
	}
	n := 0
	for _, e := range p.trail() {
		if e["code"] == "GH-1015" && e["key"] == id {
			n++
		}
	}
	if n != 2 {
		t.Errorf("got %d events about the burnt key %s, want 2", n, id)
	}
}

func keysAreHashed(t *testing.T, p *production, _ *http.Client, _, key string) {
	if !regexp.MustCompile(`^gthk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$`).MatchString(key) {
		t.Errorf("got %q, want 256 random bits", key)
	}
	_, other := p.key("--name", "other")
	if other == key || other[18:] == key[18:] {
		t.Error("two clients have one key")
	}
	secret := key[len("gthk_")+13 : len(key)-6]
	p.lookFor(t, secret)
}

// lookFor wants a secret in no file below the state, nor in what was logged.
func (p *production) lookFor(t *testing.T, secret string) {
	t.Helper()
	err := filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s has %.12s…", path, secret)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(p.stdout.String()+p.stderr.String(), secret) {
		t.Errorf("the output has %.12s…", secret)
	}
}

func keysChange(t *testing.T, p *production, c *http.Client, _, _ string) {
	id, first := p.key("--name", "changing")
	var next struct{ ID, Key string }
	if err := json.Unmarshal([]byte(p.run("key", "rotate", id, "--overlap", "1h", "--json")), &next); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"the old key in its overlap": first, "the new key": next.Key} {
		if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", name, got.status, got.body)
		}
	}
	pid := p.PID
	p.run("key", "revoke", next.ID, "--yes")
	began := time.Now()
	for p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(next.Key)...).status != http.StatusUnauthorized {
		if time.Since(began) > time.Second+slack() {
			t.Fatal("a revoked key is still accepted")
		}
	}
	if got := p.run("status", "--json"); !strings.Contains(got, fmt.Sprintf(`"pid":%d`, pid)) {
		t.Errorf("got %s, want the same process", got)
	}
}

func limitsPerKey(t *testing.T, p *production, c *http.Client, _, _ string) {
	_, busy := p.key("--name", "busy")
	_, calm := p.key("--name", "calm")
	passed, refused, began := 0, got{}, time.Now()
	for range 40 {
		if g := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(busy)...); g.status == http.StatusOK {
			passed++
		} else {
			refused = g
		}
	}
	if back := int(time.Since(began) / (2 * time.Second)); passed < 30 || passed > 31+back { // one comes back every two seconds
		t.Errorf("got %d of 40 calls through, want 30", passed)
	}
	if h := refused.header; refused.status != http.StatusTooManyRequests || h.Get("Retry-After") == "" || h.Get("RateLimit") == "" || h.Get("RateLimit-Policy") == "" {
		t.Errorf("got %d %v, want 429 with Retry-After and RateLimit", refused.status, h)
	}
	if g := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(calm)...); g.status != http.StatusOK {
		t.Errorf("got %d for another key, want 200", g.status)
	}
}

func failuresAreLogged(t *testing.T, p *production, c *http.Client, _, _ string) {
	began := time.Now().Add(-time.Second)
	_, dead := p.key("--name", "dead")
	p.run("key", "revoke", dead[5:17], "--yes")
	got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(dead)...)
	if got.status != http.StatusUnauthorized {
		t.Fatalf("got %d, want 401", got.status)
	}
	request := got.header.Get("X-Request-Id")
	for _, e := range p.trail() {
		if e["request"] != request {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, e["time"].(string)) //nolint:forcetypeassert // a test
		if err != nil || at.Before(began) || at.After(time.Now().Add(time.Second)) || e["kind"] != "auth_failed" || e["address"] != "127.0.0.1" || e["code"] != "GH-1011" || e["key"] != dead[5:17] {
			t.Errorf("got %v, want time, address, code and the key's id", e)
		}
		return
	}
	t.Error("the trail does not have the refusal")
}

func secretsStayOut(t *testing.T, p *production, _ *http.Client, _, _ string) {
	p.lookFor(t, pepper)
	p.lookFor(t, backstage)
	if out := p.run("config", "expand"); strings.Contains(out, pepper) || strings.Contains(out, backstage) {
		t.Errorf("config expand shows a secret:\n%s", out)
	}
	literal := filepath.Join(p.dir, "literal.yaml")
	write(t, literal, strings.ReplaceAll(strings.ReplaceAll(inProduction, "${KEY_PEPPER}", pepper), "DIR", p.dir))
	if out := p.fails(t, "config", "validate", "-c", literal); !strings.Contains(out, "is a secret") || strings.Contains(out, pepper) {
		t.Errorf("got %s, want a literal secret refused and not repeated", out)
	}
	if err := os.Remove(literal); err != nil {
		t.Error(err)
	}
}

func auditTrail(t *testing.T, p *production, _ *http.Client, id, _ string) {
	kinds := map[string]bool{}
	for _, e := range p.trail() {
		kinds[fmt.Sprint(e["kind"])] = true
		if e["action"] == "key.create" && e["phase"] == "result" && e["key"] == id && e["outcome"] != "ok" {
			t.Errorf("got %v", e)
		}
	}
	for _, want := range []string{"admin", "auth_failed", "denied", "call"} {
		if !kinds[want] {
			t.Errorf("the trail has no %s", want)
		}
	}
	if out := p.run("audit", "search", "--key", id, "--json"); !strings.Contains(out, "key.create") {
		t.Errorf("audit search --key %s: got %s, want the key's creation", id, out)
	}
	info, err := os.Stat(filepath.Join(p.dir, "state", "audit.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
}
