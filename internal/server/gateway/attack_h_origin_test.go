package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// public is a gateway that the world knows as https://gw.test/mcp.
func public(g *gateway.Gateway) {
	g.PublicURL = "https://gw.test/mcp"
	g.Origins = []string{"https://inspector.test:8443"}
}

// A page that is not allowed is refused before anything else is looked at: here
// no request has a credential, and no body is JSON.
func TestA109OriginMatrix(t *testing.T) {
	t.Run("on loopback", func(t *testing.T) {
		s := besiege(t, http.HandlerFunc(echo))
		originMatrix(t, s, "Host: "+s.address)
		own := "Origin: http://" + s.address
		for _, two := range [][]string{{own, "Origin: https://evil.test"}, {"Origin: https://evil.test", own}, {own, own}} {
			s.refuses(t, http.StatusForbidden, "GH-1006", func() reply {
				return s.one(t, s.plain("POST", "/mcp", ping, append(two, s.bearer())...))
			})
		}
	})
	t.Run("in public", func(t *testing.T) {
		s := besiege(t, http.HandlerFunc(echo), public)
		originMatrix(t, s, "Host: gw.test")
	})
}

func originMatrix(t *testing.T, s *siege, host string) {
	t.Helper()
	_, port, _ := strings.Cut(s.address, ":")
	for _, origin := range []string{
		"", "null", "https://evil.test", "http://evil.test", "https://gw.test.evil.test", "https://evilgw.test", "http://gw.test", "https://gw.test:444",
		"https://user@gw.test", "https://gw.test.", "https://gw.test/", "gw.test", "//gw.test", "https://", "*", "file://", "chrome-extension://abc",
		"http://localhost:1", "http://127.0.0.1", "https://127.0.0.1:" + port, "http://127.0.0.1:" + port + "/", "http://127.0.0.1.evil.test:" + port,
		"http://[::1]:" + port, "http://localhost.evil.test", "https://inspector.test", "http://inspector.test:8443", "https://gw.test, https://evil.test",
		"https://gw.test https://evil.test", "https://evil.test#https://gw.test", "https://" + strings.Repeat("a", 4096) + ".test",
	} {
		for _, q := range crossOrigin(s, host, "Origin: "+origin) {
			got := s.refuses(t, http.StatusForbidden, "GH-1006", func() reply { return s.one(t, q) })
			if got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("got an answer that the page may read")
			}
			if t.Failed() {
				t.Fatalf("origin %.60q, request %.200q", origin, q)
			}
		}
	}
}

// crossOrigin is what a page can do to every door that there is or was.
func crossOrigin(s *siege, lines ...string) []string {
	return []string{
		s.plain("POST", "/mcp", "no JSON", lines...),
		s.plain("POST", "/mcp", ping, append(lines, s.bearer())...),
		s.plain("GET", "/mcp", "", append(lines, "Accept: text/event-stream")...),
		s.plain("DELETE", "/mcp", "", lines...),
		s.plain("OPTIONS", "/mcp", "", append(lines, "Access-Control-Request-Method: POST")...),
		s.plain("GET", "/sse", "", lines...),
		s.plain("POST", "/message?sessionId=1", ping, lines...),
	}
}

func TestA109AllowedOrigins(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo), public)
	_, port, _ := strings.Cut(s.address, ":")
	tests := []struct{ name, host, origin string }{
		{"no page", s.address, ""},
		{"its own", s.address, "http://" + s.address},
		{"its own by another name of loopback", "localhost:" + port, "http://localhost:" + port},
		{"its own in capitals", s.address, "HTTP://" + s.address},
		{"the public URL's", "gw.test", "https://gw.test"},
		{"one that is configured", "gw.test", "https://inspector.test:8443"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := []string{"Host: " + tt.host, s.bearer()}
			if tt.origin != "" {
				lines = append(lines, "Origin: "+tt.origin)
			}
			got := s.one(t, s.plain("POST", "/mcp", ping, lines...))
			h := got.header
			if got.status != http.StatusOK || h.Get("Access-Control-Allow-Origin") != tt.origin || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("got %d %v, want 200 for this origin and no cookies", got.status, h)
			}
			if tt.origin != "" && h.Get("Vary") != "Origin" {
				t.Errorf("got Vary %q, want Origin", h.Get("Vary"))
			}
		})
	}
}

