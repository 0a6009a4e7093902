package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/mcpsdk"
)

// goSDKServer is a server of the Go SDK behind the SDK's own middleware. It serves
// the address that it is given.
func goSDKServer(t testing.TB, address string, p *provider) {
	t.Helper()
	at := "http://" + address
	verify, err := mcpsdk.Verifier(gatehouse.Resource{URL: at + "/mcp", AuthorizationServers: []string{p.issuer}}, &gatehouse.JWTVerifier{
		Issuer: p.issuer, Audience: at + "/mcp", Keys: &gatehouse.RemoteKeys{Issuer: p.issuer, HTTP: p.browser()},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: reading}, func(_ context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, struct{}, error) {
		return nil, struct{}{}, nil
	})
	const metadata = "/.well-known/oauth-protected-resource"
	mux := http.NewServeMux()
	mux.Handle(metadata+"/mcp", auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: at + "/mcp", AuthorizationServers: []string{p.issuer}, ScopesSupported: []string{"tools:read"},
	}))
	mux.Handle("/mcp", auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{ResourceMetadataURL: at + metadata + "/mcp", Scopes: []string{"tools:read"}})(
		mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)))
	server := httptest.NewUnstartedServer(mux)
	_ = server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
}

// TestTheBridgeSignsInElsewhere has the bridge sign a user in at node oidc-provider,
// for our gateway and for a server of the Go SDK with the SDK's own middleware: a
// client at one authorization server, with a token for each.
func TestTheBridgeSignsInElsewhere(t *testing.T) {
	t.Parallel()
	f, sdk := reserved(t), freeAddress(t)
	there := "http://" + sdk + "/mcp"
	p := nodeProvider(t, map[string]map[string]any{"ada": {}}, map[string]nodeResource{f.url: {Scope: "tools:read"}, there: {Scope: "tools:read"}})
	f.open(t, f.text(goServer(t, true), "\n    - {name: read, tools: ["+reading+"], require: {scopes: [tools:read]}}", p.yaml("")), p)
	goSDKServer(t, sdk, p)
	bin, state := filepath.Dir(mcpCommand(t)), t.TempDir()
	for _, url := range []string{f.url, there} {
		cmd := exec.Command(node(t), npmScript(t, "stdio.mjs"), "auto", reading, gatehouseBinary(t), "bridge", url, "--keychain", "file", "--state", state)
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+f.all, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.Output()
		var got struct{ Tools []string }
		if err != nil || json.Unmarshal(out, &got) != nil || strings.Join(got.Tools, " ") != reading {
			t.Errorf("%s: %v\n%s%s", url, err, out, stderrIn(err))
		}
	}
	if seen := p.seen(); seen["/reg"] != 1 {
		t.Errorf("oidc-provider was asked %v, want one registration", seen)
	}
	out, errs, code := run(t, patience, gatehouseBinary(t), "bridge", "logout", f.url, "--keychain", "file", "--state", state, "--json")
	if code != 0 && code != 1 {
		t.Errorf("logout: %d %s%s", code, out, errs)
	}
}
