package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// realClient is a client whose own program runs here, and what it says of a
// server that we connected it to.
type realClient struct {
	id, program string
	file        string // below the home directory
	key         string // the variable that has the key
	list        []string
	reads       string // what it says when it read the entry
	connects    string // and when it got in; empty: it does not try
}

func realClients() []realClient {
	return []realClient{
		{"claude-code", "claude", ".claude.json", "DEMO_MCP_KEY", []string{"mcp", "list"}, "demo: URL (HTTP)", "✔ Connected"},
		{"codex", "codex", ".codex/config.toml", "DEMO_MCP_KEY", []string{"mcp", "list", "--json"}, `"bearer_token_env_var": "DEMO_MCP_KEY"`, ""},
		{"gemini", "gemini", ".gemini/settings.json", "DEMO_MCP_KEY", []string{"mcp", "list"}, "demo: URL (http)", "Connected"},
	}
}

// seat is a home directory with clients in it.
type seat struct {
	t   *testing.T
	dir string
	env []string
}

func newSeat(t *testing.T, programs ...string) *seat {
	t.Helper()
	s := &seat{t: t, dir: stateDir(t)}
	bin := filepath.Join(s.dir, "bin")
	for _, dir := range []string{bin, filepath.Join(s.dir, "work")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		if err := os.Symlink(to, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("gatehouse", gatehouseBinary(t))
	link("node", node(t))
	for _, name := range programs {
		link(name, npm(t, programFile(name)...))
	}
	s.env = []string{
		"HOME=" + s.dir, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + s.dir + "/none", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "NO_COLOR=1", "GEMINI_CLI_TRUST_WORKSPACE=true",
		"DISABLE_AUTOUPDATER=1", "PATH=" + bin + ":/usr/bin:/bin", "GORACE=" + endsSoon,
	}
	return s
}

// programFile is where npm puts a client: Claude Code is a program for each system,
// which no script of the package has put in its place here.
func programFile(name string) []string {
	if name != "claude" {
		return []string{"node_modules", ".bin", name}
	}
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return []string{"node_modules", "@anthropic-ai", "claude-code-" + runtime.GOOS + "-" + arch, "claude"}
}

func (s *seat) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(s.dir, "bin", name), args...)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "work"), s.env
	return cmd
}

// must runs a program that has to succeed, and returns all that it says.
func (s *seat) must(name string, args ...string) string {
	s.t.Helper()
	out, err := s.command(name, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	noRace(s.t, string(out))
	return string(out)
}

// TestRealClientsReadWhatConnectWrites has the programs themselves judge the
// files: written by hand and by their own command, they read the entry, and those
// that try get in with the key that the entry refers to.
func TestRealClientsReadWhatConnectWrites(t *testing.T) {
	t.Parallel()
	g := up(t, "--demo")
	for _, c := range realClients() {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			for _, how := range []string{"--file", "--file=false"} {
				s := newSeat(t, c.program)
				var r struct{ State, File, Way, Variable string }
				out, err := s.command("gatehouse", "connect", c.id, "--yes", "--json", "--state", g.State, how).Output()
				if err != nil || json.Unmarshal(out, &r) != nil || r.State != "written" || r.Way != "key" || r.Variable != c.key {
					t.Fatalf("%s: got %s, %v", how, out, err)
				}
				before, err := os.ReadFile(filepath.Join(s.dir, c.file))
				if err != nil || strings.Contains(string(before), g.Key) {
					t.Fatalf("%s: %v\n%s", how, err, before)
				}
				s.env = append(s.env, c.key+"="+g.Key)
				said := s.must(c.program, c.list...)
				if !strings.Contains(said, strings.ReplaceAll(c.reads, "URL", g.URL)) || !strings.Contains(said, c.connects) {
					t.Errorf("%s: %s says\n%s", how, c.program, said)
				}
				if again := s.must("gatehouse", "connect", c.id, "--yes", "--state", g.State); !strings.Contains(again, "is connected to "+g.URL+" already") {
					t.Errorf("%s: a second time: %s", how, again)
				}
				s.must("gatehouse", "disconnect", c.id, "--yes", "--state", g.State)
				if how == "--file" { // once is enough: the programs are slow
					if said := s.must(c.program, c.list...); strings.Contains(said, g.URL) {
						t.Errorf("taken out, %s says\n%s", c.program, said)
					}
				}
			}
		})
	}
}

