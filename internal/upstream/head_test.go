package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

func TestHeadEnd(t *testing.T) {
	tests := []struct {
		name, in string
		want     int
	}{
		{"nothing", "", -1},
		{"a line", "HTTP/1.1 200 OK\r\n", -1},
		{"a line and a half", "HTTP/1.1 200 OK\r\n\r", -1},
		{"a status alone", "HTTP/1.1 200 OK\r\n\r\n", 19},
		{"bare feeds", "HTTP/1.1 200 OK\nA: b\n\nbody", 22},
		{"mixed ends", "HTTP/1.1 200 OK\nA: b\n\r\nbody", 23},
		{"a body with empty lines", "H\r\n\r\ndata\n\ndata\n\n", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for from := range max(1, len(tt.in)-2) {
				if tt.want >= 0 && from > tt.want-3 {
					break
				}
				if got := headEnd([]byte(tt.in), from); got != tt.want {
					t.Errorf("got %d from %d, want %d", got, from, tt.want)
				}
			}
		})
	}
}

// Whatever is asked for, an upstream reads one request or we send none.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/mcp?a=b", "host:80", "Accept", "text/event-stream", []byte("{}"))
	f.Add("GET", "/", "[::1]:80", "A", "b\r\nTransfer-Encoding: chunked", []byte(nil))
	f.Add("GET", "/\u0085 HTTP/1.1", "h", "Content-Length", "7", []byte("x"))
	f.Fuzz(func(t *testing.T, method, target, host, name, value string, body []byte) {
		q := &Request{Method: method, Target: target, Host: host, Header: http.Header{name: {value}}, Body: body}
		message, err := appendRequest(nil, q, "default", "/default")
		if err != nil {
			return
		}
		in := bufio.NewReader(bytes.NewReader(append(message, "GET /next HTTP/1.1\r\nHost: next\r\n\r\n"...)))
		r, err := http.ReadRequest(in)
		if err != nil {
			return // what net/http does not read, it does not read as two
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, body) || r.Method != method || len(r.Header) > 2 || len(r.TransferEncoding) > 0 {
			t.Errorf("got %s %v %q, %v from %q", r.Method, r.Header, got, err, message)
		}
		if next, err := http.ReadRequest(in); err != nil || next.URL.Path != "/next" {
			t.Errorf("got %v, %v, want the next request, from %q", next, err, message)
		}
	})
}

// A head that passes is one net/http reads to the same end, and without dropping a field that frames.
func FuzzHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 200 OK\nTransfer-Encoding:\n chunked\n\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		end := headEnd(b, 0)
		in := bufio.NewReaderSize(bytes.NewReader(b), max(16, len(b)))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		defer res.Body.Close()
		if end < 0 {
			t.Fatalf("got no end of %q, which net/http reads", b)
		}
		if used := len(b) - in.Buffered(); used != end {
			t.Fatalf("got an end at %d, net/http's is at %d of %q", end, used, b)
		}
		if checkFraming(b[:end]) == nil && len(res.TransferEncoding) > 0 && bytes.Contains(bytes.ToLower(b[:end]), []byte("\ncontent-length:")) {
			t.Errorf("got both lengths past the check in %q", b)
		}
	})
}
