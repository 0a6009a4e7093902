package gatehouse_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
)

// needs is what the operations of a server of files need.
func needs(op *gatehouse.Operation) []string {
	switch {
	case op.Method == "tools/call" && op.Name == "write":
		return []string{"files:read", "files:write"}
	case op.Method == "tools/call" && strings.Contains(string(op.Arguments), "/etc"):
		return []string{"files:admin"}
	case op.Method == "resources/read":
		return []string{op.Name}
	}
	return []string{"files:read"}
}

// post makes a request with a body, of 2025-11-25 unless a header says otherwise.
func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

const (
	read   = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read","arguments":{"path":"a"}}}`
	readIn = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read","arguments":{"path":"/etc"}}}`
	write  = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write"}}`
	uri    = `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///a"}}`
	answer = `{"jsonrpc":"2.0","id":7,"result":{}}`
	modern = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
)

func TestRequireScopes(t *testing.T) {
	r := resource()
	r.Includes = map[string][]string{"files:admin": {"files:write"}, "files:write": {"files:read"}, "loop": {"loop"}}
	v := tokens(map[string]*gatehouse.Identity{
		"read":  {Subject: "a", Scopes: []string{"files:read"}},
		"both":  {Subject: "a", Scopes: []string{"files:read", "files:write"}},
		"admin": {Subject: "a", Scopes: []string{"files:admin"}},
		"none":  {Subject: "a", Scopes: []string{}},
		"key":   {Subject: "a"},
	})
	for _, tt := range scoped() {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, r, v) })
	}
}

// asking is a request, and what comes of it.
type asking struct {
	name, token string
	request     *http.Request
	status      int
	scope       string // of the challenge
}

func scoped() []asking {
	return []asking{
		{"it has the scope", "read", post(read), 200, ""},
		{"it lacks one of two", "read", post(write), 403, "files:read files:write"},
		{"it lacks both", "none", post(write), 403, "files:read files:write"},
		{"it speaks of no scopes", "key", post(read), 403, "files:read"},
		{"it has both", "both", post(write), 200, ""},
		{"it includes both", "admin", post(write), 200, ""},
		{"an argument decides", "both", post(readIn), 403, "files:admin"},
		{"it includes them the other way", "both", post(readIn), 403, "files:admin"},
		{"a resource", "both", post(uri), 403, "file:///a"},
		{"an answer of the client's", "none", post(answer), 200, ""},
		{"a stream", "none", request("GET", "/mcp"), 403, "files:read"},
		{"the end of a session", "read", request("DELETE", "/mcp"), 200, ""},
		{"a batch with one in it", "read", post("["+read+`,`+strings.Replace(write, "7", "8", 1)+"]", "Mcp-Protocol-Version", "2025-03-26"), 403, "files:read files:write"},
		{"the newer era", "read", post(modern, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "write"), 403, "files:read files:write"},
		{"headers that say another tool", "both", post(modern, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "read"), 400, ""},
		{"a name that is there twice", "read", post(strings.Replace(write, `"name"`, `"name":"read","name"`, 1)), 400, ""},
		{"a name in another case", "read", post(strings.Replace(write, `"name"`, `"name":"read","Name"`, 1)), 400, ""},
		{"no JSON", "both", post("{"), 400, ""},
		{"a body that is too large", "both", post(`"` + strings.Repeat("a", 4<<20) + `"`), 413, ""},
	}
}

func (tt asking) run(t *testing.T, r gatehouse.Resource, v gatehouse.Verifier) {
	var got string
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(b)) {
			t.Errorf("got %d of %d bytes, %v", len(b), r.ContentLength, err)
		}
		got = "reached " + string(b)
	})
	tt.request.Header.Set("Authorization", "Bearer "+tt.token)
	var sent string
	if tt.request.Body != nil {
		b, _ := io.ReadAll(tt.request.Body)
		sent = string(b)
		tt.request.Body = io.NopCloser(strings.NewReader(sent))
	}
	res := serve(protect(t, gatehouse.RequireScopes(next, needs), r, v), tt.request)
	if res.StatusCode != tt.status || (got != "") != (tt.status == 200) || got != "" && got != "reached "+sent {
		t.Fatalf("got %d %q, want %d", res.StatusCode, got, tt.status)
	}
	if tt.scope == "" {
		return
	}
	want := `Bearer realm="gatehouse", error="insufficient_scope", error_description="This needs the scope ` + tt.scope + `.", scope="` + tt.scope + `", ` + whereto
	if got := res.Header.Get("WWW-Authenticate"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	var body struct {
		ID    any
		Error any
	}
	if err := json.Unmarshal([]byte(text(t, res)), &body); err != nil || body.Error == nil || tt.request.Method == "POST" && sent[0] != '[' && body.ID != 7.0 {
		t.Errorf("got %+v, %v", body, err)
	}
}

func TestNeed(t *testing.T) {
	r := resource()
	r.Includes = map[string][]string{"files:admin": {"files:read"}}
	for token, want := range map[string]string{"read": "", "admin": "", "none": "files:read"} {
		v := tokens(map[string]*gatehouse.Identity{
			"read": ada, "admin": {Subject: "a", Scopes: []string{"files:admin"}}, "none": {Subject: "a"},
		})
		var err error
		h := protect(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { err = gatehouse.Need(r.Context(), "files:read") }), r, v)
		serve(h, request("POST", "/mcp", "Authorization", "Bearer "+token))
		var e *gatehouse.Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got %v", token, err)
		case want != "" && (!errors.As(err, &e) || e.Code != "GH-1201" || e.Status != 403 || e.Challenge.Scope != want ||
			e.Challenge.ResourceMetadata != r.MetadataURL() || e.Challenge.Error != "insufficient_scope"):
			t.Errorf("%s: got %v, want %s", token, err, want)
		}
	}
	ctx := gatehouse.NewContext(t.Context(), ada)
	if err := gatehouse.Need(ctx, "files:read"); err != nil {
		t.Error(err)
	}
	if err := gatehouse.Need(ctx, "files:write"); err == nil {
		t.Error("want a refusal")
	}
}
