package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// roles are what this program is started as besides the driver.
func roles() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"echo":         func(a []string) error { return listen(a[0], http.HandlerFunc(echo)) },
		"reverseproxy": func(a []string) error { return listen(a[0], reverseProxy(a[1])) },
		"reverseproxy-tls": func(a []string) error {
			return server(a[0], reverseProxy(a[1])).ListenAndServeTLS(a[2], a[3])
		},
		"forward": func(a []string) error { return listen(a[0], forward(a[1])) },
		"jwtcheck": func(a []string) error {
			h, err := jwtCheck(a[1], a[2])
			if err != nil {
				return err
			}
			return listen(a[0], h)
		},
		"mcp":      func(a []string) error { return listen(a[0], mcpServer()) },
		"relay":    func(a []string) error { return relay(a[0]) },
		"keycheck": func(a []string) error { return listen(a[0], keyCheck(a[1])) },
	}
}

func listen(address string, h http.Handler) error { return server(address, h).ListenAndServe() }

func server(address string, h http.Handler) *http.Server {
	return &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 10 * time.Second}
}

// echo is the MCP server behind every peer. The tool "echo" says its text back
// as JSON; "ticks" sends one event every so many microseconds until its caller
// leaves, or one event only when that is 0.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	id, text := between(body, `"id":`, `,`), between(body, `"text":"`, `"`)
	every, tick := strconv.Atoi(string(between(body, `"every":`, `}`)))
	switch {
	case err != nil || r.Method != http.MethodPost || !told(r):
		w.WriteHeader(http.StatusBadRequest)
	case tick == nil:
		ticks(w, r, time.Duration(every)*time.Microsecond)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer(nil, id, text)) // the driver notices
	}
}

// told says whether a request has the header that the path names, if it names
// one: what a peer is to tell the server is measured only if it does.
func told(r *http.Request) bool {
	name, expected := strings.CutPrefix(r.URL.Path, expects)
	return r.URL.Path == "/mcp" || expected && r.Header.Get(name) != ""
}

const expects = "/mcp/expect/"

// answer appends what the tool "echo" answers.
func answer(b, id, text []byte) []byte {
	b = append(append(b, `{"jsonrpc":"2.0","id":`...), id...)
	b = append(append(b, `,"result":{"content":[{"type":"text","text":"`...), text...)
	return append(b, `"}],"isError":false}}`...)
}

func ticks(w http.ResponseWriter, r *http.Request, every time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	fmt.Fprintf(w, tickFormat, 0)
	if flush() != nil || every == 0 {
		<-r.Context().Done()
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.C:
			fmt.Fprintf(w, tickFormat, n)
			if flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

const tickFormat = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":%d}}\n\n"

func between(b []byte, before, after string) []byte {
	_, b, _ = bytes.Cut(b, []byte(before))
	b, _, _ = bytes.Cut(b, []byte(after))
	return b
}

// pool lends the buffers that answers are copied with.
type pool struct{ sync.Pool }

func newPool() *pool {
	return &pool{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}
}

func (p *pool) Get() []byte  { return *p.Pool.Get().(*[]byte) }
func (p *pool) Put(b []byte) { p.Pool.Put(&b) }

// reverseProxy is G: httputil.ReverseProxy with all that is known to make it fast.
func reverseProxy(to string) http.Handler {
	u := &url.URL{Scheme: "http", Host: to}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u)
			b, _ := io.ReadAll(p.In.Body)
			p.Out.Body, p.Out.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b)) // head and body in one write
		},
		Transport: &http.Transport{
			DialContext: (&net.Dialer{}).DialContext, MaxIdleConnsPerHost: 1024, DisableCompression: true,
		},
		BufferPool:    newPool(),
		FlushInterval: -1,
	}
}

// forward is Gatehouse's own forwarding and nothing else: what its checks cost is the difference.
func forward(to string) http.Handler {
	c := &upstream.Client{URL: &url.URL{Scheme: "http", Host: to, Path: "/mcp"}}
	buffers := newPool()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		res, err := c.Do(r.Context(), &upstream.Request{Method: r.Method, Header: r.Header, Body: body})
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(res.StatusCode)
		b := buffers.Get()
		defer buffers.Put(b)
		flush := http.NewResponseController(w).Flush
		for {
			n, err := res.Body.Read(b)
			if n > 0 {
				if _, err := w.Write(b[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
			if res.ContentLength < 0 && flush() != nil {
				return
			}
		}
	})
}

// keyCheck is the usual service behind nginx's auth_request: it compares the
// hash of a key with those it knows.
func keyCheck(key string) http.Handler {
	known := map[[sha256.Size]byte]bool{sha256.Sum256([]byte("Bearer " + key)): true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !known[sha256.Sum256([]byte(r.Header.Get("Authorization")))] {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}
