package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// framing is one request whose end can be read in two ways. After it, on the
// same connection, comes a good one: it must never be carried out.
type framing struct {
	name  string
	lines []string // of the head, beside Host, credential and Content-Type
	body  string
}

// chunk is one chunk of a body, and its end.
func chunk(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// follow puts a good request behind a bad one.
func (s *siege) follow(head string) string {
	return head + s.plain("POST", "/mcp", call("smuggled"), s.bearer())
}

// neverSmuggled wants no request at the server that was hidden behind another.
func (s *siege) neverSmuggled(t *testing.T) {
	t.Helper()
	for _, q := range s.up.requests() {
		if strings.Contains(q.body, "smuggled") || len(q.request.TransferEncoding) != 0 || q.request.ContentLength != int64(len(q.body)) {
			t.Errorf("got %s of %d bytes with %v at the server, want framing of our own and nothing smuggled", q.body, q.request.ContentLength, q.request.TransferEncoding)
		}
	}
}

func TestA133Refused(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	const te = "Transfer-Encoding: chunked"
	length := fmt.Sprintf("Content-Length: %d", len(ping))
	tests := []framing{
		{"two lengths", []string{length, "Content-Length: 0"}, ping},
		{"two lengths, the smaller first", []string{"Content-Length: 0", length}, ping},
		{"a list of lengths", []string{length + ", 0"}, ping},
		{"a list of one length", []string{length + fmt.Sprintf(", %d", len(ping))}, ping},
		{"a signed length", []string{"Content-Length: +" + length[16:]}, ping},
		{"a negative length", []string{"Content-Length: -1"}, ping},
		{"a length in hexadecimal", []string{"Content-Length: 0x28"}, ping},
		{"a length with more behind", []string{length + ";"}, ping},
		{"a length with a blank inside", []string{"Content-Length: 4 0"}, ping},
		{"a length in other digits", []string{"Content-Length: ４０"}, ping},
		{"an empty length", []string{"Content-Length:"}, ping},
		{"an endless length", []string{"Content-Length: 99999999999999999999"}, ping},
		{"a folded length", []string{"Content-Length: 4\r\n 0"}, ping},
		{"a blank before the colon of the length", []string{"Content-Length : 0", length}, ping},
		{"a tab before the colon of the length", []string{"Content-Length\t: 0", length}, ping},
		{"a blank before the colon of the encoding", []string{"Transfer-Encoding : chunked", length}, ping},
		{"chunked, identity", []string{"Transfer-Encoding: chunked, identity"}, chunk(ping)},
		{"identity, chunked", []string{"Transfer-Encoding: identity, chunked"}, chunk(ping)},
		{"chunked twice", []string{"Transfer-Encoding: chunked, chunked"}, chunk(ping)},
		{"two encodings", []string{te, te}, chunk(ping)},
		{"chunked and another", []string{te, "Transfer-Encoding: identity"}, chunk(ping)},
		{"gzip, chunked", []string{"Transfer-Encoding: gzip, chunked"}, chunk(ping)},
		{"an unknown encoding", []string{"Transfer-Encoding: xchunked", length}, ping},
		{"an encoding behind a vertical tab", []string{"Transfer-Encoding: \x0bchunked", length}, ping},
		{"an encoding before a vertical tab", []string{"Transfer-Encoding: chunked\x0b", length}, ping},
		{"an encoding in quotes", []string{`Transfer-Encoding: "chunked"`, length}, ping},
		{"an empty encoding", []string{"Transfer-Encoding:", length}, ping},
		{"a bare CR in a header", []string{length, "X-A: b\rTransfer-Encoding: chunked"}, ping},
		{"a NUL in a header", []string{length, "X-A: b\x00"}, ping},
		{"a chunk's size in 0x", []string{te}, "0x28\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a signed chunk size", []string{te}, "+28\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a negative chunk size", []string{te}, "-28\r\n" + ping + "\r\n0\r\n\r\n"},
		{"an endless chunk size", []string{te}, "fffffffffffffffff\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a chunk size with an underscore", []string{te}, "2_8\r\n" + ping + "\r\n0\r\n\r\n"},
		{"an empty chunk size", []string{te}, "\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a bare LF behind a chunk size", []string{te}, "28\n" + ping + "\r\n0\r\n\r\n"},
		{"a bare CR behind a chunk size", []string{te}, "28\r" + ping + "\r\n0\r\n\r\n"},
		{"a bare LF in a chunk extension", []string{te}, "28;a=b\n" + ping + "\r\n0\r\n\r\n"},
		{"an endless chunk extension", []string{te}, "28;" + strings.Repeat("a", 64<<10) + "\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a chunk longer than its size", []string{te}, "20\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a chunk shorter than its size", []string{te}, "30\r\n" + ping + "\r\n0\r\n\r\n"},
		{"no chunk at all", []string{te}, "0\r\n\r\n"},
		{"a length with no chunk at all", []string{te, "Content-Length: 40"}, "0\r\n\r\n"},
		{"a length shorter than the message", []string{"Content-Length: 10"}, ping},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.refusesFraming(t, tt) })
	}
	s.neverSmuggled(t)
}

