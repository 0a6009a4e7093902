package gateway_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"
)

// packed packs bytes as gzip, or as zlib when flat.
func packed(t *testing.T, zipped bool, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&b)
	if zipped {
		w = gzip.NewWriter(&b)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What would have to be unpacked before it can be read is refused.
func TestA138BodyEncodings(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	zipped := packed(t, true, []byte(ping))
	bomb := packed(t, true, make([]byte, 8<<20))
	tests := []struct {
		name, body string
		lines      []string
	}{
		{"gzip", zipped, []string{"Content-Encoding: gzip"}},
		{"x-gzip", zipped, []string{"Content-Encoding: x-gzip"}},
		{"deflate", packed(t, false, []byte(ping)), []string{"Content-Encoding: deflate"}},
		{"br", ping, []string{"Content-Encoding: br"}},
		{"zstd", ping, []string{"Content-Encoding: zstd"}},
		{"compress", ping, []string{"Content-Encoding: compress"}},
		{"dcb", ping, []string{"Content-Encoding: dcb"}},
		{"none by name", ping, []string{"Content-Encoding: identity"}},
		{"none, then gzip", zipped, []string{"Content-Encoding: identity, gzip"}},
		{"gzip twice", packed(t, true, []byte(zipped)), []string{"Content-Encoding: gzip, gzip"}},
		{"gzip in two headers", zipped, []string{"Content-Encoding: identity", "Content-Encoding: gzip"}},
		{"an empty one", ping, []string{"Content-Encoding:"}},
		{"an unknown one", ping, []string{"Content-Encoding: x"}},
		{"in capitals", zipped, []string{"CONTENT-ENCODING: GZIP"}},
		{"a bomb", bomb, []string{"Content-Encoding: gzip"}},
		{"UTF-16", ping, []string{"Content-Type: application/json; charset=utf-16"}},
		{"UTF-16 in quotes", ping, []string{`Content-Type: application/json; charset="utf-16le"`}},
		{"Latin 1", ping, []string{"Content-Type: application/json;charset=iso-8859-1"}},
		{"two charsets", ping, []string{"Content-Type: application/json; charset=utf-8; charset=utf-16"}},
		{"several parts", "--x\r\nContent-Type: application/json\r\n\r\n" + ping + "\r\n--x--", []string{"Content-Type: multipart/form-data; boundary=x"}},
		{"related parts", ping, []string{`Content-Type: multipart/related; type="application/json"; boundary=x`}},
		{"a sequence", ping, []string{"Content-Type: application/json-seq"}},
		{"lines", ping, []string{"Content-Type: application/x-ndjson"}},
		{"CBOR", ping, []string{"Content-Type: application/cbor"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.refuses(t, http.StatusUnsupportedMediaType, "GH-1008", func() reply { return s.one(t, s.plain("POST", "/mcp", tt.body, append(tt.lines, s.bearer())...)) })
		})
	}
	for _, body := range []string{zipped, "\xff\xfe{\x00}\x00", "\xef\xbb\xbf" + ping, strings.ReplaceAll(ping, "ping", "p\xffng")} { // packed or encoded without saying so
		s.refuses(t, http.StatusBadRequest, "-32700", func() reply { return s.one(t, s.plain("POST", "/mcp", body, s.bearer())) })
	}
	for _, coding := range []string{"gzip, chunked", "gzip", "deflate, chunked"} {
		s.stops(t, func() reply {
			return s.one(t, s.plain("POST", "/mcp", zipped, "Transfer-Encoding: "+coding, s.bearer()))
		}, 400, 501)
	}
}

// The bytes that were inspected are the bytes that the server gets.
func TestA138SameBytes(t *testing.T) {
	s := besiege(t, http.HandlerFunc(echo))
	for _, body := range []string{
		" \t\r\n" + call("get_a") + "\n ", `{"id":1.50e0,"params":{"name":"get_a"},"jsonrpc":"2.0","method":"tools\/call"}`, `{"jsonrpc":"2.0","id":"\u00e9é\ud83d\ude00😀","method":"\u0074ools/list"}`,
		`{"jsonrpc":"2.0","id":12345678901234567890123,"method":"ping","params":{"x":1e400,"y":-0,"z":0.10}}`, `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"\ud83d\ude00":"` + strings.Repeat("x", 1<<20) + `"}}`,
	} {
		for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;Charset=\"UTF-8\""} {
			got := s.one(t, s.plain("POST", "/mcp", body, "Content-Type: "+kind, s.bearer()))
			if seen := s.up.requests(); got.status != http.StatusOK || seen[len(seen)-1].body != body || len(seen[len(seen)-1].request.Header["Accept-Encoding"]) != 0 {
				t.Errorf("got %d %.200s and %.200q at the server, want 200 and %.200q", got.status, got.body, seen[len(seen)-1].body, body)
			}
		}
	}
}

// An answer that nobody can inspect is none.
func TestA138EncodedAnswers(t *testing.T) {
	var head, body string
	s := besiege(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { raw(head+body)(w, r) }))
	body = packed(t, true, []byte(pong))
	for _, line := range []string{"Content-Encoding: gzip", "Content-Encoding: identity, gzip", "content-encoding: br", "Content-Encoding: x\r\nContent-Encoding: y"} {
		head = okay(len(body), line)
		for _, asked := range []string{call("get_a"), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`} {
			if got := s.post(s.key, asked, "Accept-Encoding", "gzip"); got.status != http.StatusBadGateway || !strings.Contains(got.body, "GH-1604") {
				t.Errorf("%s: got %d %s, want 502 GH-1604", line, got.status, got.body)
			}
		}
	}
}
