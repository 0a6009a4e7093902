// Package demo is a small MCP server to try Gatehouse with: it needs nothing
// but the binary, does no harm and answers every kind of request once.
package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxSteps bounds a countdown, so that a stranger's call ends within a minute.
const maxSteps = 60

// Server is the demo. Its zero value is ready.
type Server struct {
	Version string           // of the binary, shown to clients
	Now     func() time.Time // nil: time.Now
	Step    time.Duration    // between two steps of a countdown; 0: one second
}

type (
	text struct {
		Text string `json:"text" jsonschema:"what to say back"`
	}
	pair struct {
		A float64 `json:"a" jsonschema:"the first number"`
		B float64 `json:"b" jsonschema:"the second number"`
	}
	sum struct {
		Sum float64 `json:"sum" jsonschema:"a plus b"`
	}
	zone struct {
		Zone string `json:"zone,omitempty" jsonschema:"an IANA time zone such as Europe/Rome; UTC when empty"`
	}
	moment struct {
		Time string `json:"time" jsonschema:"RFC 3339"`
	}
	steps struct {
		From int `json:"from" jsonschema:"where to begin, 1 to 60"`
	}
	note struct {
		Title string `json:"title" jsonschema:"the note's title"`
	}
)

// Run serves one client on standard input and output until that ends or ctx does.
func (s Server) Run(ctx context.Context) error {
	return s.MCP().Run(ctx, &mcp.StdioTransport{})
}

// MCP returns the server, for a transport of the caller's choice.
func (s Server) MCP() *mcp.Server {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Step == 0 {
		s.Step = time.Second
	}
	m := mcp.NewServer(&mcp.Implementation{Name: "gatehouse-demo", Title: "Gatehouse demo", Version: s.Version},
		&mcp.ServerOptions{Instructions: "A demonstration. Try echo, add, now and countdown."})
	reads := func(name, title, description string) *mcp.Tool {
		return &mcp.Tool{Name: name, Description: description, Annotations: &mcp.ToolAnnotations{Title: title, ReadOnlyHint: true}}
	}
	mcp.AddTool(m, reads("echo", "Echo", "Say the text back."), echo)
	mcp.AddTool(m, reads("add", "Add", "Add two numbers."), add)
	mcp.AddTool(m, reads("now", "What time is it", "The time, in UTC or in a time zone."), s.now)
	mcp.AddTool(m, reads("countdown", "Count down", "Count down to zero, one step a second, reporting progress."), s.countdown)
	mcp.AddTool(m, &mcp.Tool{
		Name: "delete_note", Description: "Pretend to delete a note. Here to be forbidden: it deletes nothing.",
		Annotations: &mcp.ToolAnnotations{Title: "Delete a note"},
	}, deleteNote)
	m.AddResource(&mcp.Resource{
		URI: "demo://welcome", Name: "welcome", Title: "Welcome", MIMEType: "text/plain",
	}, welcome)
	m.AddPrompt(&mcp.Prompt{
		Name: "introduce", Title: "Introduce yourself", Description: "Ask the model to show what this server can do.",
	}, introduce)
	return m
}

func say(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func echo(_ context.Context, _ *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
	return say("%s", in.Text), nil, nil
}

func add(_ context.Context, _ *mcp.CallToolRequest, in pair) (*mcp.CallToolResult, sum, error) {
	return say("%g", in.A+in.B), sum{in.A + in.B}, nil
}

func (s Server) now(_ context.Context, _ *mcp.CallToolRequest, in zone) (*mcp.CallToolResult, moment, error) {
	at := time.UTC
	if in.Zone != "" {
		var err error
		// "Local" would tell where this machine is.
		if at, err = time.LoadLocation(in.Zone); err != nil || in.Zone == "Local" {
			return nil, moment{}, fmt.Errorf("no time zone %q is known here", in.Zone)
		}
	}
	t := s.Now().In(at).Format(time.RFC3339)
	return say("%s", t), moment{t}, nil
}

func (s Server) countdown(ctx context.Context, req *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, any, error) {
	if in.From < 1 || in.From > maxSteps {
		return nil, nil, fmt.Errorf("from is %d; it needs to be between 1 and %d", in.From, maxSteps)
	}
	tick := time.NewTicker(s.Step)
	defer tick.Stop()
	for done := 1; done <= in.From; done++ {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-tick.C:
		}
		token := req.Params.GetProgressToken()
		if token == nil {
			continue
		}
		// A client that left is noticed by ctx at the next step.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: float64(done), Total: float64(in.From),
			Message: fmt.Sprintf("%d", in.From-done),
		})
	}
	return say("lift-off"), nil, nil
}

func deleteNote(_ context.Context, _ *mcp.CallToolRequest, in note) (*mcp.CallToolResult, any, error) {
	return say("%q would be gone now. A key made with --tools 'echo,add,now' could not even see this tool.", in.Title), nil, nil
}

func welcome(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{
		URI: req.Params.URI, MIMEType: "text/plain",
		Text: "You reached an MCP server through Gatehouse: your key was accepted, and it never came this far.\n",
	}}}, nil
}

func introduce(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{
		Role:    "user",
		Content: &mcp.TextContent{Text: "List the tools you have and use each harmless one once."},
	}}}, nil
}
