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
		project   bool
		want      string // at the end of the line; empty: nothing
		warns     bool
	}{
		{"a proxy", "https://mcp.example/mcp", []string{"HTTPS_PROXY=p.example:3128"}, false, "--proxy http://p.example:3128", false},
		{"no proxy", "https://mcp.example/mcp", nil, false, "", false},
		{"a server that is excepted", "https://mcp.example/mcp", []string{"HTTPS_PROXY=p.example:3128", "NO_PROXY=mcp.example"}, false, "", false},
		{"a server on this machine", "http://127.0.0.1:8080/mcp", []string{"ALL_PROXY=p.example:3128"}, false, "", false},
		{"a proxy with a password", "https://mcp.example/mcp", []string{"HTTPS_PROXY=http://ada:very-secret@p.example:3128"}, false, "", true},
		{"the file of a project", "https://mcp.example/mcp", []string{"HTTPS_PROXY=p.example:3128"}, true, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &plan{client: &clients.Client{Name: "Client"}, project: tt.project, server: clients.Server{URL: tt.url, Way: clients.ByBridge, Line: []string{"gatehouse", "bridge", tt.url}}}
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
