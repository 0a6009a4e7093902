package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

// A path that two hops could read differently is refused, never cleaned and
// never redirected.
func TestA132PathMatrix(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	matrix := func(target string, statuses ...int) {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			body := ""
			if method == "POST" {
				body = ping
			}
			for _, line := range []string{s.bearer(), "X-None: 1"} {
				got := s.stops(t, func() reply { return s.one(t, s.plain(method, target, body, line)) }, statuses...)
				if got.header.Get("Location") != "" {
					t.Errorf("got a redirect to %s", got.header.Get("Location"))
				}
				if t.Failed() {
					t.Fatalf("%s %.200q", method, target)
				}
			}
		}
	}
	for _, target := range []string{"/mcp/x", "/mcp/mcp", "/MCP", "/Mcp", "/~mcp", "/mc", "/mcp.", "/mcp-", "/..mcp", "/mcp..", "/.mcp/..."} {
		matrix(target, 404)
	}
	for _, target := range []string{
		"//mcp", "///mcp", "/./mcp", "/mcp/.", "/mcp/..", "/x/../mcp", "/../mcp", "/mcp/../mcp", "/mcp//", "/mcp/./", "/mcp/x/..", "//", "/.", "/..",
		"/%6dcp", "/%6Dcp", "/m%63p", "/mcp%2f", "/mcp%2F", "/%2fmcp", "/%2e%2e/mcp", "/%2e/mcp", "/x%2f..%2fmcp", "/%252e%252e/mcp", "/%256dcp", "/mcp/%2e%2e/mcp", "/..%5cmcp",
		"/mcp%00", "/mcp%20", "/mcp%0d%0aX:y", "/mcp%09", "/mcp%ff", "/mcp%c0%ae", "/mcp%", "/mcp%2", "/mcp%zz", "/mcp%u0070", "/mc%E2%80%8Bp",
		"/mcp;x=1", "/mcp;", "/;/mcp", "/mcp;/../x", "/mcp\\", "\\mcp", "/x\\..\\mcp", "/mcp#f", "/mcp#", "/#/mcp", "/mcp#?x=y", "/mcp?x=y#f", "/mcp?x#/../y",
		"/ｍcp", "/mćp", "/mcp|", "/mcp^", `/mcp"`, "/mcp<", "/mcp'", "/mcp*", "/mcp:80", "/mcp@x", "/mcp,", "/mcp$", "/mcp&x=y", "/mcp+", "/mcp=", "/mcp!", "/{mcp}",
		"mcp", "?x", "http:/mcp", "http://127.0.0.1/mcp", "http://" + s.address + "/mcp", "//127.0.0.1/mcp", "///" + s.address + "/mcp", "file:///mcp", "*", ".", "/" + strings.Repeat("a", 16<<10),
		"/mcp" + strings.Repeat("/", 1000), "/mcp/" + strings.Repeat("../", 1000) + "mcp", "/" + strings.Repeat("%6d", 1000), "/mcp?x=\x80", "/mcp?x=é", "/mcp?x=%zz", "/mcp?x=y;z",
	} {
		matrix(target, 400)
	}
	for target, want := range map[string]string{
		"/mcp": "/mcp", "/mcp/": "/mcp", "/mcp?": "/mcp", "/mcp?x=y": "/mcp?x=y", "/mcp/?x=%2e%2e": "/mcp?x=%2e%2e", "/mcp?/../admin": "/mcp?/../admin", "/mcp?x=y?z=/": "/mcp?x=y?z=/", "/mcp?http://evil.test/": "/mcp?http://evil.test/",
	} {
		got := s.one(t, s.plain("POST", target, ping, s.bearer()))
		if seen := s.up.requests(); got.status != http.StatusOK || seen[len(seen)-1].request.RequestURI != want {
			t.Errorf("%s: got %d and %s at the server, want 200 and %s", target, got.status, seen[len(seen)-1].request.RequestURI, want)
		}
	}
}