// refusesFraming fails the test if a request of this framing is not refused.
func (s *siege) refusesFraming(t *testing.T, tt framing) {
	t.Helper()
	head := s.plain("POST", "/mcp", tt.body, append(tt.lines, s.bearer(), "Connection: keep-alive")...)
	before := s.up.count()
	for _, got := range s.wire(t, s.follow(head)) {
		if got.status != http.StatusBadRequest && got.status != http.StatusNotImplemented && got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d %s, want 400, 413 or 501", got.status, got.body)
		}
	}
	if n := s.up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
	s.lives(t)
}

// What net/http takes although it could be read in two ways is answered, and
// then the connection ends: nothing can hide behind it.
func TestA133TakenAndEnded(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	const te = "Transfer-Encoding: chunked"
	tests := []framing{
		{"a length beside chunks", []string{"Content-Length: 4", te}, chunk(ping)},
		{"chunks beside a length", []string{te, "Content-Length: 4"}, chunk(ping)},
		{"a length of nothing beside chunks", []string{"Content-Length: 0", te}, chunk(ping)},
		{"a length that covers what follows", []string{"Content-Length: 60", te}, chunk(ping)},
		{"chunks", []string{te}, chunk(ping)},
		{"chunks in capitals", []string{"Transfer-Encoding: CHUNKED"}, chunk(ping)},
		{"chunks behind a fold", []string{"Transfer-Encoding:\r\n chunked", "Content-Length: 4"}, chunk(ping)},
		{"a chunk with an extension", []string{te}, "28;a=b;c=\"d\"\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a chunk size with zeros", []string{te}, "00028\r\n" + ping + "\r\n0\r\n\r\n"},
		{"a trailer", []string{te}, "28\r\n" + ping + "\r\n0\r\nContent-Length: 4\r\nX-Request-Id: a\r\n\r\n"},
		{"many chunks", []string{te}, "1\r\n{\r\n27\r\n" + ping[1:] + "\r\n0\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []string{" HTTP/1.1\r\n", " HTTP/1.0\r\n"} {
				before := s.up.count()
				head := s.plain("POST", "/mcp", tt.body, append(tt.lines, s.bearer(), "Connection: keep-alive")...)
				got := s.one(t, s.follow(strings.Replace(head, " HTTP/1.1\r\n", version, 1)))
				if n := s.up.count() - before; (got.status == http.StatusOK) != (n == 1) || n > 1 || version == " HTTP/1.1\r\n" && n != 1 {
					t.Errorf("got %d %s and %d requests at the server, want one answer for what was read", got.status, got.body, n)
				}
				s.lives(t)
			}
		})
	}
	s.neverSmuggled(t)
}

