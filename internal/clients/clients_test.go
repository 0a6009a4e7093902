package clients

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

func TestEveryClientIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		for _, name := range append([]string{c.ID}, c.Also...) {
			if seen[name] || Find(name) == nil || Find(name).ID != c.ID || name != strings.ToLower(name) {
				t.Errorf("%s: the name %q finds %v", c.ID, name, Find(name))
			}
			seen[name] = true
		}
		if c.Name == "" || len(c.Sources) == 0 || len(c.Names) == 0 {
			t.Errorf("%s lacks a name, sources or its clientInfo.name", c.ID)
		}
		if c.Writes() == (len(c.Steps) > 0) {
			t.Errorf("%s has both a file and steps by hand, or neither", c.ID)
		}
		if c.Writes() && len(c.After) == 0 {
			t.Errorf("%s: what to do afterwards?", c.ID)
		}
		for _, s := range c.Sources {
			if !slices.Contains([]string{"run", "doc", "source", "issue", "memory"}, s.How) || s.What == "" || (s.Where == "") != (s.How == "memory") {
				t.Errorf("%s: source %+v", c.ID, s)
			}
		}
	}
}

// TestNoEntryHasASecret: a key is in no shape, only a reference to it.
func TestNoEntryHasASecret(t *testing.T) {
	for _, c := range All() {
		for _, w := range []Way{Open, ByOAuth, ByKey, ByBridge} {
			if !c.Writes() || !c.Can(w) {
				continue
			}
			text, err := c.Snippet(acme(w))
			if err != nil {
				t.Fatal(err)
			}
			if w == ByKey && !strings.Contains(text, "ACME_MCP_KEY") && !strings.Contains(text, "${input:acme-key}") {
				t.Errorf("%s refers to no variable:\n%s", c.ID, text)
			}
			if left := strings.NewReplacer("${", "", "{{", "").Replace(text); strings.Contains(left, "{url}") || strings.Contains(left, "{name}") || strings.Contains(left, "{var}") || strings.Contains(left, "{args}") {
				t.Errorf("%s, %s: not filled in:\n%s", c.ID, w, text)
			}
		}
	}
}

// TestEntriesAreReadBack: disconnect knows what connect was given.
func TestEntriesAreReadBack(t *testing.T) {
	for _, c := range All() {
		for _, w := range []Way{ByOAuth, ByKey, ByBridge} {
			if !c.Writes() || !c.Can(w) {
				continue
			}
			text, _, err := c.Put(nil, acme(w))
			if err != nil {
				t.Fatal(err)
			}
			v, ok := c.Server(text, "acme")
			if !ok || v.Way != w || v.URL != acme(w).URL || !slices.Equal(v.Line, acme(w).Line) {
				t.Errorf("%s, %s: got %+v, %v", c.ID, w, v, ok)
			}
			if again, _, err := c.Put(nil, v); err != nil || string(again) != string(text) {
				t.Errorf("%s, %s: %v\n%s\n%s", c.ID, w, err, again, text)
			}
		}
	}
}

func TestNamesAndVariables(t *testing.T) {
	for name, want := range map[string][2]string{
		"files": {"files", "FILES_MCP_KEY"}, "server-everything": {"server-everything", "SERVER_EVERYTHING_MCP_KEY"},
		"mcp.acme.com": {"mcp-acme-com", "MCP_ACME_COM_MCP_KEY"}, "../x": {"x", "X_MCP_KEY"}, "": {"server", "SERVER_MCP_KEY"},
		`a"b]`: {"a-b", "A_B_MCP_KEY"}, "ünïcode": {"n-code", "N_CODE_MCP_KEY"},
	} {
		if got := EntryName(name); got != want[0] || Variable(name) != want[1] {
			t.Errorf("%q: got %q, %q", name, got, Variable(name))
		}
	}
}

// TestAURLIsNoTemplate: what a server is called and where it is cannot become a
// member, a line, or something to be filled in.
func TestAURLIsNoTemplate(t *testing.T) {
	bad := Server{Name: "acme", URL: "https://x/{var}/{name}\"\n[evil]\r\ncommand = \"sh\"\n  evil:\n", Way: ByKey, Var: "V"}
	for _, c := range All() {
		if !c.Writes() || !c.Can(ByKey) {
			continue
		}
		text, _, err := c.Put(nil, bad)
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		if got, ok := c.URLOf(text, "acme"); !ok || got != bad.URL {
			t.Errorf("%s: got %q", c.ID, got)
		}
		if _, all, err := c.Entries(text, bad.URL); err != nil || len(all) != 1 {
			t.Errorf("%s: entries %q, %v", c.ID, all, err)
		}
	}
}

