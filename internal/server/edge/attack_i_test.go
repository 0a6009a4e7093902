package edge

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// headsOfHTTP2 are heads of requests, names and values in turn.
func headsOfHTTP2() map[string][]string {
	base := map[string]string{":method": "POST", ":scheme": "https", ":authority": "gate.test", ":path": "/mcp"}
	order := []string{":method", ":scheme", ":authority", ":path"}
	head := func(change map[string]string, more ...string) []string {
		var all []string
		for _, name := range order {
			value := base[name]
			if v, ok := change[name]; ok {
				value = v
			}
			all = append(all, name, value)
		}
		return append(all, more...)
	}
	return map[string][]string{
		"a path with a line in it":        head(map[string]string{":path": "/mcp HTTP/1.1\r\nX-Injected: 1"}),
		"a path with a space":             head(map[string]string{":path": "/mcp x"}),
		"a path that is none":             head(map[string]string{":path": "mcp"}),
		"no path":                         head(map[string]string{":path": ""}),
		"an authority with a line in it":  head(map[string]string{":authority": "gate.test\r\nX-Injected: 1"}),
		"an authority with a path":        head(map[string]string{":authority": "gate.test/x"}),
		"another host":                    head(nil, "host", "evil.test"),
		"a scheme that is none":           head(map[string]string{":scheme": "javascript"}),
		"a method with a line in it":      head(map[string]string{":method": "POST / HTTP/1.1\r\nX: "}),
		"a name in capitals":              head(nil, "X-Upper", "1"),
		"a line in a name":                head(nil, "x\r\nx-injected: 1", "1"),
		"a space in a name":               head(nil, "x y", "1"),
		"a colon in a name":               head(nil, "x:y", "1"),
		"no name":                         head(nil, "", "1"),
		"a line in a value":               head(nil, "x-value", "a\r\nx-injected: 1"),
		"a zero in a value":               head(nil, "x-value", "a\x00b"),
		"an encoding":                     head(nil, "transfer-encoding", "chunked"),
		"a header of the connection":      head(nil, "connection", "x-request-id"),
		"keep-alive":                      head(nil, "keep-alive", "timeout=1"),
		"proxy-connection":                head(nil, "proxy-connection", "close"),
		"an upgrade":                      head(nil, "upgrade", "h2c"),
		"te":                              head(nil, "te", "gzip"),
		"two paths":                       head(nil, ":path", "/admin"),
		"two methods":                     head(nil, ":method", "GET"),
		"two authorities":                 head(nil, ":authority", "evil.test"),
		"an unknown pseudo header":        head(nil, ":protocol2", "x"),
		"a pseudo header behind a header": append([]string{"x-first", "1"}, head(nil)...),
		"a status":                        head(nil, ":status", "200"),
		"two lengths":                     head(nil, "content-length", "4", "content-length", "5"),
		"a length that is none":           head(nil, "content-length", "+4"),
		"a length below the data's":       head(nil, "content-length", "1"),
		"a length above the data's":       head(nil, "content-length", "100"),
		"CONNECT":                         {":method", "CONNECT", ":authority", "gate.test:443"},
		"an extended CONNECT":             {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "gate.test", ":path", "/"},
	}
}

// What HTTP/2 can say and HTTP/1.1 cannot does not get past the edge.
func TestA134Translation(t *testing.T) {
	// Served, but as what they are: the handler is the judge of Host, path and length.
	judged := map[string]bool{"another host": true, "a scheme that is none": true, "two lengths": true, "CONNECT": true, "an authority with a path": true,
		"a length below the data's": true, "a length above the data's": true, "a length that is none": true, "no path": true, "te": true, "a path with a space": true}
	s := besiege(t)
	for name, fields := range headsOfHTTP2() {
		t.Run(name, func(t *testing.T) {
			c := s.h2(t)
			got := c.drain()
			before := s.reached()
			id, err := c.open(c.encode(fields...), false)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.WriteData(id, true, []byte("body"))
			eventually(t, "an end", func() bool {
				status, _, gone, reset := got.ended(id)
				return status != "" || gone || reset
			})
			status, _, _, _ := got.ended(id)
			if n := s.reached() - before; (n != 0 || status == "200") && !judged[name] {
				t.Errorf("got %d requests at the handler and %q, want a refusal", n, status)
			}
			_ = c.conn.Close()
			got.waits(t)
			s.lives(t)
		})
	}
}

// What a trailer says is never taken for the head's.
func TestA134TrailersWithACredential(t *testing.T) {
	s := besiege(t)
	c := s.h2(t)
	got := c.drain()
	id, err := c.open(c.encode(":method", "POST", ":scheme", "https", ":authority", "gate.test", ":path", "/", "trailer", "authorization"), false)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.WriteData(id, false, []byte("body"))
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode("authorization", "Bearer x"), EndHeaders: true, EndStream: true})
	eventually(t, "an end", func() bool {
		status, _, gone, reset := got.ended(id)
		return status != "" || gone || reset
	})
	if s.trailed.Load() {
		t.Error("got the trailer's credential as the head's")
	}
	_ = c.conn.Close()
	got.waits(t)
}

// A133 and A139 on a connection of HTTP/1.1 inside TLS.
func TestA133AndA139OverTLS(t *testing.T) {
	s := besiege(t)
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line+"\r\n", i)
		}
		return b.String()
	}
	request := func(target, lines string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: gate.test\r\n" + lines + "\r\n"
	}
	second := request("/", "")
	tests := map[string]struct{ send, want string }{
		"10000 headers":               {request("/", many(10000, "X-H%d: 1234567")), "431"},
		"one of a megabyte":           {request("/", "X-Big: "+strings.Repeat("x", 1<<20)+"\r\n"), "431"},
		"10000 cookies":               {request("/", many(10000, "Cookie: c%d=1")), "431"},
		"a URL of 70 KB":              {request("/"+strings.Repeat("x", 70<<10), ""), "431"},
		"ranges":                      {request("/", "Range: bytes="+strings.Repeat("0-1,", 250000)+"\r\n"), "431"},
		"two lengths":                 {"POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx" + second, "400"},
		"an encoding and another":     {"POST / HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + second, "501"},
		"an encoding behind a tab":    {"POST / HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + second, "400"},
		"a space before the colon":    {"POST / HTTP/1.1\r\nHost: gate.test\r\nContent-Length : 1\r\n\r\nx" + second, "400"},
		"two hosts":                   {"GET / HTTP/1.1\r\nHost: gate.test\r\nHost: evil.test\r\n\r\n" + second, "400"},
		"a preface of HTTP/2":         {http2.ClientPreface, "505"},
		"another protocol altogether": {"SSH-2.0-x\r\n\r\n", "400"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := s.secure(t, "http/1.1")
			go func() { _, _ = io.WriteString(c, tt.send) }() // it may stop reading
			got, _ := io.ReadAll(c)
			if text := string(got); !strings.HasPrefix(text, "HTTP/1.1 "+tt.want) || strings.Count(text, "HTTP/1.1 ") != 1 {
				t.Errorf("got %.200q, want %s once, and the end of the connection", text, tt.want)
			}
			s.lives(t)
		})
	}
}
