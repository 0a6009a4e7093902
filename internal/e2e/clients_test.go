package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// protected is one server behind Gatehouse, and what its clients should find.
type protected struct {
	name     string
	up       func(t testing.TB) *gateway
	tool     string
	args     map[string]any
	text     string            // part of what the tool answers
	versions map[string]string // protocol revision in the end, by the era the client was told; none: not tried
}

func protectedServers() []protected {
	const old, now = "2025-11-25", "2026-07-28"
	return []protected{
		{
			"go server without sessions",
			func(t testing.TB) *gateway { return up(t, goServer(t, true)) },
			"test_simple_text", map[string]any{}, "simple text response",
			map[string]string{"legacy": old, "auto": now, "modern": now},
		},
		{
			"go server with sessions",
			func(t testing.TB) *gateway { return up(t, goServer(t, false)) },
			"test_simple_text", map[string]any{}, "simple text response",
			map[string]string{"legacy": old, "auto": old},
		},
		{
			"node server over stdio",
			func(t testing.TB) *gateway { return up(t, append([]string{"--"}, nodeServer(t)...)...) },
			"get-sum", map[string]any{"a": 2, "b": 40}, "42",
			map[string]string{"legacy": old, "auto": old},
		},
		{
			"demo",
			func(t testing.TB) *gateway { return up(t, "--demo") },
			"echo", map[string]any{"text": "hello"}, "hello",
			map[string]string{"legacy": old, "auto": now, "modern": now},
		},
	}
}

// met is what a client met: tools and an answer, or a refusal.
type met struct {
	Version string
	Tools   []string
	Text    string
	Status  int // HTTP status of the refusal; 0: let through
	Error   string
}

// mcpClient drives one real client: list the tools, call one.
type mcpClient struct {
	name string
	eras []string
	meet func(t *testing.T, url, key, era, tool string, args map[string]any) met
}

func mcpClients() []mcpClient {
	both := []string{"legacy", "auto", "modern"}
	return []mcpClient{
		{"TypeScript SDK 2", both, typescript("sdk2.mjs")},
		{"TypeScript SDK 1", []string{"legacy"}, typescript("sdk1.mjs")},
		{"Go SDK", []string{"legacy", "auto"}, goSDK},
		{"Inspector", both, inspector},
	}
}

// TestClients lets real clients list and call tools with a key, and be refused without.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, s := range protectedServers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := s.up(t)
			for _, c := range mcpClients() {
				for _, era := range c.eras {
					if s.versions[era] == "" {
						continue
					}
					t.Run(c.name+" "+era, func(t *testing.T) { admitted(t, g, s, c, era) })
				}
				t.Run(c.name+" refused", func(t *testing.T) { refused(t, g, s, c) })
			}
		})
	}
}

func admitted(t *testing.T, g *gateway, s protected, c mcpClient, era string) {
	got := c.meet(t, g.URL, g.Key, era, s.tool, s.args)
	if got.Error != "" {
		t.Fatalf("got status %d %s, want an answer", got.Status, got.Error)
	}
	if !slices.Contains(got.Tools, s.tool) {
		t.Errorf("got tools %q, want %q among them", got.Tools, s.tool)
	}
	if !strings.Contains(got.Text, s.text) {
		t.Errorf("got %q, want %q in it", got.Text, s.text)
	}
	if want := s.versions[era]; got.Version != "" && got.Version != want {
		t.Errorf("got revision %s, want %s", got.Version, want)
	}
}

func refused(t *testing.T, g *gateway, s protected, c mcpClient) {
	at := len(g.Key) - 7
	other := "A"
	if g.Key[at:at+1] == other {
		other = "B"
	}
	wrong := g.Key[:at] + other + g.Key[at+1:]
	for i, era := range c.eras {
		keys := []string{"", "secret", wrong}
		if i > 0 {
			keys = keys[:1] // what a key is worth does not depend on the era
		}
		for _, key := range keys {
			got := c.meet(t, g.URL, key, era, s.tool, s.args)
			if got.Status != 401 || len(got.Tools) > 0 || got.Text != "" {
				t.Errorf("%s with key %q: got %+v, want status 401 and nothing else", era, key, got)
			}
		}
	}
}

// content is the part of a tool's answer that the tests look at.
type content struct {
	Content []struct{ Text string }
}

func (c content) text() string {
	var b strings.Builder
	for _, part := range c.Content {
		b.WriteString(part.Text)
	}
	return b.String()
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