// TestConnectWaitsForTheClient has Claude Code come while connect waits for it,
// at first without the key.
func TestConnectWaitsForTheClient(t *testing.T) {
	t.Parallel()
	g := up(t, "--demo")
	s := newSeat(t, "claude")
	p := start(t, s.command("gatehouse", "connect", "claude-code", "--yes", "--file", "--state", g.State, "--wait", "60s"))
	eventually(t, "connect to wait", func() bool { return strings.Contains(p.stderr.String(), "Waiting for the first request") })
	s.must("claude", "mcp", "list")
	eventually(t, "the refusal", func() bool { return strings.Contains(p.stderr.String(), "GH-1003") })
	s.env = append(s.env, "DEMO_MCP_KEY="+g.Key)
	s.must("claude", "mcp", "list")
	if err := <-p.done; err != nil || !strings.Contains(p.stdout.String(), `Claude Code connected with key "dev"`) {
		t.Errorf("got %v\n%s%s", err, p.stdout, p.stderr)
	}
	p.done <- nil
}

// TestConnectThroughTheBridge has Claude Code start the bridge, which has the key
// from the keychain: it is in no file, variable or argument of the client.
func TestConnectThroughTheBridge(t *testing.T) {
	t.Parallel()
	g := up(t, "--demo")
	s := newSeat(t, "claude")
	s.must("gatehouse", "connect", "claude-code", "--via", "bridge", "--yes", "--state", g.State)
	s.must("gatehouse", "key", "create", "--name", "claude", "--out", "keychain:demo", "--state", g.State)
	if said := s.must("claude", "mcp", "list"); !strings.Contains(said, "bridge "+g.URL+" --key-from keychain:demo") || !strings.Contains(said, "✔ Connected") {
		t.Errorf("claude says\n%s", said)
	}
}

// TestTheInspectorReadsWhatConnectWrites connects it to a server that lets everybody in.
func TestTheInspectorReadsWhatConnectWrites(t *testing.T) {
	t.Parallel()
	server := goServer(t, true)
	s := newSeat(t)
	if out := s.must("gatehouse", "connect", "inspector", server, "--name", "open", "--yes"); !strings.Contains(out, "The server lets everybody in.") {
		t.Errorf("got %s", out)
	}
	out := s.must("node", npm(t, inspectorFile...), "--cli", "--config", filepath.Join(s.dir, ".mcp-inspector", "mcp.json"), "--server", "open", "--method", "tools/list")
	if !strings.Contains(out, "test_simple_text") {
		t.Errorf("got %s", out)
	}
}

// TestConnectAsksTheServer connects clients to a server that people sign in to:
// nobody has said so, and no entry has a key or a variable in it.
func TestConnectAsksTheServer(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	s := newSeat(t)
	s.env = append(s.env, "SSL_CERT_FILE="+f.all)
	for client, want := range map[string]string{"cursor": "oauth", "claude-code": "oauth", "claude-desktop": "bridge", "zed": "oauth"} {
		var r struct{ Way, Snippet, Variable string }
		out, err := s.command("gatehouse", "connect", client, f.url, "--print", "--json").Output()
		if err != nil || json.Unmarshal(out, &r) != nil || r.Way != want || r.Variable != "" || strings.Contains(r.Snippet, "KEY") || strings.Contains(r.Snippet, "--key-from") {
			t.Errorf("%s: got %s, %v", client, out, err)
		}
	}
}

// TestClaudeCodeSignsInWithWhatConnectWrote has Claude Code send its user to our
// authorization server, of an entry with a URL and nothing else, and come back in.
func TestClaudeCodeSignsInWithWhatConnectWrote(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		missing(t, "script") // it signs in on a terminal only
	}
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	user := settle(t, f, "ada")
	w := user.window(t)
	browser := filepath.Join(w.home, "browser")
	s := newSeat(t, "claude")
	if err := os.Symlink(browser, filepath.Join(s.dir, "bin", "xdg-open")); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "BROWSER="+browser, "SSL_CERT_FILE="+f.all, "NODE_EXTRA_CA_CERTS="+f.all)
	s.must("gatehouse", "connect", "claude-code", f.url, "--name", "weather", "--yes", "--no-wait")
	cmd := exec.CommandContext(w.ctx, "script", "-qec", filepath.Join(s.dir, "bin", "claude")+" mcp login weather", os.DevNull)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "work"), s.env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Authenticated") {
		t.Fatalf("claude mcp login: %v\n%s", err, out)
	}
	if said := s.must("claude", "mcp", "list"); !strings.Contains(said, "✔ Connected") {
		t.Errorf("signed in, claude says\n%s", said)
	}
	if sent := w.requests(); len(sent) != 1 || sent[0]["resource"] != f.url {
		t.Errorf("its user was sent to %v", sent)
	}
}
