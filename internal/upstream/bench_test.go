package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

func BenchmarkDirect(b *testing.B)    { benchmark(b, (*Client).direct) }
func BenchmarkTransport(b *testing.B) { benchmark(b, (*Client).byTransport) }

// benchmark makes tools/call-sized exchanges, 32 at a time. CPU is that of the whole
// process, server included.
func benchmark(b *testing.B, do func(*Client, context.Context, *Request) (*http.Response, error)) {
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	}))
	defer s.Close()
	c := newClient(b, s.URL+"/mcp")
	c.once.Do(c.prepare)
	q := &Request{
		Method: "POST", Body: make([]byte, 107),
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}},
	}
	b.ReportAllocs()
	b.SetParallelism(16)
	before := cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ctx, cancel := context.WithCancel(b.Context()) // as each request of a server has its own
			res, err := do(c, ctx, q)
			if err == nil {
				var n int64
				if n, err = io.Copy(io.Discard, res.Body); n != int64(len(answer)) {
					b.Errorf("got %d bytes, want %d", n, len(answer))
				}
				res.Body.Close()
			}
			cancel()
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
