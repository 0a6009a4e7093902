package gateway_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A tool that a key may not call is out of reach in every revision.
func TestA122OlderVersion(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, narrow := s.mint("get_*")
	drop := call("drop_b")
	recent, recentHeaders := ofNewEra("tools/call", "drop_b", `,"name":"drop_b"`)
	mismatched := func(version ...string) (headers []string) {
		for _, v := range version {
			headers = append(headers, "Mcp-Protocol-Version", v)
		}
		return append(headers, "Mcp-Method", "tools/call", "Mcp-Name", "drop_b")
	}
	const v = "Mcp-Protocol-Version"
	tests := []struct {
		name, body string
		status     int
		says       string
		headers    []string
	}{
		{"no version", drop, 403, "GH-1202", nil},
		{"an empty version", drop, 403, "GH-1202", []string{v, ""}},
		{"2024-11-05", drop, 403, "GH-1202", []string{v, "2024-11-05"}},
		{"2025-03-26", drop, 403, "GH-1202", []string{v, "2025-03-26"}},
		{"2025-06-18", drop, 403, "GH-1202", []string{v, "2025-06-18"}},
		{"2025-11-25", drop, 403, "GH-1202", []string{v, "2025-11-25"}},
		{"2026-07-28", recent, 403, "GH-1202", recentHeaders},
		{"another in _meta, said twice the same", strings.ReplaceAll(recent, "2026-07-28", "2025-06-18"), 403, "GH-1202", mismatched("2025-06-18")},
		{"an older in _meta alone", strings.ReplaceAll(recent, "2026-07-28", "2025-06-18"), 403, "GH-1202", nil},
		{"in a batch", "[" + ping + "," + strings.Replace(drop, `"id":1`, `"id":2`, 1) + "]", 403, "GH-1202", []string{v, "2025-03-26"}},
		{"in a batch without a version", "[" + drop + "]", 403, "GH-1202", nil},
		{"in a batch of a revision without", "[" + drop + "]", 400, "-32600", []string{v, "2025-06-18"}},
		{"garbage", drop, 400, "-32022", []string{v, "garbage"}},
		{"a version to come", drop, 400, "-32022", []string{v, "2030-01-01"}},
		{"a version that never was", drop, 400, "-32022", []string{v, "2025-06-17"}},
		{"a version and more", drop, 400, "-32022", []string{v, "2025-06-18x"}},
		{"a list of versions", drop, 400, "-32022", []string{v, "2025-06-18, 2025-11-25"}},
		{"an endless version", drop, 400, "-32022", []string{v, strings.Repeat("2025-06-18", 1000)}},
		{"two headers", drop, 400, "-32020", []string{v, "2025-06-18", v, "2025-11-25"}},
		{"the same header twice", drop, 400, "-32020", []string{v, "2025-06-18", v, "2025-06-18"}},
		{"two headers over the newer body", recent, 400, "-32020", mismatched("2026-07-28", "2025-06-18")},
		{"the newer header over an older body", drop, 400, "-32602", mismatched("2026-07-28")},
		{"an older header over the newer body", recent, 400, "-32020", mismatched("2025-11-25")},
		{"garbage over the newer body", recent, 400, "-32020", mismatched("garbage")},
		{"no header over the newer body", recent, 400, "-32020", mismatched()},
		{"an unknown version in both", strings.ReplaceAll(recent, "2026-07-28", "2030-01-01"), 400, "-32022", mismatched("2030-01-01")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.refuses(t, tt.status, tt.says, func() reply { return s.post(narrow, tt.body, tt.headers...) })
		})
	}
	for _, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		if got := s.post(narrow, call("get_a"), v, version); got.status != http.StatusOK {
			t.Errorf("got %d for what it may call in %s, want 200", got.status, version)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		s.refuses(t, http.StatusBadRequest, "-32022", func() reply { return s.do(method, narrow, "", v, "garbage") })
		s.refuses(t, http.StatusBadRequest, "-32020", func() reply { return s.do(method, narrow, "", v, "2025-06-18", v, "2026-07-28") })
	}
}