// What comes behind a request that is refused before its body is read is that
// body, or nothing.
func TestA133BodyThatNobodyReads(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	inner := s.plain("POST", "/mcp", call("smuggled"), s.bearer())
	covers := fmt.Sprintf("Content-Length: %d", len(inner))
	tests := []struct {
		name, method, target string
		lines                []string
		status               int
	}{
		{"without a credential", "POST", "/mcp", []string{covers}, 401},
		{"with a bad one", "POST", "/mcp", []string{covers, "Authorization: Bearer x"}, 401},
		{"by a page", "POST", "/mcp", []string{covers, "Origin: https://evil.test"}, 403},
		{"for another host", "POST", "/mcp", []string{covers, "Host: evil.test"}, 421},
		{"for another path", "POST", "/other", []string{covers}, 404},
		{"of another type", "POST", "/mcp", []string{covers, s.bearer(), "Content-Type: text/plain"}, 415},
		{"by another method", "PUT", "/mcp", []string{covers, s.bearer()}, 405},
		{"that is a stream", "GET", "/mcp", []string{covers, "Authorization: Bearer x"}, 401},
		{"that is a preflight", "OPTIONS", "/mcp", []string{covers, "Origin: http://" + s.address, "Access-Control-Request-Method: POST"}, 204},
		{"that waits to be asked for more", "POST", "/mcp", []string{"Content-Length: 10", "Expect: 100-continue"}, 401},
		{"that waits to be asked for nothing", "POST", "/mcp", []string{covers, s.bearer(), "Content-Type: text/plain", "Expect: 100-continue"}, 415},
		{"that expects something else", "POST", "/mcp", []string{covers, s.bearer(), "Expect: 200-ok"}, 417},
		{"by a tunnel", "CONNECT", s.address, []string{s.bearer()}, 400},
		{"by a tunnel to our path", "CONNECT", "/mcp", []string{s.bearer()}, 405},
		{"by a tunnel with a body", "CONNECT", s.address, []string{s.bearer(), "Transfer-Encoding: chunked"}, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := s.up.count()
			request := s.plain(tt.method, tt.target, "", append(tt.lines, "Connection: keep-alive")...) + inner
			if tt.status != http.StatusExpectationFailed && tt.method != "CONNECT" && len(tt.lines) > 0 && tt.lines[0] == covers {
				request += "GET /end HTTP/1.1\r\nHost: " + s.address + "\r\nConnection: close\r\n\r\n" // the connection may go on, but only behind the body
			}
			all := s.wire(t, request)
			if len(all) == 0 || all[0].status != tt.status {
				t.Errorf("got %v, want %d first", all, tt.status)
			}
			for _, more := range all[min(1, len(all)):] {
				if more.status != http.StatusUnauthorized && more.status != http.StatusNotFound {
					t.Errorf("got %d %s behind it, want the answer to the last request or nothing", more.status, more.body)
				}
			}
			if n := s.up.count() - before; n != 0 {
				t.Errorf("got %d requests at the server, want none", n)
			}
			s.lives(t)
		})
	}
	s.neverSmuggled(t)
}

func TestA133RequestLines(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	rest := "\r\nHost: " + s.address + "\r\n" + s.bearer() + "\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n" + ping
	for _, line := range []string{
		"POST /mcp HTTP/0.9", "POST /mcp", "POST /mcp HTTP/2.0", "POST /mcp HTTP/3.0", "POST /mcp HTTP/1", "POST /mcp http/1.1", "POST /mcp HTTP/1.1 x", "POST  /mcp HTTP/1.1", "POST /mcp  HTTP/1.1",
		"POST\t/mcp\tHTTP/1.1", " POST /mcp HTTP/1.1", "POST /m cp HTTP/1.1", "POST /mcp\x00 HTTP/1.1", "PO\x00ST /mcp HTTP/1.1", "POST /mcp HTTP/1.1\r", "P(ST /mcp HTTP/1.1", "POST /mcp\vHTTP/1.1", "",
		"\r\nPOST /mcp HTTP/1.1", "POST /mcp HTTP/1.1\r\n X-Fold: before the first header", "GET / HTTP/1.1\rPOST /mcp HTTP/1.1", "POST /mcp HTTP/1.1\r\nX\r\n",
	} {
		before := s.up.count()
		for i, got := range s.wire(t, s.follow(line+rest)) {
			if i == 0 && (got.status < 400 || got.status > 505) {
				t.Errorf("%q: got %d %s, want a refusal", line, got.status, got.body)
			}
		}
		if n := s.up.count() - before; n != 0 {
			t.Fatalf("%q: got %d requests at the server, want none", line, n)
		}
		s.lives(t)
	}
	s.refuses(t, http.StatusBadRequest, "GH-1307", func() reply { // the client has said all that it will
		_, body, _ := strings.Cut(s.raw(strings.Replace("POST /mcp HTTP/1.1"+rest, "Length: 40", "Length: 41", 1)), "\r\n\r\n")
		_, id, _ := strings.Cut(body, `"request_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return reply{http.StatusBadRequest, http.Header{"X-Request-Id": {id}}, body}
	})
	bare := strings.ReplaceAll("POST /mcp HTTP/1.1\r\nConnection: close"+rest, "\r\n", "\n") // RFC 9112 §2.2 lets a recipient take it
	if got := s.one(t, bare); got.status != http.StatusOK {
		t.Errorf("got %d for bare line feeds, want 200 in framing of our own", got.status)
	}
	s.neverSmuggled(t)
}
