package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// attended puts somebody at the front who answers authorization requests at
// once: who opens one is led to the redirect URI, as by the authorization servers
// of the conformance suite. The front itself is behind that, at another address.
func (f *front) attended(t *testing.T, visit func(ctx context.Context, at string) (*url.URL, error)) (behind string) {
	t.Helper()
	behind = freeAddress(t)
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, Transport: f.way(t),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", behind, f.address
		},
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	through := wholeBodies(proxy)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/authorize" {
			through.ServeHTTP(w, r)
			return
		}
		to, err := visit(r.Context(), "https://"+f.address+r.URL.RequestURI())
		if err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, to.String(), http.StatusFound) //nolint:gosec // it is a test's own authorization server
	}))
	_ = s.Listener.Close()
	if s.Listener, err = net.Listen("tcp", f.address); err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return behind
}

// testTool is a server with the tool that the conformance suite's servers have.
func testTool(t *testing.T) string {
	t.Helper()
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "test-tool"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "tested"}}}, nil, nil
	})
	s := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestClientOfTheConformanceSuiteSignsInHere runs the client with which the
// official suite's client scenarios are passed, in those where an authorization
// server is ours as well as the suite's: it registers itself or is known already,
// signs in, is asked for more by its call, and asks for that.
func TestClientOfTheConformanceSuiteSignsInHere(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	var ada *resident
	var one sync.Mutex // person, with one browser
	one.Lock()
	behind := f.attended(t, func(ctx context.Context, at string) (*url.URL, error) {
		one.Lock()
		defer one.Unlock()
		return ada.visit(ctx, at)
	})
	f.listen = behind
	// the client says that it is a document in a domain that nobody has, where those count
	f.openOwn(t, testTool(t), "cimd: {", "cimd: {enabled: false, ", "test_multiple_content_types", "test-tool")
	ada = settle(t, f, "ada")
	one.Unlock()
	asked := func() int {
		one.Lock()
		defer one.Unlock()
		return len(ada.pages)
	}
	static := f.made(t, "", "--redirect-uri", "http://localhost:3000/callback")
	client := build(t, "everything-client", "github.com/modelcontextprotocol/go-sdk/conformance/everything-client")
	tests := []struct{ scenario, context string }{
		{"auth/scope-step-up", "{}"},
		{"auth/pre-registration", mustJSON(t, map[string]string{"client_id": static.id, "client_secret": static.secret})},
	}
	for _, tt := range tests {
		t.Run(strings.TrimPrefix(tt.scenario, "auth/"), func(t *testing.T) { //nolint:paralleltest // one person, with one browser
			before := asked()
			out, errs, code := runWith(t, []string{
				"SSL_CERT_FILE=" + f.all, "MCP_CONFORMANCE_SCENARIO=" + tt.scenario, "MCP_CONFORMANCE_CONTEXT=" + tt.context,
			}, patience, client, f.url)
			if code != 0 {
				t.Errorf("got exit code %d\n%s%s", code, out, errs)
			}
			if asked() == before {
				t.Error("nobody was asked anything")
			}
		})
	}
}
