package gateway_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCredential(t *testing.T) {
	f := protect(t, http.HandlerFunc(echo))
	_, key := f.key()
	tests := []struct {
		name    string
		headers []string
		status  int
		code    string
	}{
		{"as a bearer token", []string{"Authorization", "Bearer " + key}, 200, ""},
		{"with the scheme in lower case", []string{"Authorization", "bearer " + key}, 200, ""},
		{"in X-API-Key", []string{"X-API-Key", key}, 200, ""},
		{"none", nil, 401, "GH-1001"},
		{"an empty one", []string{"Authorization", "Bearer "}, 401, "GH-1001"},
		{"by another scheme", []string{"Authorization", "Basic " + key}, 401, "GH-1001"},
		{"two", []string{"Authorization", "Bearer " + key, "X-API-Key", key}, 400, "GH-1004"},
		{"two of the same header", []string{"Authorization", "Bearer " + key, "Authorization", "Bearer " + key}, 400, "GH-1004"},
		{"an unexpanded variable", []string{"Authorization", "Bearer ${ACME_MCP_KEY}"}, 401, "GH-1003"},
		{"an unexpanded variable of VS Code", []string{"X-API-Key", "${input:key}"}, 401, "GH-1003"},
		{"a damaged one", []string{"Authorization", "Bearer " + key[:len(key)-1]}, 401, "GH-1010"},
		{"something else", []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}, 401, "GH-1011"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.up.requests())
			got := f.post("", ping, tt.headers...)
			if got.status != tt.status || !strings.Contains(got.body, tt.code) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tt.status, tt.code)
			}
			if tt.status == 401 && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("got challenge %q, want Bearer", got.header.Get("WWW-Authenticate"))
			}
			if got.header.Get("X-Request-Id") == "" {
				t.Error("got no request id")
			}
			if reached := len(f.up.requests()) - before; reached != 0 && tt.status != 200 {
				t.Errorf("got %d requests at the server, want none", reached)
			}
			if strings.Contains(f.log.String(), key) {
				t.Error("the log has the key")
			}
		})
	}
}

func TestToolsOfAKey(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(string(body), "tools/list") {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_a"},{"name":"drop_b"},{"name":"get_c"}],"cacheScope":"public","ttlMs":5}}`)
			return
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	}))
	_, key := f.key("get_*")
	got := f.post(key, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	want := `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_a"},{"name":"get_c"}],"cacheScope":"private","ttlMs":5}}`
	if got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
	if got := f.post(key, call("get_a")); got.status != 200 {
		t.Errorf("got %d for an allowed tool, want 200", got.status)
	}
	before := len(f.up.requests())
	hidden, unknown := f.post(key, call("drop_b")), f.post(key, call("no_such"))
	mine := func(g reply) string { return strings.ReplaceAll(g.body, g.header.Get("X-Request-Id"), "ID") } // a request is told its own id
	if hidden.status != 403 || mine(hidden) != mine(unknown) || hidden.status != unknown.status {
		t.Errorf("got %d %s for a hidden and %d %s for an unknown tool, want the same 403", hidden.status, hidden.body, unknown.status, unknown.body)
	}
	if hidden.header.Get("WWW-Authenticate") != "" {
		t.Error("got a challenge: a client would try to log in again")
	}
	if len(f.up.requests()) != before {
		t.Error("a refused call has reached the server")
	}
}

func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// TestStreamEndsWithTheKey opens a stream and revokes its key.
func TestStreamEndsWithTheKey(t *testing.T) {
	left := make(chan struct{})
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	k, key := f.key()
	res := f.open(t.Context(), http.MethodGet, key, "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || lines.Text() != "event: message" {
		t.Fatalf("got %q, want an event", lines.Text())
	}
	began := time.Now()
	if _, err := f.keys.Revoke(t.Context(), "", k.ID, "test", "leaked"); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	<-left
	t.Logf("the stream ended %s after the revocation", time.Since(began))
	if got := f.post(key, ping); got.status != 401 || !strings.Contains(got.body, "GH-1011") {
		t.Errorf("got %d %s, want 401 GH-1011", got.status, got.body)
	}
}

// TestEventsOfOtherNames: what the Go SDK calls "prime" and "close" tells
// clients how to come back; what such events say is nobody's business.
func TestEventsOfOtherNames(t *testing.T) {
	f := protect(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: prime\nid: 7\ndata:\n\nevent: close\nretry: 500\ndata: {\"method\":\"x\"}\n\nevent: other\ndata: secret\n\n")
	}))
	_, key := f.key()
	if got, want := f.do(http.MethodGet, key, ""), "id: 7\n\nretry: 500\n\n"; got.body != want {
		t.Errorf("got %q, want %q", got.body, want)
	}
}
