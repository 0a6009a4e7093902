package gateway_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
)

const maxBody = 4 << 20 // of a gateway that is told no other limit

// TestA155LengthOverTheLimit announces bodies that are too large and sends
// nothing of them: who waited for them would wait for ever.
func TestA155LengthOverTheLimit(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	for _, length := range []string{fmt.Sprint(maxBody + 1), "104857600", "9223372036854775807"} {
		for _, expect := range []string{"Accept: */*", "Expect: 100-continue"} {
			t.Run(length+" "+expect, func(t *testing.T) {
				s.refuses(t, 413, "GH-1009", func() reply { // and the connection ends: what follows would be taken for a request
					return s.one(t, s.plain("POST", "/mcp", "", s.bearer(), "Content-Type: application/json", "Content-Length: "+length, expect, "Connection: keep-alive"))
				})
			})
		}
	}
	for _, length := range []string{"9223372036854775808", "-1", "1, 2", "0x10"} {
		s.stops(t, func() reply {
			return s.one(t, s.plain("POST", "/mcp", "", s.bearer(), "Content-Type: application/json", "Content-Length: "+length, "Connection: keep-alive"))
		}, 400)
	}
}

// TestA155SizeWithoutLength sends chunks until the limit is reached.
func TestA155SizeWithoutLength(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { g.MaxBody = 1000 })
	chunked := func(body string) reply {
		lines := []string{s.bearer(), "Content-Type: application/json", "Transfer-Encoding: chunked"}
		return s.one(t, s.plain("POST", "/mcp", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body), lines...))
	}
	padded := func(n int) string { return call("get_a") + strings.Repeat(" ", n-len(call("get_a"))) }
	if got := chunked(padded(1000)); got.status != 200 {
		t.Errorf("got %d for as much as is allowed, want 200: %s", got.status, got.body)
	}
	// What is cut off at the limit would still be a good call.
	s.refuses(t, 413, "GH-1009", func() reply { return chunked(padded(1001)) })
	s.refuses(t, 413, "GH-1009", func() reply { return s.post(s.key, padded(1001)) })
	s.refuses(t, 400, "GH-1307", func() reply { // the last chunk never comes
		return s.one(t, s.plain("POST", "/mcp", "5\r\n{\"jso\r\n", s.bearer(), "Content-Type: application/json", "Transfer-Encoding: chunked")+"zz\r\n")
	})
}

func TestA155AsMuchAsIsAllowed(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	fill := maxBody - len(call("get_a"))
	body := strings.Replace(call("get_a"), `{}`, `{"s":"`+strings.Repeat("x", fill-len(`"s":""`))+`"}`, 1)
	before := len(s.up.requests())
	if got := s.post(key, body); got.status != 200 || s.up.requests()[before].body != body {
		t.Errorf("got %d for a body of exactly the limit, want 200 and the body as it was", got.status)
	}
	denied := strings.Replace(call("drop_b"), `{}`, `{"s":"`+strings.Repeat("x", 3<<20)+`"}`, 1)
	last := strings.Replace(denied, `{"name":"drop_b",`, `{`, 1)
	last = strings.TrimSuffix(last, "}}") + `},"name":"drop_b"}}`
	last = strings.Replace(last, `"}},"name"`, `"},"name"`, 1)
	s.run(t, key, []attack{
		{name: "a denied tool before three megabytes", body: denied, status: 403, code: mcp.CodeInvalidParams},
		{name: "a denied tool behind three megabytes", body: last, status: 403, code: mcp.CodeInvalidParams},
		{name: "ten thousand levels", body: strings.Replace(call("get_a"), `{}`, strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000), 1), status: 400, code: mcp.CodeInvalidRequest},
		{name: "a million levels that never end", body: strings.Replace(call("get_a"), `{}`, strings.Repeat("[", 1_000_000), 1), status: 400, code: mcp.CodeInvalidRequest},
	})
}

// TestA155StalledBodies holds bodies back in their midst.
func TestA155StalledBodies(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { g.BodyWait = 50 * time.Millisecond })
	body := call("get_a")
	tests := []struct{ name, body, length string }{
		{"before its first byte", "", "Content-Length: 100"},
		{"in its midst", body[:20], fmt.Sprintf("Content-Length: %d", len(body))},
		{"one byte before its end", body[:len(body)-1], fmt.Sprintf("Content-Length: %d", len(body))},
		{"behind a whole message", body, fmt.Sprintf("Content-Length: %d", len(body)+1)},
		{"between chunks", fmt.Sprintf("%x\r\n%s\r\n", len(body), body), "Transfer-Encoding: chunked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.refuses(t, 400, "GH-1307", func() reply {
				return s.one(t, s.plain("POST", "/mcp", tt.body, s.bearer(), "Content-Type: application/json", tt.length, "Connection: keep-alive"))
			})
		})
	}
}

// TestA155StalledBodiesOfStrangers holds back bodies that nobody wants to read.
func TestA155StalledBodiesOfStrangers(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo), func(g *gateway.Gateway) { g.BodyWait = 50 * time.Millisecond })
	for status, line := range map[int]string{401: "X-Nobody: x", 415: s.bearer() + "\r\nContent-Type: text/plain", 421: "Host: evil.test", 403: "Origin: https://evil.test"} {
		s.refuses(t, status, "", func() reply {
			return s.one(t, s.plain("POST", "/mcp", "{", line, "Content-Length: 100", "Connection: keep-alive"))
		})
	}
}

// TestA155LengthSmallerThanTheMessage ends bodies before their JSON does. What
// is beyond the end is no part of what was inspected.
func TestA155LengthSmallerThanTheMessage(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	_, key := s.mint(restricted)
	allowed, denied := call("get_a"), call("drop_b")
	send := func(body string, length int) []reply {
		return s.wire(t, s.plain("POST", "/mcp", body+"\r\n\r\n", "Authorization: Bearer "+key, fmt.Sprintf("Content-Length: %d", length), "Connection: keep-alive"))
	}
	got := s.stops(t, func() reply { return send(denied, len(denied)-1)[0] }, 400)
	isRefusal(t, got, 400, mcp.CodeParseError)
	before := len(s.up.requests())
	answers := send(allowed+denied, len(allowed))
	if len(answers) != 2 || answers[0].status != 200 || answers[1].status != 400 {
		t.Errorf("got %v, want one good answer, and 400 for what follows", answers)
	}
	if seen := s.up.requests()[before:]; len(seen) != 1 || seen[0].body != allowed {
		t.Errorf("got %d requests at the server, want the one that was inspected", len(seen))
	}
}

func TestA155PackedBodies(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(call("get_a")))
	_ = w.Close()
	for _, headers := range [][]string{
		{"Content-Encoding", "gzip"}, {"Content-Encoding", "identity, gzip"}, {"Content-Encoding", ""},
		{"Content-Type", "text/plain"}, {"Content-Type", "application/json; charset=utf-16"},
	} {
		s.refuses(t, 415, "GH-1008", func() reply { return s.post(s.key, packed.String(), headers...) })
	}
}
