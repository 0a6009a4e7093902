//lint:file-ignore SA1019 what clients of today do is to work, also where it is on its way out

package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// curious is a server of the official SDK that asks its client things. Its
// sessions count, each for itself.
func curious() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "curious", Version: "1"}, nil)
	type in struct {
		Text string `json:"text"`
	}
	add := func(name string, answer func(context.Context, *mcp.CallToolRequest, in) (string, error)) {
		mcp.AddTool(s, &mcp.Tool{Name: name}, func(ctx context.Context, r *mcp.CallToolRequest, a in) (*mcp.CallToolResult, any, error) {
			text, err := answer(ctx, r, a)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, err
		})
	}
	add("echo", func(_ context.Context, _ *mcp.CallToolRequest, a in) (string, error) { return a.Text, nil })
	add("sample", func(ctx context.Context, r *mcp.CallToolRequest, _ in) (string, error) {
		got, err := r.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 1})
		if err != nil {
			return "", err
		}
		return got.Model, nil
	})
	add("elicit", func(ctx context.Context, r *mcp.CallToolRequest, _ in) (string, error) {
		got, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?"})
		if err != nil {
			return "", err
		}
		return got.Action, nil
	})
	add("roots", func(ctx context.Context, r *mcp.CallToolRequest, _ in) (string, error) {
		got, err := r.Session.ListRoots(ctx, nil)
		if err != nil {
			return "", err
		}
		return got.Roots[0].URI, nil
	})
	add("steps", func(ctx context.Context, r *mcp.CallToolRequest, a in) (string, error) {
		for i := range 3 {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}); err != nil {
				return "", err
			}
		}
		return a.Text, nil
	})
	return s
}

// visitor is a client of the official SDK, its name in all that it answers.
func visitor(name string, progress func()) *mcp.Client {
	c := mcp.NewClient(&mcp.Implementation{Name: name, Version: "1"}, &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Model: "model of " + name, Role: "assistant", Content: &mcp.TextContent{Text: "x"}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept"}, nil
		},
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { progress() },
	})
	c.AddRoots(&mcp.Root{URI: "file:///home/" + name})
	return c
}

// withKey sends a key with every request.
type withKey string

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// oldDoor gives a gateway a door for clients of HTTP+SSE.
func oldDoor(g *gateway.Gateway) { g.SSEPath = "/sse" }

// overEvents has a gateway take its upstream for one that speaks HTTP+SSE.
func overEvents(g *gateway.Gateway) { g.Events = true }

// backends are gateways in front of the curious server, however it is reached.
func backends() map[string]func(*testing.T) *fixture {
	streamable := func(o *mcp.StreamableHTTPOptions) func(*testing.T) *fixture {
		return func(t *testing.T) *fixture {
			s := curious()
			return protect(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, o), oldDoor)
		}
	}
	return map[string]func(*testing.T) *fixture{
		"streamable":             streamable(nil),
		"streamable with bodies": streamable(&mcp.StreamableHTTPOptions{JSONResponse: true}),
		"events": func(t *testing.T) *fixture {
			s := curious()
			return protect(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil), oldDoor, overEvents)
		},
		"stdio": func(t *testing.T) *fixture {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			return protect(t, http.NotFoundHandler(), oldDoor, func(g *gateway.Gateway) {
				g.Upstream, g.Stdio = nil, &gateway.Stdio{Process: process.Spec{
					Name: "files", Command: []string{exe}, Env: map[string]string{"DOUBLE": "curious"}, Log: g.Log, Grace: 200 * time.Millisecond,
				}}
			})
		},
	}
}

// clients are the ways in for the official SDK's client.
func clients(f *fixture, key string) map[string]mcp.Transport {
	h := &http.Client{Transport: withKey(key)}
	return map[string]mcp.Transport{
		"events":     &mcp.SSEClientTransport{Endpoint: strings.TrimSuffix(f.url, "/mcp") + "/sse", HTTPClient: h},
		"streamable": &mcp.StreamableClientTransport{Endpoint: f.url, HTTPClient: h, MaxRetries: -1},
	}
}

// counter counts, from wherever.
type tally struct {
	mu sync.Mutex
	n  int
}

func (c *tally) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *tally) get() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestOldAndNewTransportsMeet has clients of either transport in front of every
// kind of server, and servers that ask them things.
func TestOldAndNewTransportsMeet(t *testing.T) {
	for backend, open := range backends() {
		t.Run(backend, func(t *testing.T) {
			f := open(t)
			k, key := f.key()
			for way, transport := range clients(f, key) {
				t.Run(way, func(t *testing.T) { converse(t, transport, backend, k.ID) })
			}
		})
	}
}

func converse(t *testing.T, transport mcp.Transport, backend, name string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	progress := &tally{}
	s, err := visitor(name, progress.add).Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: "2025-06-18"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.ListTools(ctx, nil)
	if err != nil || len(list.Tools) != 5 {
		t.Fatalf("got %v, %v, want five tools", list, err)
	}
	want := map[string]string{"echo": "hi", "sample": "model of " + name, "elicit": "accept", "roots": "file:///home/" + name, "steps": "hi"}
	for tool, text := range want {
		if got := use(ctx, t, s, tool, "hi"); got != text {
			t.Errorf("%s: got %q, want %q", tool, got, text)
		}
	}
	if backend != "streamable with bodies" {
		eventually(t, "progress is told", func() bool { return progress.get() == 3 })
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if text := fmt.Sprint("call ", i); use(ctx, t, s, "echo", text) != text {
				t.Errorf("call %d: got somebody else's answer", i)
			}
		})
	}
	all.Wait()
}

// use calls a tool and returns what it says.
func use(ctx context.Context, t *testing.T, s *mcp.ClientSession, tool, text string) string {
	t.Helper()
	p := &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"text": text}}
	p.SetProgressToken("token-" + text)
	got, err := s.CallTool(ctx, p)
	if err != nil {
		t.Errorf("%s: %v", tool, err)
		return ""
	}
	if len(got.Content) != 1 {
		t.Errorf("%s: got %v", tool, got.Content)
		return ""
	}
	return got.Content[0].(*mcp.TextContent).Text //nolint:forcetypeassert // our own server's
}
