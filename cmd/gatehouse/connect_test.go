package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
	"github.com/gatehouse-mcp/gatehouse/internal/clients/entrance"
)

// atHome is an app in an empty home directory, and what it writes.
func atHome(t *testing.T, typed string, env ...string) (*app, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	home := t.TempDir()
	return &app{
		in: strings.NewReader(typed), out: &out, err: &out, now: func() time.Time { return time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC) },
		environ: append([]string{"HOME=" + home, "PATH="}, env...),
	}, &out
}

// entered is a server that says how it is entered.
func entered(url string, w clients.Way, register ...string) *target {
	return &target{name: "acme", url: url, enter: &entrance.Entrance{Way: w, Register: register}}
}

func TestHowClientsGetIn(t *testing.T) {
	const public, local = "https://mcp.acme.com/mcp", "http://127.0.0.1:8080/mcp"
	tests := []struct {
		client string
		to     *target
		q      connecting
		want   string // the way and what it needs, or the code of the refusal
	}{
		{"cursor", entered(public, clients.ByOAuth, "dcr"), connecting{}, "oauth"},
		{"cursor", entered(public, clients.ByKey), connecting{}, "key ACME_MCP_KEY"},
		{"cursor", entered(public, clients.ByOAuth, "dcr"), connecting{keyFrom: "env:MY_KEY"}, "key MY_KEY"},
		{"cursor", entered(public, clients.ByKey), connecting{via: "bridge"}, "bridge keychain:acme"},
		{"cursor", entered(public, clients.ByKey), connecting{keyFrom: "file:/k"}, "bridge file:/k"},
		{"cursor", entered(public, clients.ByKey), connecting{via: "bridge", keyFrom: "env:K"}, "bridge env:K"},
		{"cursor", entered(public, clients.ByOAuth, "dcr"), connecting{via: "bridge"}, "bridge"},
		{"cursor", entered(public, clients.Open), connecting{}, "open"},
		{"claude-desktop", entered(public, clients.ByOAuth, "dcr"), connecting{}, "bridge"},
		{"claude-desktop", entered(public, clients.ByKey), connecting{}, "bridge keychain:acme"},
		{"zed", entered(public, clients.ByOAuth, "cimd"), connecting{}, "oauth"},
		{"zed", entered(public, clients.ByKey), connecting{}, "bridge keychain:acme"},
		{"vscode", entered(public, clients.ByKey), connecting{}, "key ACME_MCP_KEY"},
		{"chatgpt", entered(public, clients.ByOAuth, "cimd"), connecting{}, "oauth"},
		{"chatgpt", entered(public, clients.ByKey), connecting{}, "GH-2205"},
		{"claude-ai", entered(public, clients.ByKey), connecting{}, "GH-2205"},
		{"chatgpt", entered(local, clients.ByOAuth, "cimd"), connecting{}, "GH-2206"},
		{"claude-ai", entered("https://mcp.internal/mcp", clients.ByOAuth), connecting{}, "GH-2206"},
		{"claude-ai", entered("https://10.1.2.3/mcp", clients.ByOAuth), connecting{}, "GH-2206"},
		{"continue", entered(public, clients.ByOAuth), connecting{}, "GH-2205"},
		{"n8n", entered(public, clients.ByKey), connecting{via: "bridge"}, "GH-2205"},
	}
	for _, tt := range tests {
		a, _ := atHome(t, "")
		got := ""
		p, err := a.plan(&tt.q, clients.Find(tt.client), tt.to)
		var f *fault
		switch {
		case errors.As(err, &f):
			got = f.code
		case err != nil:
			t.Fatal(err)
		case p.server.Way == clients.ByBridge:
			got = strings.TrimSpace("bridge " + strings.TrimPrefix(strings.Join(p.server.Line[3:], " "), "--key-from "))
		default:
			got = strings.TrimSpace(string(p.server.Way) + " " + p.server.Var)
		}
		if got != tt.want {
			t.Errorf("%s, %s at %s, %+v: got %q, want %q", tt.client, tt.to.enter.Way, tt.to.url, tt.q, got, tt.want)
		}
	}
}

