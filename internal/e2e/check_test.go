package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gatehouse-mcp/gatehouse/internal/probe"
)

// checked is what gatehouse check said of a server.
type checked struct {
	probe.Findings
	exit int
}

// check looks at a server with the real program.
func check(t testing.TB, url string, args ...string) checked {
	t.Helper()
	out, errs, code := run(t, patience, gatehouseBinary(t), append([]string{"check", url, "--json"}, args...)...)
	var d probe.Document
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Reports) != 1 {
		t.Fatalf("got %q, %v, exit %d\n%s", out, err, code, errs)
	}
	return checked{d.Reports[0], code}
}

// by are the codes with an outcome, in order.
func (c *checked) by(o probe.Outcome) []string {
	all := map[string]bool{}
	for i := range c.Findings.Findings {
		if f := &c.Findings.Findings[i]; f.Outcome == string(o) {
			all[f.Code+" "+f.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// wants compares what was found with what is there.
func (c *checked) wants(t testing.TB, o probe.Outcome, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := c.by(o); !slices.Equal(got, want) {
		t.Errorf("got %s: %q, want %q", o, got, want)
		for i := range c.Findings.Findings {
			if f := &c.Findings.Findings[i]; f.Outcome == string(o) {
				t.Logf("%s %s: %s", f.Code, f.Name, f.Text)
			}
		}
	}
}

// client is what was said of a real client.
func (c *checked) client(name string) string {
	for _, f := range c.Clients {
		if strings.HasPrefix(f.Client, name) {
			return f.Outcome + ": " + f.Text
		}
	}
	return "nothing"
}

// TestCheckOpenServers looks at real servers that ask nobody for a credential.
func TestCheckOpenServers(t *testing.T) {
	t.Parallel()
	open := []string{"GH-2101 credential-demanded", "GH-2102 tools-listed", "GH-2130 made-up-credential"}
	tests := []struct {
		name       string
		start      func(t testing.TB) string
		fail, warn []string // beside being open
	}{
		{"Go SDK, stateless", func(t testing.TB) string { return goServer(t, true) }, []string{"GH-2141 origin"}, nil},
		{"Go SDK, with sessions", func(t testing.TB) string { return goServer(t, false) }, []string{"GH-2141 origin"}, nil},
		{"server-everything", nodeServerHTTP, []string{"GH-2141 origin", "GH-2142 host"}, []string{"GH-2144 leaks"}},
		{"TypeScript SDK", func(t testing.TB) string { return sdkServer(t) }, []string{"GH-2141 origin"}, []string{"GH-2144 leaks"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := check(t, tt.start(t))
			c.wants(t, probe.Fail, append(tt.fail, open...)...)
			c.wants(t, probe.Warn, tt.warn...)
			if got := c.client("Claude Code"); c.exit != 1 || got != "not_applicable: nobody is asked to sign in" {
				t.Errorf("got exit %d, Claude Code %s", c.exit, got)
			}
		})
	}
}

// TestCheckServersOfSDKs looks at real servers that are protected by the helpers of their SDKs.
func TestCheckServersOfSDKs(t *testing.T) {
	t.Parallel()
	typescript := []string{
		"GH-2120 challenge", "GH-2121 resource-metadata", "GH-2126 registration", "GH-2127 iss", "GH-2129 token-endpoint", "GH-2144 leaks",
	}
	key := filepath.Join(stateDir(t), "token")
	write(t, key, "a-token-that-the-verifier-knows-0123456789")
	tests := []struct {
		name       string
		start      func(t testing.TB) string
		args       []string
		fail, warn []string
		clients    map[string]string
	}{
		{
			"Go SDK's middleware", goGuarded, []string{"--token-from", "file:" + key},
			[]string{"GH-2124 issuer", "GH-2141 origin"},
			[]string{"GH-2104 trailing-slash", "GH-2121 resource-metadata", "GH-2130 made-up-credential"},
			map[string]string{"Claude Code": "fail: it finds no metadata of ", "ChatGPT": "unknown: it connects from the internet"},
		},
		{ // the example approves everybody, and 500 is its answer to a token that it does not know
			"TypeScript SDK", func(t testing.TB) string { return sdkServer(t, "--oauth") }, []string{"--register"},
			[]string{"GH-2130 made-up-credential", "GH-2149 registration-schemes", "GH-2154 consent"},
			append([]string{"GH-2146 redirect-uri", "GH-2147 resource-indicator"}, typescript...),
			map[string]string{"Cursor": "pass: registers itself", "Zed": "warn: it cannot get a client id there"},
		},
		{
			"TypeScript SDK, strict", func(t testing.TB) string { return sdkServer(t, "--oauth", "--oauth-strict") }, nil,
			[]string{"GH-2130 made-up-credential"}, typescript,
			map[string]string{"VS Code": "pass: registers itself", "OpenCode": "warn: it cannot get a client id there"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := check(t, tt.start(t), tt.args...)
			c.wants(t, probe.Fail, tt.fail...)
			c.wants(t, probe.Warn, tt.warn...)
			for name, want := range tt.clients {
				if got := c.client(name); !strings.HasPrefix(got, want) {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
		})
	}
}

// goGuarded is a server of the Go SDK behind the SDK's own middleware. Its
// verifier knows one token; there is no authorization server.
func goGuarded(t testing.TB) string {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "guarded", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "read", InputSchema: map[string]any{"type": "object"}}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{}, nil
	})
	mux := http.NewServeMux()
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	mux.Handle("/mcp", auth.RequireBearerToken(func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		if token != "a-token-that-the-verifier-knows-0123456789" {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{UserID: "ada", Scopes: []string{"read"}, Expiration: time.Now().Add(time.Hour)}, nil
	}, &auth.RequireBearerTokenOptions{ResourceMetadataURL: h.URL + "/.well-known/oauth-protected-resource/mcp", Scopes: []string{"read"}})(
		mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)))
	mux.Handle("/.well-known/oauth-protected-resource/mcp", auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: h.URL + "/mcp", AuthorizationServers: []string{h.URL}, ScopesSupported: []string{"read"},
	}))
	return h.URL + "/mcp"
}

// sdkServer starts an example server of the TypeScript SDK and returns its URL.
func sdkServer(t testing.TB, args ...string) string {
	t.Helper()
	script := npm(t, "node_modules", "@modelcontextprotocol", "sdk", "dist", "esm", "examples", "server", "simpleStreamableHttp.js")
	port := func(a string) string { return a[strings.LastIndexByte(a, ':')+1:] }
	address, auth := freeAddress(t), freeAddress(t)
	cmd := exec.Command(node(t), append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "MCP_PORT="+port(address), "MCP_AUTH_PORT="+port(auth))
	p := start(t, cmd)
	p.listening("localhost:" + port(address))
	if len(args) > 0 {
		p.listening("localhost:" + port(auth))
	}
	return "http://localhost:" + port(address) + "/mcp"
}
