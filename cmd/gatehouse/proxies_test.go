package main

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
)

func TestTheBridgeOfAClientFindsTheProxy(t *testing.T) {
	tests := []struct {
		name, url string
		environ   []string
		want      string // at the end of the line; empty: nothing
		warns     bool
	}{
		{"a proxy", "https://mcp.example/mcp", []string{"HTTPS_PROXY=p.example:3128"}, "--proxy http://p.example:3128", false},
		{"no proxy", "https://mcp.example/mcp", nil, "", false},
		{"a server that is excepted", "https://mcp.example/mcp", []string{"HTTPS_PROXY=p.example:3128", "NO_PROXY=mcp.example"}, "", false},
		{"a server on this machine", "http://127.0.0.1:8080/mcp", []string{"ALL_PROXY=p.example:3128"}, "", false},
		{"a proxy with a password", "https://mcp.example/mcp", []string{"HTTPS_PROXY=http://ada:very-secret@p.example:3128"}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &plan{client: &clients.Client{Name: "Client"}, server: clients.Server{URL: tt.url, Way: clients.ByBridge, Line: []string{"gatehouse", "bridge", tt.url}}}
			if err := p.byProxy(&app{environ: tt.environ}); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.server.Line[3:], " ")
			if said := strings.Join(p.warnings, " "); got != tt.want || (said != "") != tt.warns || strings.Contains(got+said, "very-secret") {
				t.Errorf("got %q and %q, want %q", got, said, tt.want)
			}
		})
	}
}

// TestAProjectsFileHasNothingOfThisMachine: neither its proxy nor where this program
// is. The file of LibreChat is a project's without anybody saying so.
func TestAProjectsFileHasNothingOfThisMachine(t *testing.T) {
	for id, q := range map[string]connecting{"librechat": {via: viaBridge}, "cursor": {via: viaBridge, project: true}} {
		a, _ := atHome(t, "", "HTTPS_PROXY=p.example:3128")
		p, err := a.plan(&q, clients.Find(id), entered("https://mcp.acme.com/mcp", clients.ByOAuth, "dcr"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.server.Line, " "); got != "gatehouse bridge https://mcp.acme.com/mcp" || !p.project {
			t.Errorf("%s: got %s", id, got)
		}
	}
}