// With DNS rebinding a page reaches loopback under a name of its own.
func TestA110HostMatrix(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, port, _ := strings.Cut(s.address, ":")
	for _, host := range []string{
		"evil.test", "evil.test:" + port, "127.0.0.1.evil.test:" + port, "localhost.evil", "evil.localhost", "xlocalhost", "localhost.", "192.168.1.10:" + port,
		"10.0.0.1", "0.0.0.0:" + port, "127.1:" + port, "0x7f.0.0.1", "2130706433", "127.0.0.2", "[::]", "[::ffff:127.0.0.1]", "[fe80::1%25lo]",
		"localhost,evil.test", "localhost:80:80", "localhost%00", "", " ", "-", "LOCALHOST.EVIL",
	} {
		for _, key := range []string{"X-None: 1", s.bearer()} {
			s.refuses(t, http.StatusMisdirectedRequest, "GH-1005", func() reply {
				return s.one(t, s.plain("POST", "/mcp", ping, "Host: "+host, key, "X-Forwarded-Host: "+s.address, "Forwarded: host="+s.address))
			})
			if t.Failed() {
				t.Fatalf("host %q", host)
			}
		}
	}
	for _, host := range []string{s.address, "localhost", "LocalHost:1", "127.0.0.1", "[::1]:" + port, "[::1]"} {
		if got := s.one(t, s.plain("POST", "/mcp", ping, "Host: "+host, s.bearer())); got.status != http.StatusOK {
			t.Errorf("host %q: got %d %s, want 200", host, got.status, got.body)
		}
	}
}

func TestA110HostByOtherMeans(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	auth := s.bearer()
	tail := "\r\n" + auth + "\r\nContent-Type: application/json\r\nContent-Length: 40\r\nConnection: close\r\n\r\n" + ping
	tests := []struct {
		name, request string
		status        int
		code          string
	}{
		{"absolute form of another name", "POST http://evil.test/mcp HTTP/1.1\r\nHost: evil.test" + tail, 421, "GH-1005"},
		{"absolute form of another name under our Host", "POST http://evil.test/mcp HTTP/1.1\r\nHost: " + s.address + tail, 421, "GH-1005"},
		{"absolute form of our name under another Host", "POST http://" + s.address + "/mcp HTTP/1.1\r\nHost: evil.test" + tail, 400, "GH-1007"},
		{"HTTP/1.0 without Host", "POST /mcp HTTP/1.0" + tail, 421, "GH-1005"},
		{"HTTP/1.0 with an empty Host", "POST /mcp HTTP/1.0\r\nHost:" + tail, 421, "GH-1005"},
		{"only X-Forwarded-Host is ours", "GET /mcp HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: " + s.address + "\r\nConnection: close\r\n\r\n", 421, "GH-1005"},
		{"a tunnel", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\nConnection: close\r\n\r\n", 421, "GH-1005"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.refuses(t, tt.status, tt.code, func() reply { return s.one(t, tt.request) })
		})
	}
	for name, request := range map[string]string{
		"two":         "POST /mcp HTTP/1.1\r\nHost: " + s.address + "\r\nHost: evil.test" + tail,
		"none in 1.1": "POST /mcp HTTP/1.1" + tail,
		"with a user": "POST /mcp HTTP/1.1\r\nHost: user@localhost" + tail,
		"folded":      "POST /mcp HTTP/1.1\r\nHost: " + s.address + "\r\n evil.test" + tail,
		"with a path": "POST /mcp HTTP/1.1\r\nHost: " + s.address + "/?x=" + tail,
	} {
		t.Run("Host "+name, func(t *testing.T) {
			s.stops(t, func() reply { return s.one(t, request) }, http.StatusBadRequest, http.StatusMisdirectedRequest)
		})
	}
}

