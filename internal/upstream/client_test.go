package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func BenchmarkDirect(b *testing.B)    { benchmark(b, false) }
func BenchmarkTransport(b *testing.B) { benchmark(b, true) }

func benchmark(b *testing.B, standard bool) {
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	}))
	defer s.Close()
	u, _ := url.Parse(s.URL + "/mcp")
	c := &Client{URL: u}
	defer c.Close()
	q := &Request{Method: "POST", Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}, Body: make([]byte, 107)}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	do := c.Do
	if standard {
		do = c.byTransport
		c.once.Do(c.prepare)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := do(ctx, q)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || n != int64(len(answer)) {
			b.Fatal(n, err)
		}
		res.Body.Close()
	}
}
