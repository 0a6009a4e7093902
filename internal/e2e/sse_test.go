package e2e

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// nodeServerSSE starts @modelcontextprotocol/server-everything with its HTTP+SSE
// transport, that of the TypeScript SDK 1.x, and returns the URL of its stream.
func nodeServerSSE(t testing.TB) string {
	t.Helper()
	command := nodeServer(t)
	address := freeAddress(t)
	cmd := exec.Command(command[0], command[1], "sse")
	cmd.Env = append(os.Environ(), "PORT="+address[strings.LastIndexByte(address, ':')+1:])
	start(t, cmd).listening(address)
	return "http://" + address + "/sse"
}

// inFrontOf runs Gatehouse in this process, with a door for clients of HTTP+SSE.
// It returns the URLs of both doors and a key.
func inFrontOf(t *testing.T, u config.Upstream) (streamable, sse, key string) {
	t.Helper()
	u.Name, u.SSE = "everything", "/sse"
	s := &server.Server{
		Config: &config.Config{
			Server: config.Server{Listen: "127.0.0.1:0"}, Auth: config.Auth{APIKeys: &config.APIKeys{}},
			Policy: config.Policy{Default: config.Allow}, Servers: []config.Upstream{u},
		},
		State:   server.State{Dir: filepath.Join(t.TempDir(), "state")},
		Options: server.Options{Log: slog.New(slog.DiscardHandler), By: "test"},
		Environ: os.Environ(),
	}
	r, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if d, err := r.Describe(t.Context()); err != nil || d.Tools < 5 {
		t.Errorf("got %+v, %v, want a server that is there", d, err)
	}
	k, err := (&adminapi.Client{Transport: r.Admin}).CreateKey(t.Context(), adminapi.NewKey{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r.URL, "http://" + r.Address + "/sse", k.Key
}

// TestHTTPAndSSE has clients and servers of HTTP+SSE meet each other, and those
// of the newer transports, through Gatehouse.
func TestHTTPAndSSE(t *testing.T) {
	t.Parallel()
	backends := map[string]func(t *testing.T) config.Upstream{
		"HTTP+SSE": func(t *testing.T) config.Upstream {
			return config.Upstream{URL: nodeServerSSE(t), Transport: config.TransportSSE}
		},
		"Streamable HTTP": func(t *testing.T) config.Upstream { return config.Upstream{URL: nodeServerHTTP(t)} },
		"stdio": func(t *testing.T) config.Upstream {
			return config.Upstream{Stdio: &config.Stdio{Command: nodeServer(t)}}
		},
	}
	calls := []struct {
		tool string
		args map[string]any
		want string
	}{
		{"get-sum", map[string]any{"a": 2, "b": 40}, "42"},
		{"trigger-sampling-request", map[string]any{"prompt": "x", "maxTokens": 5}, "sampled by the client"},
		{"trigger-elicitation-request", map[string]any{}, "declined"},
		{"get-roots-list", map[string]any{}, "file:///e2e"},
	}
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, sse, key := inFrontOf(t, backend(t))
			old := typescript("sdk1sse.mjs")
			for _, c := range calls {
				got := old(t, sse, key, "legacy", c.tool, c.args)
				if !strings.Contains(got.Text, c.want) || !slices.Contains(got.Tools, "echo") {
					t.Errorf("TypeScript SDK 1 over HTTP+SSE, %s: got %+v, want %q", c.tool, got, c.want)
				}
			}
			if got := old(t, sse, "", "legacy", "echo", nil); got.Status != 401 {
				t.Errorf("got %+v without a key, want 401", got)
			}
			for _, c := range mcpClients() {
				if got := c.meet(t, url, key, "legacy", calls[0].tool, calls[0].args); !strings.Contains(got.Text, calls[0].want) {
					t.Errorf("%s: got %+v, want %q", c.name, got, calls[0].want)
				}
			}
		})
	}
}