func TestWhatPeopleAreWarnedOf(t *testing.T) {
	tests := []struct {
		client string
		to     *target
		want   string // part of a warning; empty: there is none
	}{
		{"cursor", entered("https://a.example/mcp", clients.ByKey), "does not see your shell's variables"},
		{"cursor", entered("http://a.example/mcp", clients.ByKey), "plain HTTP"},
		{"claude-code", entered("https://a.example/mcp", clients.ByKey), "sends the reference as it is (GH-1003)"},
		{"gemini", entered("https://a.example/mcp", clients.ByKey), "sends an empty key (GH-1001)"},
		{"cursor", entered("https://a.example/mcp", clients.ByOAuth, "cimd"), "offers none of the ways in which Cursor becomes a client"},
		{"cursor", entered("https://a.example/mcp", clients.ByOAuth), ""}, // it could not be asked
		{"claude-code", entered("https://a.example/mcp", clients.ByOAuth, "cimd"), ""},
		{"vscode", entered("https://a.example/mcp", clients.ByKey), ""},
		{"zed", entered("https://a.example/mcp", clients.ByKey), ""},
		{"codex", entered("http://localhost:8080/mcp", clients.Open), "lets everybody in"},
	}
	for _, tt := range tests {
		a, _ := atHome(t, "")
		p, err := a.plan(&connecting{}, clients.Find(tt.client), tt.to)
		if err != nil || tt.want == "" && len(p.warnings) > 0 || !strings.Contains(strings.Join(p.warnings, "\n"), tt.want) {
			t.Errorf("%s, %s: got %q, want %q, %v", tt.client, tt.to.enter.Way, p.warnings, tt.want, err)
		}
	}
}

// TestSourcesOfKeys: what is no source may be a key, and is not repeated.
func TestSourcesOfKeys(t *testing.T) {
	for from, ok := range map[string]bool{
		"env:KEY": true, "file:/k": true, "cmd:pass show x": true, "keychain:acme": true,
		"": false, "env:": false, "env:A B": false, "env:1A": false, "env:A}${B": false, "hunter2secret": false, "https://x": false, "gthk_x:y": false,
	} {
		err := checkSource("--key-from", from)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", from, err)
		}
	}
}

func TestSecretsAreMaskedWhereTheyAreTakenOut(t *testing.T) {
	tests := map[string]string{
		`"Authorization": "Bearer sk-12345678"`:           `"Authorization": "Bearer ••••••"`,
		`"Authorization": "Bearer ${env:KEY}"`:            `"Authorization": "Bearer ${env:KEY}"`,
		`"Authorization": "Bearer {env:KEY}"`:             `"Authorization": "Bearer {env:KEY}"`,
		`"X-API-Key": "hunter2"`:                          `"X-API-Key": "••••••"`,
		`api_token = "hunter2"`:                           `api_token = "••••••"`,
		`bearer_token_env_var = "ACME_MCP_KEY"`:           `bearer_token_env_var = "ACME_MCP_KEY"`,
		`"args": ["gthk_7Qm2Vx9KtB4c_EXAMPLEonlyNotARe"]`: `"args": ["gthk_7Qm2••••••"]`,
		`"url": "https://x"`:                              `"url": "https://x"`,
	}
	for in, want := range tests {
		if got := hidden(in); got != want {
			t.Errorf("%s: got %s", in, got)
		}
	}
}

// TestNeighboursAreNotShown: a change on the line of somebody else's entry shows ours alone.
func TestNeighboursAreNotShown(t *testing.T) {
	before := []byte(`{"mcpServers": {"other": {"headers": {"Authorization": "Bearer sk-neighbour"}}}}`)
	_, changes, err := edit.Merge(edit.JSON, before, []string{"mcpServers", "acme"}, edit.Object{{Name: "url", Value: "https://x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hunksOf(before, changes) {
		if text := strings.Join(append(h.out, h.put...), "\n"); strings.Contains(text, "neighbour") || !strings.Contains(text, "acme") {
			t.Errorf("got %s", text)
		}
	}
}

func TestAPersonIsAsked(t *testing.T) {
	for typed, want := range map[string]bool{"\n": true, "y\n": true, "YES\n": true, "n\n": false, "what\n": false, "": false} {
		a, _ := atHome(t, typed)
		if got, err := a.agree(t.Context(), "Write it?"); err != nil || got != want {
			t.Errorf("%q: got %v, %v", typed, got, err)
		}
	}
	a, _ := atHome(t, "")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(r.Close(), w.Close()) }()
	a.in = r
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if ok, err := a.agree(ctx, "Write it?"); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl+C: got %v, %v", ok, err)
	}
}

// TestACommandThatDoesSomethingElse: what the client's own command wrote is looked
// at, and the file is edited if it is not what it should be.
func TestACommandThatDoesSomethingElse(t *testing.T) {
	for name, script := range map[string]string{
		"it fails":            "exit 1",
		"it does nothing":     "exit 0",
		"it writes something": `echo '{"mcpServers": {"acme": {"type": "sse", "url": "https://mcp.acme.com/mcp"}}}' > "$HOME/.claude.json"`,
		"it wants a terminal": "read x || exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "claude"), []byte("#!/bin/sh\necho \"$@\" > \"$HOME/said\"; env > \"$HOME/env\"\n"+script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			a, out := atHome(t, "")
			a.yes, a.environ = true, append(a.environ, "PATH="+bin+":/usr/bin:/bin", "SECRET=canary")
			p, err := a.connectOne(t.Context(), &connecting{}, clients.Find("claude-code"), entered("https://mcp.acme.com/mcp", clients.ByKey))
			if err != nil || p.result.State != "written" || p.result.Command != nil || !strings.Contains(out.String(), "its file is edited instead") {
				t.Fatalf("got %v\n%s", err, out)
			}
			text, err := os.ReadFile(filepath.Join(a.getenv("HOME"), ".claude.json"))
			if _, changes, wrong := p.client.Put(text, p.server); err != nil || wrong != nil || len(changes) > 0 {
				t.Errorf("got %s, %v, %v", text, err, wrong)
			}
			said, err := os.ReadFile(filepath.Join(a.getenv("HOME"), "said"))
			if want := "mcp add --transport http --scope user acme https://mcp.acme.com/mcp --header Authorization: Bearer ${ACME_MCP_KEY}\n"; err != nil || string(said) != want {
				t.Errorf("it was called with %q, %v", said, err)
			}
			if env, err := os.ReadFile(filepath.Join(a.getenv("HOME"), "env")); err != nil || strings.Contains(string(env), "canary") {
				t.Errorf("it was given what is none of its business: %s, %v", env, err)
			}
		})
	}
}

