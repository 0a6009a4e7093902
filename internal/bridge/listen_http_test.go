package bridge

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// listening starts a bridge that listens, and returns where.
func listening(t *testing.T, server, key string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	b := &Bridge{Server: server, Access: keyed(server), Log: slog.New(slog.DiscardHandler)}
	go func() { done <- b.Serve(ctx, l, key) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String() + PathOf(server)
}

// bearer adds a key to requests.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func TestClientsThatSpeakHTTPReachTheServer(t *testing.T) {
	for name, stateless := range map[string]bool{"sessions": false, "2026-07-28": true} {
		t.Run(name, func(t *testing.T) {
			real := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return everything() }, &mcp.StreamableHTTPOptions{Stateless: stateless})
			var strangers atomic.Int32
			server := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer very-secret" {
					strangers.Add(1)
				}
				real.ServeHTTP(w, r)
			}))
			at := listening(t, server+"/mcp", "local")
			c := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil)
			s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: at, HTTPClient: &http.Client{Transport: bearer("local")}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"A": 2, "B": 3}})
			if err != nil || !strings.Contains(got.Content[0].(*mcp.TextContent).Text, "5") || strangers.Load() > 0 {
				t.Errorf("got %v, %v; %d requests with another key", got, err, strangers.Load())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOnlyTheKeysHolderIsLetThrough(t *testing.T) {
	var hits atomic.Int32
	at := listening(t, served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))+"/mcp", "local")
	for name, change := range map[string]func(r *http.Request){
		"no key":         func(r *http.Request) { r.Header.Del("Authorization") },
		"another key":    func(r *http.Request) { r.Header.Set("Authorization", "Bearer loca") },
		"two keys":       func(r *http.Request) { r.Header.Add("Authorization", "Bearer local") },
		"another host":   func(r *http.Request) { r.Host = "evil.example" },
		"a page":         func(r *http.Request) { r.Header.Set("Origin", "http://localhost:3000") },
		"another path":   func(r *http.Request) { r.URL.Path = "/mcp/x" },
		"a query":        func(r *http.Request) { r.URL.RawQuery = "key=local" },
		"another method": func(r *http.Request) { r.Method = http.MethodPut },
	} {
		r, err := http.NewRequest(http.MethodPost, at, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer local")
		change(r)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode/100 != 4 || hits.Load() > 0 {
			t.Errorf("%s: got %d", name, res.StatusCode)
		}
	}
}

func TestARefusalOfTheServerIsNoneOfOurClients(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		at := listening(t, served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="https://as.example/"`)
			w.WriteHeader(status)
		})), "local")
		res, err := (&http.Client{Transport: bearer("local")}).Post(at, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":4,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadGateway || res.Header.Get("WWW-Authenticate") != "" || !strings.Contains(string(body), `"id":4`) || !strings.Contains(string(body), "GH-2228") {
			t.Errorf("%d: got %d %s", status, res.StatusCode, body)
		}
	}
}
