package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/internal/demo"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

func TestProbeMeetsServersOfBothEras(t *testing.T) {
	sdk := func(o *mcp.StreamableHTTPOptions) http.Handler {
		m := demo.Server{}.MCP()
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m }, o)
	}
	tests := []struct {
		name    string
		server  http.Handler
		tools   int
		version string
		fails   string // part of the error
	}{
		{"the newer era", sdk(&mcp.StreamableHTTPOptions{Stateless: true}), 5, "2026-07-28", ""},
		{"the older era", old(t, false), 3, "2025-06-18", ""},
		{"the older era, over streams", old(t, true), 3, "2025-06-18", ""},
		{"a server that wants a credential", status(401, `{}`), 0, "", "credential of its own"},
		{"a server of something else", status(404, `<html>`), 0, "", "404"},
		{"a server of some other JSON", status(200, `{"hello":1}`), 0, "", "not JSON-RPC"},
		{"the newer era without tools", status(404, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`), 0, "2026-07-28", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.server)
			defer s.Close()
			target, err := url.Parse(s.URL + "/mcp")
			if err != nil {
				t.Fatal(err)
			}
			c := &upstream.Client{URL: target}
			defer c.Close()
			got, err := probe(t.Context(), c, nil)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %+v, %v, want an error with %q", got, err, tt.fails)
				}
				return
			}
			if err != nil || got.Tools != tt.tools || len(got.Versions) != 1 || got.Versions[0] != tt.version {
				t.Errorf("got %+v, %v, want %d tools and %s", got, err, tt.tools, tt.version)
			}
		})
	}
}

// status answers always the same.
func status(code int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kind := "application/json"
		if strings.HasPrefix(body, "<") {
			kind = "text/html"
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

// old is a server of MCP 2025-06-18 with three tools on two pages, which wants
// its session on everything after initialize.
func old(t *testing.T, streams bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			ID     json.RawMessage
			Method string
			Params struct{ Cursor string }
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_ = json.Unmarshal(body, &q) // nothing to read of a DELETE
		if q.Method != "initialize" && r.Header.Get("Mcp-Session-Id") != "s1" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "Bad Request: no session")
			return
		}
		result := map[string]string{
			"initialize":  `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"old","version":"1"}}`,
			"tools/list":  `{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"2"}`,
			"tools/list2": `{"tools":[{"name":"c"}]}`,
		}[q.Method+q.Params.Cursor]
		if result == "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)
		w.Header().Set("Mcp-Session-Id", "s1")
		w.Header().Set("Content-Type", "application/json")
		if streams {
			w.Header().Set("Content-Type", "text/event-stream")
			answer = ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\ndata: " + answer + "\n\n"
		}
		_, _ = io.WriteString(w, answer)
	})
}
