package tenantsql_test

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

// TestExampleServer runs examples/tenant-sql for two customers, one of whom tries
// to see the other's notes; and on a role that the database does not hold.
func TestExampleServer(t *testing.T) {
	connect, dsn := postgres(t)
	apply(t, connect("root", false), recipe(t))
	dir := t.TempDir()
	program := filepath.Join(dir, "tenant-sql")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../examples/tenant-sql").CombinedOutput(); err != nil { //nolint:gosec // ours
		t.Fatalf("%v\n%s", err, text)
	}
	address, texts := free(t), keys(t, filepath.Join(dir, "keys.json"))
	run := func(role string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program) //nolint:gosec // ours
		cmd.Env = append(os.Environ(), "KEYS="+filepath.Join(dir, "keys.json"), "DATABASE="+dsn(role), "RESOURCE=http://"+address+"/mcp", "LISTEN="+address)
		return cmd
	}
	if text, err := run("root").CombinedOutput(); err == nil || !strings.Contains(string(text), "is a superuser") {
		t.Errorf("got %v %s, want it not to start as a superuser", err, text)
	}
	cmd := run("app")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ada, bob, eve := client(t, address, texts["ada"]), client(t, address, texts["bob"]), client(t, address, texts["eve"])
	if got, ok := bob("add", "the plan of bob"); !ok {
		t.Fatal(got)
	}
	for _, text := range []string{"", "plan", "' OR '1'='1", "x', true); --", "beta"} {
		if got, ok := ada("find", text); !ok || got != "" {
			t.Errorf("%q: ada sees %q", text, got)
		}
	}
	if got, ok := ada("add", "the plan of bob"); !ok { // the same text clashes with nobody's
		t.Error(got)
	}
	if got, ok := bob("find", "plan"); !ok || got != "the plan of bob" {
		t.Errorf("got %q of one's own notes", got)
	}
	if got, ok := eve("find", ""); ok || !strings.Contains(got, "GH-1206") {
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
func client(t *testing.T, address, key string) func(tool, text string) (string, bool) {
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
	return func(tool, text string) (string, bool) {
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"text": text}})
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
