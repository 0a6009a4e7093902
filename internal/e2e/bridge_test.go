package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mcpCommand builds the client that reaches its server by a command. Beside it,
// under the name that desktops have for it, is its browser.
func mcpCommand(t testing.TB) string {
	t.Helper()
	program := build(t, "mcpclient", "./internal/e2e/mcpclient")
	dir := t.TempDir()
	for _, name := range []string{"mcpclient", "xdg-open"} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "mcpclient")
}

// TestBridgeConformance holds the bridge to what the official suite has for
// clients: every scenario passes, and none with a warning.
func TestBridgeConformance(t *testing.T) {
	t.Parallel()
	command := mcpCommand(t) + " " + gatehouseBinary(t)
	for name, what := range map[string]struct {
		args   []string
		passed int // scenarios
	}{
		"2026-07-28": {[]string{"--requirements", "2026-07-28"}, 39},
		"2025-11-25": {[]string{"--requirements", "2025-11-25"}, 25},
		"2025-03-26": {[]string{"--suite", "backcompat"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append([]string{npm(t, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js"), "client", "--command", command, "-o", dir}, what.args...)
			out, errs, _ := run(t, 5*time.Minute, node(t), args...)
			passed := 0
			for line := range strings.Lines(out) {
				scenario, _, _ := strings.Cut(strings.TrimLeft(line, "✓✗ "), ":")
				switch {
				case strings.HasPrefix(line, "✓ "):
					passed++
				case strings.HasPrefix(line, "✗ "):
					t.Errorf("%s%s", line, stderrOf(t, dir, scenario))
				}
			}
			if passed != what.passed || !strings.Contains(out, ", 0 warnings") {
				t.Errorf("%d scenarios pass, want %d\n%s%s", passed, what.passed, out, errs)
			}
		})
	}
}

// stderrOf is what the client and the bridge said in a scenario.
func stderrOf(t *testing.T, dir, scenario string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, scenario+"-2*", "stderr.txt"))
	if err != nil || len(files) == 0 {
		return "(it said nothing)"
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// TestA105SecretsStayOutOfSight: a key is in no argument, log or file of the
// bridge, however much it is told to say.
func TestA105SecretsStayOutOfSight(t *testing.T) {
	t.Parallel()
	g := up(t, "--demo")
	state := t.TempDir()
	cmd := exec.Command(gatehouseBinary(t), "bridge", g.URL, "--key-from", "env:GATEHOUSE_KEY", "--keychain", "file", "--state", state, "--verbose")
	cmd.Env = append(os.Environ(), "GATEHOUSE_KEY="+g.Key)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	_, _ = fmt.Fprintln(in, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	eventually(t, "the bridge answers", func() bool { return strings.Contains(p.stdout.String(), `"protocolVersion"`) })
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
	if err == nil && bytes.Contains(line, []byte(g.Key)) {
		t.Errorf("the arguments are %q", line)
	}
	_ = in.Close()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(patience):
		t.Fatal("the bridge does not end with its client")
	}
	if said := p.stdout.String() + p.stderr.String(); strings.Contains(said, g.Key) {
		t.Errorf("it said %s", said)
	}
	for _, bad := range []string{g.Key, "Bearer " + g.Key, "keys:" + g.Key} {
		_, errs, code := run(t, patience, gatehouseBinary(t), "bridge", g.URL, "--key-from", bad, "--keychain", "file", "--state", state)
		if code != 2 || strings.Contains(errs, g.Key) {
			t.Errorf("exit %d, %s", code, errs)
		}
	}
}

// TestRealClientsByTheBridge has clients of the TypeScript SDKs and the Inspector
// start the bridge as their server: it signs their user in at our own
// authorization server, once, in a browser that the bridge opens.
func TestRealClientsByTheBridge(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")
	visits := 0
	browser := posted(t, func(at string) (string, error) {
		visits++
		back, err := ada.visit(t.Context(), at)
		if err != nil {
			return "", err
		}
		res, err := http.Get(back.String())
		if err != nil {
			return "", err
		}
		return res.Status, res.Body.Close()
	})
	bin, state := filepath.Dir(mcpCommand(t)), t.TempDir()
	env := append(os.Environ(), "SSL_CERT_FILE="+f.all, "BROWSER_BY="+browser, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	bridge := []string{gatehouseBinary(t), "bridge", f.url, "--keychain", "file", "--state", state}
	for _, era := range []string{"legacy", "auto", "old"} {
		cmd := exec.Command(node(t), append([]string{npmScript(t, "stdio.mjs"), era, reading}, bridge...)...)
		cmd.Env = env
		out, err := cmd.Output()
		var got struct {
			Version string
			Tools   []string
			Error   string
		}
		if err != nil || json.Unmarshal(out, &got) != nil || len(got.Tools) == 0 {
			t.Errorf("%s: %v\n%s%s", era, err, out, stderrIn(err))
			continue
		}
		t.Logf("%s: %s, %d tools", era, got.Version, len(got.Tools))
	}
	cmd := exec.Command(node(t), append([]string{npm(t, inspectorFile...), "--cli", "--method", "tools/list", "-e", "SSL_CERT_FILE=" + f.all, "--"}, bridge...)...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(`"tools"`)) {
		t.Errorf("Inspector: %v\n%s", err, out)
	}
	if visits != 1 {
		t.Errorf("the user signed in %d times", visits)
	}
	out, errs, code := run(t, patience, gatehouseBinary(t), "bridge", "status", "--json", "--keychain", "file", "--state", state)
	if code != 0 || !strings.Contains(out, `"issuer":"https://`+f.address+`"`) || !strings.Contains(out, `"renewing":true`) {
		t.Errorf("status: %s%s", out, errs)
	}
}

// stderrIn is what a program said that failed.
func stderrIn(err error) string {
	if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // it comes from Output as it is
		return string(e.Stderr)
	}
	return ""
}

// TestConformanceByTheBridge has the bridge listen before Gatehouse, and the
// official suite find what it finds at the server itself: TestConformance has it.
func TestConformanceByTheBridge(t *testing.T) {
	t.Parallel()
	server := goServer(t, true)
	g := up(t, server)
	cmd := exec.Command(gatehouseBinary(t), "bridge", g.URL, "--key-from", "env:GATEHOUSE_KEY", "--keychain", "file", "--state", t.TempDir(), "--listen", "127.0.0.1:0", "--json")
	cmd.Env = append(os.Environ(), "GATEHOUSE_KEY="+g.Key)
	p := start(t, cmd)
	var at struct{ URL, Key string }
	eventually(t, "the bridge listens", func() bool { return json.Unmarshal([]byte(p.stdout.String()), &at) == nil })
	through, out := suite(t, shim(t, at.URL, at.Key), "--requirements", "2026-07-28")
	for name, status := range through {
		if status == "FAILURE" && !strings.HasPrefix(name, "tasks-") {
			t.Errorf("%s fails", name)
		}
	}
	if passed := through.count("SUCCESS"); passed < 165 {
		t.Errorf("%d checks pass, want 165\n%s", passed, summary(out))
	}
}