// TestWhichClientsArePicked reads what a person answers who named no client.
func TestWhichClientsArePicked(t *testing.T) {
	shown := []*clients.Client{clients.Find("codex"), clients.Find("cursor"), clients.Find("vscode")}
	for answer, want := range map[string]string{
		"1,3": "codex vscode", "2": "cursor", " 3 1 3": "vscode codex", "all": "codex cursor vscode", "none": "",
		"cursor, 2, zed": "cursor zed", "code": "vscode", "0": "?", "4": "?", "1,none": "?", "-1": "?", "editor": "?", ",": "?",
	} {
		all, err := pickClients(answer, shown)
		got := "?"
		if err == nil {
			var ids []string
			for _, c := range all {
				ids = append(ids, c.ID)
			}
			got = strings.Join(ids, " ")
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", answer, got, want)
		}
	}
}

// TestAPersonChoosesAmongTheClientsFoundHere and answers each question of the same
// command, typed ahead.
func TestAPersonChoosesAmongTheClientsFoundHere(t *testing.T) {
	a, out := atHome(t, "9\n\nn\ny\n")
	for _, name := range []string{".cursor/mcp.json", ".codex/config.toml"} {
		at := filepath.Join(a.getenv("HOME"), name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	to := entered("https://mcp.acme.com/mcp", clients.ByOAuth, "dcr")
	all, err := a.askWhich(t.Context(), &connecting{}, to)
	if err != nil || len(all) != 2 || !strings.Contains(out.String(), "there is no 9") || !strings.Contains(out.String(), "[1,2]") {
		t.Fatalf("got %d, %v\n%s", len(all), err, out)
	}
	for i, want := range []bool{false, true} {
		if ok, err := a.agree(t.Context(), "Write it?"); ok != want || err != nil {
			t.Errorf("question %d: got %v, %v", i, ok, err)
		}
	}
	if ok, err := a.agree(t.Context(), "Write it?"); ok || err != nil {
		t.Errorf("at the end of what was typed: got %v, %v", ok, err)
	}
}

// TestAKeyForSomebodyElsesServerIsNotMadeHere: the next step fits whose server it is.
func TestAKeyForSomebodyElsesServerIsNotMadeHere(t *testing.T) {
	a, _ := atHome(t, "", "HTTPS_PROXY=p.example:3128") // which is in the line of a bridge too
	for _, tt := range []struct{ id, server, want string }{
		{"claude-desktop", "", "gatehouse bridge key acme"}, {"claude-desktop", "files", "gatehouse key create --name claude-desktop --out keychain:acme"},
		{"cursor", "", "export ACME_MCP_KEY=<the key>   where Cursor is started"}, {"cursor", "files", "make one: gatehouse key create"}, {"vscode", "", ""},
	} {
		to := entered("https://mcp.acme.com/mcp", clients.ByKey)
		to.server = tt.server
		p, err := a.plan(&connecting{}, clients.Find(tt.id), to)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(a.keyStep(p), "")
		if !strings.Contains(got, tt.want) || tt.server == "" && strings.Contains(got, "key create") {
			t.Errorf("%s %q: got %q, want %q", tt.id, tt.server, got, tt.want)
		}
	}
}

// FuzzPickClients: whatever a person types, they get clients that were shown or
// that are known, each once, or are told what is wrong.
func FuzzPickClients(f *testing.F) {
	shown := []*clients.Client{clients.Find("codex"), clients.Find("cursor")}
	for _, text := range []string{"1,2", "all", "none", "cursor code", "9", "-1", ", ;", "1,none", "99999999999999999999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := pickClients(text, shown)
		if err != nil && all != nil {
			t.Fatalf("%q: got %d clients beside %v", text, len(all), err)
		}
		seen := map[string]bool{}
		for _, c := range all {
			if clients.Find(c.ID) == nil || seen[c.ID] {
				t.Fatalf("%q: got %s", text, c.ID)
			}
			seen[c.ID] = true
		}
	})
}