// paths are doors that other products have, or that we may have one day.
func paths() []string {
	return strings.Fields(`/ /sse /sse/ /message /messages /messages/ /mcp/sse /mcp/message /mcp/messages /ws /mcp/ws /mcp-connect/1 /mcp/mcp
		/api /api/v1/tools /tools/call /tools/get_a /mcp/tools/list /mcp/tools/call /rpc /jsonrpc /mcp.json /openapi.json /v1/models
		/admin /admin/keys /keys /tenants /console /metrics /debug/pprof/ /debug/pprof/heap /debug/vars /debug/requests /health /healthz /readyz /status /version
		/.well-known/oauth-protected-resource /.well-known/oauth-protected-resource/mcp /.well-known/oauth-authorization-server /.well-known/openid-configuration
		/token /authorize /register /login /logout /callback /oauth/callback /jwks.json /introspect /revoke
		/MCP /Mcp /mcp2 /mcpx /mc /index.html /favicon.ico /robots.txt /.env /.git/config /server-status /proxy/evil.test`)
}

// verbs are what a request line may begin with.
func verbs() []string {
	return strings.Fields("GET HEAD POST PUT DELETE OPTIONS TRACE CONNECT PRI post")
}

func TestA123AlternateDoors(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	mark, before, tried := s.log.size(), s.up.count(), 0
	crawl := func(method, path, line string, allowed ...int) {
		tried++
		body := ""
		if method != http.MethodGet && method != http.MethodHead {
			body = call("get_a")
		}
		got := s.one(t, s.plain(method, path, body, line))
		for _, status := range allowed {
			if got.status == status {
				return
			}
		}
		t.Errorf("%s %s with %q: got %d %s, want one of %v", method, path, line, got.status, got.body, allowed)
	}
	for _, method := range verbs() {
		for _, path := range []string{"/mcp", "/mcp/", "/mcp?x=y"} {
			crawl(method, path, "X-None: 1", 401)
		}
		for _, path := range []string{"/%6dcp", "//mcp", "/mcp;x", "*"} {
			crawl(method, path, "X-None: 1", 400, 421)
		}
		for _, path := range paths() {
			if path != "/" || method != http.MethodGet {
				crawl(method, path, "X-None: 1", 404)
			}
			crawl(method, path, s.bearer(), 404)
		}
		if !strings.Contains(" GET POST DELETE ", " "+method+" ") {
			crawl(method, "/mcp", s.bearer(), 405)
			crawl(method, "/mcp/", s.bearer(), 405)
		}
	}
	if n := s.up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
	if n := strings.Count(s.log.since(mark), `"level":"WARN","msg":"request"`); n != tried {
		t.Errorf("got %d warnings in the log, want %d", n, tried)
	}
	s.clean(t, "the log", s.log.since(mark))
	s.refuses(t, http.StatusBadRequest, "GH-1007", func() reply { return s.one(t, s.plain("OPTIONS", "*", "")) })
	got := s.one(t, s.plain("GET", "/", "", "Accept: text/html"))
	if got.status != http.StatusUnauthorized || !strings.Contains(got.body, "<html") || got.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("got %d %v for a browser, want the helper page under 401", got.status, got.header)
	}
}

// An upgrade is never made: what was asked for beside it is answered in HTTP/1.1.
func TestA123Upgrades(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	for _, upgrade := range [][]string{
		{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: mcp"},
		{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"},
		{"Connection: upgrade, close", "Upgrade: TLS/1.2"},
	} {
		lines := append([]string{"Connection: close"}, upgrade...)
		s.refuses(t, http.StatusUnauthorized, "GH-1001", func() reply { return s.one(t, s.plain("GET", "/mcp", "", lines...)) })
		s.refuses(t, http.StatusNotFound, "GH-1305", func() reply { return s.one(t, s.plain("GET", "/ws", "", append(lines, s.bearer())...)) })
		got := s.one(t, s.plain("POST", "/mcp", ping, append(lines, s.bearer())...))
		seen := s.up.requests()
		last := seen[len(seen)-1].request
		if got.status != http.StatusOK || last.Header.Get("Upgrade") != "" || last.Header.Get("Http2-Settings") != "" || last.Header.Get("Sec-Websocket-Key") != "" {
			t.Errorf("got %d and %v at the server, want a plain call", got.status, last.Header)
		}
	}
}

// A server that switches protocols is not followed.
func TestA123UpstreamSwitchesProtocols(t *testing.T) {
	s := besiege(t, raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore"))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if got := s.do(method, s.key, strings.Repeat(call("get_a"), len(method)-3)); got.status != http.StatusBadGateway {
			t.Errorf("%s: got %d %s, want 502", method, got.status, got.body)
		}
	}
}

// raw answers with bytes as they are, and ends the connection.
func raw(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString(answer)
		_ = buffered.Flush()
	}
}

// okay is the head of a good answer of so many bytes, with further header lines.
func okay(length int, lines ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(length) + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}