// Too much of anything is refused, and costs the others nothing.
func TestA139HeaderAndURLVolume(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	numbered := func(n int, format string) []string {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = fmt.Sprintf(format, i)
		}
		return lines
	}
	const huge = 1 << 20
	tests := []struct {
		name, target string
		lines        []string
	}{
		{"10,000 headers", "/mcp", numbered(10_000, "X-%05d: a")},
		{"10,000 lines of one header", "/mcp", numbered(10_000, "X-Same: %d")},
		{"10,000 cookies", "/mcp", []string{"Cookie: " + strings.Join(numbered(10_000, "c%d=a"), "; ")}},
		{"10,000 Cookie headers", "/mcp", numbered(10_000, "Cookie: c=%d")},
		{"a header of 1 MiB", "/mcp", []string{"X-Large: " + strings.Repeat("a", huge)}},
		{"a name of 1 MiB", "/mcp", []string{strings.Repeat("a", huge) + ": a"}},
		{"a credential of 1 MiB", "/mcp", []string{"Authorization: Bearer " + strings.Repeat("a", huge)}},
		{"a session of 1 MiB", "/mcp", []string{"Mcp-Session-Id: " + strings.Repeat("a", huge)}},
		{"a fold of 1 MiB", "/mcp", []string{"X-Fold: a" + strings.Repeat("\r\n a", huge/4)}},
		{"a Host of 1 MiB", "/mcp", []string{"Host: " + strings.Repeat("a", huge)}},
		{"a Range list of 1 MiB", "/mcp", []string{"Range: bytes=" + strings.Repeat("0-1,", huge/4) + "0-1"}},
		{"a URL of 128 KiB", "/mcp?" + strings.Repeat("a", 128<<10), nil},
		{"a path of 128 KiB", "/" + strings.Repeat("a/", 64<<10), nil},
		{"100,000 parameters", "/mcp?" + strings.Repeat("a=b&", 100_000), nil},
		{"20,000 parameters", "/mcp?" + strings.Repeat("a&", 20_000), nil},
		{"60 KiB of semicolons", "/mcp?" + strings.Repeat(";", 60<<10), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, auth := range []string{"X-None: 1", s.bearer()} {
				s.stops(t, func() reply { return s.one(t, s.plain("POST", tt.target, ping, append(tt.lines, auth)...)) }, 400, 414, 431)
			}
		})
	}
	for name, lines := range map[string][]string{"5,000 headers": numbered(5_000, "X-%d: a"), "a header of 60 KiB": {"X-Large: " + strings.Repeat("a", 60<<10)}} {
		s.refuses(t, http.StatusUnauthorized, "GH-1001", func() reply { return s.one(t, s.plain("POST", "/mcp", ping, lines...)) })
		if got := s.one(t, s.plain("POST", "/mcp", ping, append(lines, s.bearer())...)); got.status != http.StatusOK {
			t.Errorf("%s: got %d, want 200", name, got.status)
		}
	}
	endless := "POST /mcp HTTP/1.1\r\nHost: " + s.address + "\r\nX-Endless: " + strings.Repeat("a", huge) // and no end of the head
	s.stops(t, func() reply { return s.one(t, endless) }, 400, 431)
	s.stops(t, func() reply { return s.one(t, strings.Repeat("a", huge)) }, 400, 431)
}

// What the operator has written into the server's URL, no client says again.
func TestA132QueryOfTheOperator(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { g.Upstream.URL.RawQuery = "scope=read&Team=a" })
	for _, query := range []string{"scope=admin", "SCOPE=admin", "scop%65=admin", "x=y&scope=admin", "scope", "team=b", "Team=a"} {
		s.refuses(t, http.StatusBadRequest, "GH-1007", func() reply { return s.one(t, s.plain("POST", "/mcp?"+query, ping, s.bearer())) })
	}
	for query, want := range map[string]string{"": "/mcp?scope=read&Team=a", "?x=y": "/mcp?scope=read&Team=a&x=y", "?scopes=all": "/mcp?scope=read&Team=a&scopes=all"} {
		got := s.one(t, s.plain("POST", "/mcp"+query, ping, s.bearer()))
		if seen := s.up.requests(); got.status != http.StatusOK || seen[len(seen)-1].request.RequestURI != want {
			t.Errorf("%s: got %d and %s at the server, want 200 and %s", query, got.status, seen[len(seen)-1].request.RequestURI, want)
		}
	}
}
