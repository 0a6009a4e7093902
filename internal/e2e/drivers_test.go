package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// npmScript returns the path of a script of internal/e2e/npm, beside the
// packages it imports: modules are looked for from where the script is.
func npmScript(t testing.TB, script string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("npm", script))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(filepath.Dir(npm(t, "node_modules")), "*-"+script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(f.Name()) })
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// typescript drives a script of internal/e2e/npm, with more in the environment.
func typescript(script string, env ...string) func(*testing.T, string, string, string, string, map[string]any) met {
	return func(t *testing.T, url, key, era, tool string, args map[string]any) met {
		out, errs, _ := runWith(t, env, patience, node(t), npmScript(t, script), url, key, era, tool, mustJSON(t, args))
		var got struct {
			met
			Result content
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("got %q, want a line of JSON: %v\n%s", out, err, errs)
		}
		got.Text = got.Result.text()
		return got.met
	}
}

// inspectorFile is where npm puts the Inspector's program.
var inspectorFile = []string{"node_modules", "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js"}

// inspector drives the command line of the MCP Inspector, which starts anew
// for each method. It does not tell the revision. It exits with 3 when the
// server wants authorization.
func inspector(t *testing.T, url, key, era, tool string, args map[string]any) met {
	command := []string{
		npm(t, inspectorFile...), "--cli",
		"--server-url", url, "--transport", "http", "--protocol-era", era, "--stored-auth-only", "--format", "json", "--quiet",
	}
	if key != "" {
		command = append(command, "--header", "Authorization: Bearer "+key)
	}
	ask := func(method ...string) (json.RawMessage, string, int) {
		out, errs, code := run(t, patience, node(t), append(slices.Clone(command), method...)...)
		var envelope struct{ Result json.RawMessage }
		if code == 0 {
			if err := json.Unmarshal([]byte(out), &envelope); err != nil {
				t.Fatalf("got %q, want JSON: %v\n%s", out, err, errs)
			}
		}
		return envelope.Result, errs, code
	}
	list, errs, code := ask("--method", "tools/list")
	if code != 0 {
		return met{Status: map[int]int{3: http.StatusUnauthorized}[code], Error: errs}
	}
	var tools struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(list, &tools); err != nil {
		t.Fatal(err)
	}
	call, errs, code := ask("--method", "tools/call", "--tool-name", tool, "--tool-args-json", mustJSON(t, args))
	if code != 0 {
		return met{Status: code, Error: "tools/call: " + errs}
	}
	var result content
	if err := json.Unmarshal(call, &result); err != nil {
		t.Fatal(err)
	}
	got := met{Text: result.text()}
	for _, tool := range tools.Tools {
		got.Tools = append(got.Tools, tool.Name)
	}
	return got
}

// bearer adds a key to each request and keeps the status of the last refusal.
type bearer struct {
	key    string
	status atomic.Int64
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.key != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.key)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		b.status.Store(int64(resp.StatusCode))
	}
	return resp, err
}

// goSDK drives the official Go SDK's client in this process.
func goSDK(t *testing.T, url, key, era, tool string, args map[string]any) met {
	auth := &bearer{key: key}
	client := mcp.NewClient(&mcp.Implementation{Name: "gatehouse-e2e", Version: "1"}, nil)
	opts := &mcp.ClientSessionOptions{}
	if era == "legacy" {
		opts.ProtocolVersion = "2025-11-25"
	}
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: auth, Timeout: time.Minute}, MaxRetries: -1,
	}, opts)
	if err != nil {
		return met{Status: int(auth.status.Load()), Error: err.Error()}
	}
	list, listErr := session.ListTools(t.Context(), nil)
	call, callErr := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	got := met{Version: session.InitializeResult().ProtocolVersion, Status: int(auth.status.Load())}
	if err := errors.Join(listErr, callErr, session.Close()); err != nil {
		got.Error = err.Error()
		return got
	}
	for _, tool := range list.Tools {
		got.Tools = append(got.Tools, tool.Name)
	}
	var text strings.Builder
	for _, c := range call.Content {
		if c, ok := c.(*mcp.TextContent); ok {
			text.WriteString(c.Text)
		}
	}
	got.Text = text.String()
	return got
}
