package gateway_test

import (
	"encoding/base64"
	"net/http"
	"slices"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

func wrapped(v string) string {
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(v)) + "?="
}

func TestA145HeadersAgainstTheBodyAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	allowed, denied := newer("tools/call", `,"name":"get_a"`), newer("tools/call", `,"name":"drop_b"`)
	refused := func(name, body string, headers ...string) attack {
		return attack{name: name, body: body, status: 400, code: mcp.CodeHeaderMismatch, headers: headers}
	}
	s.run(t, key, []attack{
		refused("an allowed tool above a denied one", denied, mirrored("tools/call", "get_a")...),
		refused("a denied tool above an allowed one", allowed, mirrored("tools/call", "drop_b")...),
		refused("another method", allowed, mirrored("tools/list", "get_a")...),
		refused("a method in other case", allowed, mirrored("Tools/Call", "get_a")...),
		refused("a name in other case", allowed, mirrored("tools/call", "Get_a")...),
		refused("no name", allowed, mirrored("tools/call", "")...),
		refused("no method", allowed, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Name", "get_a"),
		refused("no version", allowed, "Mcp-Method", "tools/call", "Mcp-Name", "get_a"),
		refused("an older version", allowed, "Mcp-Protocol-Version", "2025-11-25", "Mcp-Method", "tools/call", "Mcp-Name", "get_a"),
		refused("the method twice", allowed, append(mirrored("tools/call", "get_a"), "Mcp-Method", "tools/call")...),
		refused("the name twice", allowed, append(mirrored("tools/call", "get_a"), "mcp-name", "drop_b")...),
		refused("the version twice", allowed, append(mirrored("tools/call", "get_a"), "MCP-Protocol-Version", "2025-11-25")...),
		refused("a denied name in Base64", allowed, mirrored("tools/call", wrapped("drop_b"))...),
		refused("markers in upper case", allowed, mirrored("tools/call", "=?BASE64?Z2V0X2E=?=")...),
		refused("bad Base64", allowed, mirrored("tools/call", "=?base64?Z2V0X2E?=")...),
		refused("Base64 of Base64", allowed, mirrored("tools/call", wrapped(wrapped("get_a")))...),
		refused("a name of an older revision that lies", call("drop_b"), "Mcp-Protocol-Version", "2025-11-25", "Mcp-Name", "get_a"),
		refused("a method without a version that lies", call("get_a"), "Mcp-Method", "tools/list"),
		refused("a name where the method has none", newer("tools/list", ""), mirrored("tools/list", "get_a")...),
		{name: "true headers of a denied tool", body: denied, status: 403, code: mcp.CodeInvalidParams, headers: mirrored("tools/call", "drop_b")},
		{name: "true headers of a denied tool in Base64", body: denied, status: 403, code: mcp.CodeInvalidParams, headers: mirrored("tools/call", wrapped("drop_b"))},
	})
	for _, name := range []string{"get_a", wrapped("get_a")} {
		before := len(s.up.requests())
		if got := s.post(key, allowed, append(mirrored("tools/call", name), "Mcp_Name", "drop_b", "X-Mcp-Name", "drop_b")...); got.status != 200 {
			t.Errorf("%s: got %d, want 200: %s", name, got.status, got.body)
		}
		seen := s.up.requests()[before:]
		if len(seen) != 1 || !slices.Equal(seen[0].request.Header["Mcp-Name"], []string{name}) || seen[0].request.Header["X-Mcp-Name"] != nil || seen[0].request.Header["Mcp_name"] != nil {
			t.Errorf("got %+v at the server, want the one header that was checked", seen)
		}
	}
}

func TestA146ParameterHeadersAtTheGateway(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	body := newer("tools/call", `,"name":"get_a","arguments":{"region":"eu"}`)
	with := func(headers ...string) []string { return append(mirrored("tools/call", "get_a"), headers...) }
	refused := func(name string, headers ...string) attack {
		return attack{name: name, body: body, status: 400, code: mcp.CodeHeaderMismatch, headers: with(headers...)}
	}
	s.run(t, key, []attack{
		refused("bad Base64", "Mcp-Param-Region", "=?base64?%%%?="),
		refused("Base64 of no text", "Mcp-Param-Region", "=?base64?/w==?="),
		refused("the same parameter twice", "Mcp-Param-Region", "eu", "mcp-param-region", "us"),
	})
	before := len(s.up.requests())
	if got := s.post(key, body, with("Mcp-Param-Region", "eu", "Mcp-Param-Unknown", wrapped("ä\r\nX-User: root"))...); got.status != 200 {
		t.Fatalf("got %d, want 200: %s", got.status, got.body)
	}
	got := s.up.requests()[before].request.Header
	if got.Get("Mcp-Param-Region") != "eu" || got.Get("Mcp-Param-Unknown") != wrapped("ä\r\nX-User: root") || got.Get("X-User") != "" {
		t.Errorf("got headers %v at the server, want both parameters as they were", got)
	}
}

// TestA145HeadersWithoutABody sends mirrors where there is nothing to mirror: a
// hop behind us that believes them must not get them.
func TestA145HeadersWithoutABody(t *testing.T) {
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) }))
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		before := s.up.count()
		s.do(method, s.key, "", "Mcp-Method", "tools/call", "Mcp-Name", "drop_b", "Mcp-Param-Region", "eu", "Content-Type", "text/plain", "Mcp-Protocol-Version", "2025-11-25")
		got := s.up.requests()[before].request.Header
		if got["Mcp-Method"] != nil || got["Mcp-Name"] != nil || got["Mcp-Param-Region"] != nil || got["Content-Type"] != nil || got.Get("Mcp-Protocol-Version") != "2025-11-25" {
			t.Errorf("%s: got headers %v at the server, want the version and no mirrors", method, got)
		}
	}
}
