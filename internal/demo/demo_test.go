package demo

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// connect returns a client of a demo whose clock stands still.
func connect(t *testing.T, progress func(float64)) *mcp.ClientSession {
	t.Helper()
	s := Server{Version: "test", Step: time.Millisecond, Now: func() time.Time { return time.Unix(0, 0) }}
	here, there := mcp.NewInMemoryTransports()
	server, err := s.MCP().Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() })
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { progress(r.Params.Progress) },
	})
	session, err := c.Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestToolsAnswer(t *testing.T) {
	session := connect(t, func(float64) {})
	tests := []struct {
		name, tool string
		args       map[string]any
		want       string
		refused    bool
	}{
		{"echo", "echo", map[string]any{"text": "grüezi"}, "grüezi", false},
		{"echo of a format", "echo", map[string]any{"text": "100%s"}, "100%s", false},
		{"a sum", "add", map[string]any{"a": 2, "b": 0.5}, "2.5", false},
		{"the time in UTC", "now", map[string]any{}, "1970-01-01T00:00:00Z", false},
		{"the time elsewhere", "now", map[string]any{"zone": "Europe/Rome"}, "1970-01-01T01:00:00+01:00", false},
		{"an unknown zone", "now", map[string]any{"zone": "Mars/Olympus"}, "", true},
		{"this machine's zone", "now", map[string]any{"zone": "Local"}, "", true},
		{"an endless countdown", "countdown", map[string]any{"from": 1 << 40}, "", true},
		{"a countdown", "countdown", map[string]any{"from": 2}, "lift-off", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tt.tool, Arguments: tt.args})
			if err != nil {
				t.Fatal(err)
			}
			if r.IsError != tt.refused {
				t.Fatalf("got isError=%v, want %v", r.IsError, tt.refused)
			}
			if got := r.Content[0].(*mcp.TextContent).Text; !tt.refused && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListsAreShort(t *testing.T) {
	session := connect(t, func(float64) {})
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	if want := []string{"add", "countdown", "delete_note", "echo", "now"}; !slices.Equal(names, want) {
		t.Errorf("tools: got %v, want %v", names, want)
	}
	r, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://welcome"})
	if err != nil || len(r.Contents) != 1 {
		t.Errorf("resource: got %v, %v", r, err)
	}
	p, err := session.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "introduce"})
	if err != nil || len(p.Messages) != 1 {
		t.Errorf("prompt: got %v, %v", p, err)
	}
}

func TestCountdownReportsProgress(t *testing.T) {
	seen := make(chan float64, 3)
	session := connect(t, func(p float64) { seen <- p })
	params := &mcp.CallToolParams{Name: "countdown", Arguments: map[string]any{"from": 3}}
	params.SetProgressToken("p")
	if _, err := session.CallTool(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	for want := 1.0; want <= 3; want++ {
		if got := <-seen; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