func TestLinks(t *testing.T) {
	link := Find("cursor").DeepLink(acme(ByKey))
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "cursor" || u.Query().Get("name") != "acme" {
		t.Fatalf("got %q, %v", link, err)
	}
	config, err := base64.StdEncoding.DecodeString(u.Query().Get("config"))
	if want := `{"url":"https://mcp.acme.com/mcp","headers":{"Authorization":"Bearer ${env:ACME_MCP_KEY}"}}`; err != nil || string(config) != want {
		t.Errorf("got %s, %v", config, err)
	}
	if got, err := url.PathUnescape(Find("vscode").DeepLink(acme(ByOAuth))); err != nil || got != `vscode:mcp/install?{"name":"acme","type":"http","url":"https://mcp.acme.com/mcp"}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestAFileWithServersBelowMCPIsKept(t *testing.T) {
	const before = "{\n  \"mcp\": {\n    \"servers\": {\n      \"b\": {\"type\": \"remote\", \"url\": \"x\"}\n    }\n  }\n}\n"
	got, _, err := Find("opencode").Put([]byte(before), acme(ByOAuth))
	if v, ok, lookup := edit.Lookup(edit.JSON, got, "mcp", "servers", "acme", "url"); err != nil || lookup != nil || !ok || v != "https://mcp.acme.com/mcp" {
		t.Errorf("got %v\n%s", err, got)
	}
}

// TestAnEntryOfClinesOwnCommandIsKnown has the transport one level down, where it
// would go before ours.
func TestAnEntryOfClinesOwnCommandIsKnown(t *testing.T) {
	const before = `{"mcpServers": {"acme": {"transport": {"type": "streamableHttp", "url": "https://mcp.acme.com/mcp"}, "timeout": 5}}}`
	c := Find("cline-cli")
	if to, _, err := c.Entries([]byte(before), acme(ByOAuth).URL); err != nil || len(to) != 1 {
		t.Errorf("got %q, %v", to, err)
	}
	if at, found := c.URLOf([]byte(before), "acme"); !found || at != acme(ByOAuth).URL {
		t.Errorf("got %q, %v", at, found)
	}
	for _, w := range []Way{ByOAuth, ByBridge} {
		got, _, err := c.Put([]byte(before), acme(w))
		_, nested, _ := edit.Lookup(edit.JSON, got, "mcpServers", "acme", "transport")
		kept, _, _ := edit.Lookup(edit.JSON, got, "mcpServers", "acme", "timeout")
		if again, more, err2 := c.Put(got, acme(w)); err != nil || err2 != nil || nested || kept == nil || len(more) > 0 || string(again) != string(got) {
			t.Errorf("%s: got %v, %v\n%s", w, err, err2, got)
		}
	}
}

// TestAVariableCanBeTheFile has the place of a file in a variable of the client.
func TestAVariableCanBeTheFile(t *testing.T) {
	s := &System{OS: "linux", Home: "/home/ada", Exists: func(string) bool { return false }, Getenv: func(name string) string {
		return map[string]string{"CLINE_MCP_SETTINGS_PATH": "/etc/cline.json", "CLINE_DIR": "/srv/cline"}[name]
	}}
	if got := Find("cline-cli").File(s, false); got != "/etc/cline.json" {
		t.Errorf("got %q", got)
	}
}

func TestPlacesThatOnlyWeReach(t *testing.T) {
	near := []string{"localhost", "127.0.0.1", "::1", "10.0.0.1", "192.168.1.2", "fd00::1", "169.254.1.1", "box", "box.local", "mcp.internal", "a.localhost."}
	far := []string{"mcp.acme.com", "203.0.113.7", "2001:db8::1", "localhost.example.com", "internal.example.com"}
	for _, host := range slices.Concat(near, far) {
		if got, want := OnlyHere(host), slices.Contains(near, host); got != want {
			t.Errorf("%s: got %v", host, got)
		}
	}
}
