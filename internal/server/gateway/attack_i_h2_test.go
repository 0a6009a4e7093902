package gateway_test

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
)

// preface begins a connection of HTTP/2. RFC 9113 §3.4
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Types and flags of frames. RFC 9113 §6
const (
	frameData, frameHeaders, frameSettings = 0, 1, 4
	endStream, endHeaders                  = 1, 4
)

// frame is one frame of HTTP/2. RFC 9113 §4.1
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	head = binary.BigEndian.AppendUint32(append(head, kind, flags), stream)
	return string(head) + payload
}

// literal is a header field without any table. RFC 7541 §6.2.2
func literal(name, value string) string {
	size := func(n int) string {
		if n < 127 {
			return string([]byte{byte(n)})
		}
		out := []byte{127}
		for n -= 127; n >= 128; n /= 128 {
			out = append(out, byte(n%128+128))
		}
		return string(append(out, byte(n)))
	}
	return "\x00" + size(len(name)) + name + size(len(value)) + value
}

// stream is a whole call in frames.
func (s *siege) stream(fields ...string) string {
	block := literal(":method", "POST") + literal(":scheme", "http") + literal(":path", "/mcp") + literal(":authority", s.address) +
		literal("authorization", "Bearer "+s.key) + literal("content-type", "application/json")
	for i := 0; i+1 < len(fields); i += 2 {
		block += literal(fields[i], fields[i+1])
	}
	return preface + frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders, 1, block) + frame(frameData, endStream, 1, call("smuggled"))
}

// The listener speaks HTTP/1.1 and nothing else: there is nothing to translate,
// so nothing can get lost in it.
func TestA134HTTP2(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	tests := map[string]string{
		"a call":                           s.stream(),
		"a path with a line in it":         s.stream(":path", "/mcp HTTP/1.1\r\nX-Injected: 1"),
		"another authority":                s.stream("host", "evil.test"),
		"a name in capitals":               s.stream("X-Upper", "1"),
		"a line in a name":                 s.stream("x\r\nx-injected: 1", "1"),
		"a length that is not the data's":  s.stream("content-length", "1"),
		"an encoding":                      s.stream("transfer-encoding", "chunked"),
		"a header of the connection":       s.stream("connection", "x-request-id"),
		"two methods":                      s.stream(":method", "GET"),
		"a preface alone":                  preface,
		"a preface with a Host":            strings.Replace(s.stream(), "HTTP/2.0\r\n\r\n", "HTTP/2.0\r\nHost: "+s.address+"\r\n\r\n", 1),
		"a preface with a credential":      strings.Replace(s.stream(), "HTTP/2.0\r\n\r\n", "HTTP/2.0\r\nHost: "+s.address+"\r\n"+s.bearer()+"\r\n\r\n", 1),
		"a preface for our path":           strings.Replace(s.stream(), "PRI *", "PRI /mcp", 1),
		"a preface behind a call":          s.plain("GET", "/other", "", "Connection: keep-alive") + s.stream(),
		"a preface behind half an upgrade": s.plain("POST", "/mcp", call("first"), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA") + s.stream(),
		"a TLS greeting":                   "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n",
	}
	for name, request := range tests {
		t.Run(name, func(t *testing.T) {
			before := s.up.count()
			for _, got := range s.wire(t, request) {
				if got.status < 400 || got.status > 505 {
					t.Errorf("got %d %s, want a refusal in HTTP/1.1", got.status, got.body)
				}
			}
			if n := s.up.count() - before; n != 0 {
				t.Errorf("got %d requests at the server, want none", n)
			}
			s.lives(t)
		})
	}
}

// An upgrade that comes with a good call is not made: the call is answered in
// HTTP/1.1, and frames behind it are no requests.
func TestA134Upgrade(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	before := s.up.count()
	all := s.wire(t, s.plain("POST", "/mcp", ping, s.bearer(), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")+s.stream())
	if len(all) == 0 || all[0].status != http.StatusOK {
		t.Fatalf("got %v, want 200 for the call", all)
	}
	for _, more := range all[1:] {
		if more.status < 400 {
			t.Errorf("got %d %s for frames, want a refusal", more.status, more.body)
		}
	}
	seen := s.up.requests()[before:]
	if len(seen) != 1 || seen[0].body != ping || seen[0].request.Header.Get("Upgrade") != "" || seen[0].request.Header.Get("Http2-Settings") != "" {
		t.Errorf("got %v at the server, want the call alone", seen)
	}
}

// What pseudo headers say in HTTP/2 says nothing in HTTP/1.1.
func TestA134PseudoHeaders(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	for _, line := range []string{":path: /admin", ":authority: evil.test", ":method: GET", ":scheme: https", ":: x"} {
		s.stops(t, func() reply { return s.one(t, s.plain("POST", "/mcp", ping, line, s.bearer())) }, http.StatusBadRequest)
	}
}
