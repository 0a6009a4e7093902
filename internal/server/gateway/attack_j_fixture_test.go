package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// The tests named after an entry of the catalogue of attacks go through the
// whole gateway: what counts is that nothing reaches the server, that the
// refusal can be read, and that the next good request passes.

// restricted is what the restricted key of these tests may call.
const restricted = "get_*"

// attack is one request that must be refused.
type attack struct {
	name    string
	body    string
	status  int
	code    int // of the JSON-RPC error
	headers []string
}

// run sends the attacks with a key and wants each refused in JSON-RPC.
func (s *siege) run(t *testing.T, key string, attacks []attack) {
	t.Helper()
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			got := s.refuses(t, tt.status, "", func() reply { return s.post(key, tt.body, tt.headers...) })
			isRefusal(t, got, tt.status, tt.code)
		})
	}
}

// isRefusal checks an answer that is a JSON-RPC error.
func isRefusal(t *testing.T, got reply, status, code int) {
	t.Helper()
	var m struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  json.RawMessage `json:"result"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(got.body), &m); err != nil {
		t.Errorf("got %d %q, want JSON: %v", got.status, got.body, err)
		return
	}
	if got.status != status || m.Error.Code != code {
		t.Errorf("got %d %d, want %d %d: %s", got.status, m.Error.Code, status, code, got.body)
	}
	if m.Version != "2.0" || m.ID == nil || m.Result != nil || m.Error.Message == "" {
		t.Errorf("got %s, want an error response of JSON-RPC", got.body)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("got content type %q, want application/json", kind)
	}
	if got.header.Get("Cache-Control") != "no-store" || len(got.header["X-Request-Id"]) != 1 {
		t.Errorf("got headers %v, want no-store and a request id", got.header)
	}
}

// newer is a request of 2026-07-28 without its headers. Members of params
// follow _meta, each with a comma before it.
func newer(method, members string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}` + members + `}}`
}

// mirrored are the headers that go with a newer request; name may be empty.
func mirrored(method, name string) []string {
	h := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		h = append(h, "Mcp-Name", name)
	}
	return h
}

// legacy are the headers of a request of an older revision.
func legacy(version string) []string { return []string{"Mcp-Protocol-Version", version} }

// answering is a server that gives one answer to whatever comes, but pongs.
func answering(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// turncoat is a server that answers now like one, now like another.
type turncoat struct {
	atomic.Pointer[http.HandlerFunc]
}

func (c *turncoat) becomes(h http.HandlerFunc) { c.Store(&h) }

func (c *turncoat) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*c.Load())(w, r) }

// event frames a message as a server-sent event.
func event(message string) string {
	return "event: message\ndata: " + strings.ReplaceAll(message, "\n", "\ndata: ") + "\n\n"
}

// keyless mints a key that may call no tool.
func (s *siege) keyless() (id, text string, err error) {
	k, secret, err := s.keys.Create(s.t.Context(), s.tenant, apikey.Spec{Name: "none"})
	if err != nil {
		return "", "", err
	}
	return k.ID, secret.Reveal(), nil
}
