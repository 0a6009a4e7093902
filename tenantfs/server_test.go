package tenantfs_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
)

// bearer sends a key with each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// TestExampleServer runs examples/tenant-files for two customers, one of whom
// tries to reach the other's files.
func TestExampleServer(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "tenant-files")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../examples/tenant-files").CombinedOutput(); err != nil { //nolint:gosec // ours
		t.Fatalf("%v\n%s", err, text)
	}
	address, texts := free(t), keys(t, filepath.Join(dir, "keys.json"))
	base := filepath.Join(dir, "files")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program) //nolint:gosec // ours
	cmd.Env = append(os.Environ(), "KEYS="+filepath.Join(dir, "keys.json"), "DIR="+base, "RESOURCE=http://"+address+"/mcp", "LISTEN="+address)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	connect := func(user string) func(tool, path, text string) (string, bool) { return client(t, address, texts[user]) }
	ada, bob, eve := connect("ada"), connect("bob"), connect("eve")
	if got, ok := bob("write", "plan", secret); !ok {
		t.Fatal(got)
	}
	if got, ok := bob("read", "plan", ""); !ok || got != secret {
		t.Errorf("got %q of one's own file", got)
	}
	for _, path := range []string{"plan", "../beta/plan", base + "/beta/plan", "a/../../beta/plan"} {
		for _, tool := range []string{"read", "list", "write"} {
			got, ok := ada(tool, path, "of ada's")
			if ok && (tool != "write" || path != "plan") || strings.Contains(got, secret) || strings.Contains(got, base+"/beta/plan: no") {
				t.Errorf("%s %s: got %q", tool, path, got)
			}
		}
	}
	if got, ok := ada("list", ".", ""); !ok || got != "plan" {
		t.Errorf("got %q", got)
	}
	if got, _ := bob("read", "plan", ""); got != secret {
		t.Errorf("bob now has %q", got)
	}
	if got, ok := eve("list", ".", ""); ok || !strings.Contains(got, "GH-1206") {
		t.Errorf("got %q for a caller of no tenant", got)
	}
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().String()
}

// keys makes a key for a user of each of two tenants and for one of none, writes
// what the server needs to know of them and returns their texts.
func keys(t *testing.T, file string) map[string]string {
	t.Helper()
	var all []gatehouse.APIKey
	texts := map[string]string{}
	for user, tenant := range map[string]string{"ada": "acme", "bob": "beta", "eve": ""} {
		text, digest := gatehouse.NewAPIKey()
		texts[user] = text
		all = append(all, gatehouse.APIKey{Digest: digest, Identity: gatehouse.Identity{Subject: user, Tenant: tenant}})
	}
	list, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(file, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// client connects with a key and returns what calls tools.
func client(t *testing.T, address, key string) func(tool, path, text string) (string, bool) {
	t.Helper()
	var session *mcp.ClientSession
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		session, err = mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
			&mcp.StreamableClientTransport{Endpoint: "http://" + address + "/mcp", HTTPClient: &http.Client{Transport: bearer(key)}}, nil)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = session.Close() })
	return func(tool, path, text string) (string, bool) {
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"path": path, "text": text}})
		if err != nil {
			return err.Error(), false
		}
		var b strings.Builder
		for _, c := range res.Content {
			if c, ok := c.(*mcp.TextContent); ok {
				b.WriteString(c.Text)
			}
		}
		return b.String(), !res.IsError
	}
}
