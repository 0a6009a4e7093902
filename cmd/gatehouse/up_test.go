package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

func TestCommandName(t *testing.T) {
	tests := []struct{ name, command, want string }{
		{"a program", "/usr/bin/my-server --port 1", "my-server"},
		{"a package that npx runs", "npx -y @modelcontextprotocol/server-filesystem@2026.7.10 ./docs", "server-filesystem"},
		{"a package without version", "npx -y @scope/thing", "thing"},
		{"a script", "python3 -u tools/weather.py", "weather"},
		{"go run", "go run ./cmd/notes", "notes"},
		{"a shell's script", "sh -c true", "sh"},
		{"an interpreter's script", "python -c pass", "python"},
		{"a runner alone", "npx", "npx"},
		{"odd characters", "/opt/my§server!", "my-server"},
		{"nothing usable", "/§§§", "server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := commandName(strings.Fields(tt.command)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got, want := hostName("https://mcp.example.com:8443/x"), "mcp.example.com"; got != want {
		t.Errorf("host: got %q, want %q", got, want)
	}
}

func TestQuotedIsSafeToPaste(t *testing.T) {
	for text, want := range map[string]string{
		"/var/lib/gatehouse": "/var/lib/gatehouse",
		"my state":           "'my state'",
		"$(reboot)":          "'$(reboot)'",
		"it's":               `'it'\''s'`,
		"":                   "''",
	} {
		if got := quoted(text); got != want {
			t.Errorf("quoted(%q): got %s, want %s", text, got, want)
		}
	}
}

func TestTimesForPeople(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a := &app{now: func() time.Time { return now }}
	for d, want := range map[time.Duration]string{
		0: "just now", 2 * time.Minute: "2 min ago", 3 * time.Hour: "3 h ago",
		25 * time.Hour: "1 day ago", 41 * 24 * time.Hour: "41 days ago", 200 * 24 * time.Hour: "7 May 2026",
	} {
		if got := a.ago(now.Add(-d)); got != want {
			t.Errorf("ago %v: got %q, want %q", d, got, want)
		}
	}
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	for _, tt := range []struct {
		at   *time.Time
		want string
	}{
		{nil, "never"}, {at(30 * time.Second), "in 1 min"}, {at(90 * time.Minute), "in 2 h"},
		{at(90 * 24 * time.Hour), "in 90 days"}, {at(-time.Hour), "1 h ago"},
	} {
		if got := a.until(tt.at); got != tt.want {
			t.Errorf("until %v: got %q, want %q", tt.at, got, tt.want)
		}
	}
}

func TestImportLines(t *testing.T) {
	base := adminapi.NewKey{Name: "base", Tenant: "acme", Tools: []string{"a"}}
	keys, err := importLines("gthk_one\n\n # comment\n{\"id\":\"x\",\"hash\":\"h\",\"name\":\"own\",\"tools\":[\"b\"]}\n", base)
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %v, %v, want two keys", keys, err)
	}
	if k := keys[0]; k.Key != "gthk_one" || k.Name != "base" || k.Tenant != "acme" {
		t.Errorf("plain line: got %+v", k)
	}
	if k := keys[1]; k.ID != "x" || k.Name != "own" || k.Tenant != "acme" || k.Tools[0] != "b" {
		t.Errorf("object: got %+v", k)
	}
	if base.Tools[0] != "a" {
		t.Error("a line changed what the flags said for the others")
	}
	for name, text := range map[string]string{
		"nothing": "\n", "an unknown member": `{"secret":"canary"}`, "two objects": `{"key":"canary"}{}`, "a number for a text": `{"key":12345}`,
	} {
		if _, err := importLines(text, base); err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "12345") {
			t.Errorf("%s: got %v, want an error that repeats nothing", name, err)
		}
	}
}

// FuzzImportLines: whatever the lines say, there is an answer, and no error
// repeats what could be a secret.
func FuzzImportLines(f *testing.F) {
	f.Add("gthk_x\n{\"key\":\"y\"}\n# z\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := importLines(text, adminapi.NewKey{})
		if (len(keys) == 0) == (err == nil) {
			t.Errorf("got %d keys and %v", len(keys), err)
		}
	})
}
