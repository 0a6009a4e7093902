package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

// ownCommand is a home where claude is a script, and what it is to be connected to.
func ownCommand(t *testing.T, script string) (a *app, file string) {
	t.Helper()
	a, _ = atHome(t, "")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "claude"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	a.yes, a.environ = true, append(a.environ, "PATH="+bin+":/usr/bin:/bin")
	return a, filepath.Join(a.getenv("HOME"), ".claude.json")
}

// TestACommandDoesNotWriteAReadOnlyFile: whoever made it so did not want it changed,
// and is told before being asked.
func TestACommandDoesNotWriteAReadOnlyFile(t *testing.T) {
	for _, dry := range []bool{true, false} {
		a, file := ownCommand(t, `echo "$@" > "$HOME/said"; chmod 600 "$HOME/.claude.json"; echo '{}' > "$HOME/.claude.json"`)
		a.dry = dry
		if err := os.WriteFile(file, []byte("{\"mine\": 1}"), 0o400); err != nil {
			t.Fatal(err)
		}
		_, err := a.connectOne(t.Context(), &connecting{}, clients.Find("claude-code"), entered("https://mcp.acme.com/mcp", clients.ByOAuth, "cimd"))
		var f *fault
		if !errors.As(err, &f) || f.code != "GH-2208" || !strings.Contains(f.text, "read-only") {
			t.Errorf("dry %v: got %v", dry, err)
		}
		if said, err := os.ReadFile(filepath.Join(a.getenv("HOME"), "said")); err == nil {
			t.Errorf("dry %v: it was called with %s", dry, said)
		}
		if text, err := os.ReadFile(file); string(text) != "{\"mine\": 1}" {
			t.Errorf("dry %v: got %s, %v", dry, text, err)
		}
	}
}

// TestACommandThatFailsLeavesOneCopy: the one that disconnect goes back to.
func TestACommandThatFailsLeavesOneCopy(t *testing.T) {
	for script, want := range map[string]int{
		"exit 1": 1,
		`echo '{"other": 1}' > "$HOME/.claude.json"; exit 1`: 2, // of what was there, and of what it wrote
	} {
		a, file := ownCommand(t, script)
		if err := os.WriteFile(file, []byte("{\"mine\": 1}"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := a.connectOne(t.Context(), &connecting{}, clients.Find("claude-code"), entered("https://mcp.acme.com/mcp", clients.ByOAuth, "cimd"))
		if err != nil {
			t.Fatal(err)
		}
		if copies, err := p.file.Backups(); len(copies) != want || err != nil {
			t.Errorf("%s: got %q, %v", script, copies, err)
		}
	}
}