// What a page can send without asking first has no effect, and it is never
// told that it may send more.
func TestA111CrossSiteSimpleRequest(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	own := "Origin: http://" + s.address
	for _, kind := range []string{
		"text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonx",
		"application/json-rpc", "application/json, text/plain", "text/plain, application/json", "text/plain; application/json", "json", "*/*", "",
		"application/json; charset=utf-16", "application/json;charset=utf-7",
	} {
		s.refuses(t, http.StatusUnsupportedMediaType, "GH-1008", func() reply {
			return s.one(t, s.plain("POST", "/mcp", ping, "Content-Type: "+kind, s.bearer()))
		})
		if t.Failed() {
			t.Fatalf("content type %q", kind)
		}
	}
	missing := strings.Replace(s.plain("POST", "/mcp", ping, s.bearer(), own), "Content-Type: application/json\r\n", "", 1)
	s.refuses(t, http.StatusUnsupportedMediaType, "GH-1008", func() reply { return s.one(t, missing) })
	twice := s.plain("POST", "/mcp", ping, s.bearer(), "Content-Type: application/json", "Content-Type: text/plain")
	s.refuses(t, http.StatusUnsupportedMediaType, "GH-1008", func() reply { return s.one(t, twice) })
	for _, site := range []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Mode: cors", "Sec-Fetch-Mode: websocket", "Sec-Fetch-Dest: image"} {
		for _, method := range []string{"GET", "POST"} {
			s.refuses(t, http.StatusForbidden, "GH-1006", func() reply {
				return s.one(t, s.plain(method, "/mcp", ping, "Sec-Fetch-Site: cross-site", site, s.bearer()))
			})
		}
	}
	for _, cookie := range []string{"token=" + s.key, "Authorization=Bearer " + s.key, "session=" + s.key} {
		s.refuses(t, http.StatusUnauthorized, "GH-1001", func() reply { return s.one(t, s.plain("POST", "/mcp", ping, "Cookie: "+cookie, own)) })
	}
}

func TestA111Preflight(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	ask := func(origin, headers string) reply {
		return s.one(t, s.plain("OPTIONS", "/mcp", "", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+headers,
			"Access-Control-Request-Private-Network: true"))
	}
	for _, origin := range []string{"https://evil.test", "null", "http://" + s.address + ".evil.test"} {
		got := s.refuses(t, http.StatusForbidden, "GH-1006", func() reply { return ask(origin, "authorization") })
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("origin %q: got header %s, want none of its kind", origin, name)
			}
		}
	}
	got := ask("http://"+s.address, "authorization, x-evil, mcp-param-region, mcp-param-, cookie, mcp-param-a b, mcp-param-"+strings.Repeat("a", 200)+", x-mcp-param-a")
	want := "Authorization, DPoP, X-API-Key, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, mcp-param-region, mcp-param-"
	h := got.header
	if got.status != http.StatusNoContent || h.Get("Access-Control-Allow-Headers") != want {
		t.Errorf("got %d and %q, want 204 and %q", got.status, h.Get("Access-Control-Allow-Headers"), want)
	}
	if h.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" || h.Get("Access-Control-Allow-Credentials") != "" ||
		h.Get("Access-Control-Allow-Private-Network") != "" || h.Get("Access-Control-Allow-Origin") != "http://"+s.address {
		t.Errorf("got %v, want three methods, no cookies, no private network, this origin", h)
	}
	if n := len(s.up.requests()); n != 4 {
		t.Errorf("got %d requests at the server, want only the four good ones", n)
	}
}
