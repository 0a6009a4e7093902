package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t testing.TB, address string) *Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{URL: u}
	t.Cleanup(c.Close)
	return c
}

// serve starts a real server and counts the connections it accepts.
func serve(t testing.TB, h http.HandlerFunc) (*Client, *atomic.Int32) {
	t.Helper()
	var accepted atomic.Int32
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return newClient(t, s.URL+"/mcp?a=b"), &accepted
}

// reply is a whole answer.
type reply struct {
	status  int
	body    string
	trailer http.Header
}

// read does one exchange to its end.
func read(t testing.TB, c *Client, q *Request) reply {
	t.Helper()
	res, err := c.Do(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, string(b), res.Trailer}
}

// try returns why there is no answer.
func try(ctx context.Context, c *Client, q *Request) error {
	res, err := c.Do(ctx, q)
	if err == nil {
		res.Body.Close()
	}
	return err
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	large := bytes.Repeat([]byte("x"), maxDirect+1) // goes by http.Transport, and must look the same
	tests := []struct {
		name         string
		q            Request
		host, target string
		length       int64
	}{
		{"a call", Request{Method: "POST", Body: []byte("{}")}, c.URL.Host, "/mcp?a=b", 2},
		{"a large call", Request{Method: "POST", Body: large}, c.URL.Host, "/mcp?a=b", maxDirect + 1},
		{"a call without a body", Request{Method: "POST"}, c.URL.Host, "/mcp?a=b", 0},
		{"a stream", Request{Method: "GET"}, c.URL.Host, "/mcp?a=b", 0},
		{"another target", Request{Method: "GET", Target: "/x%2Fy?z"}, c.URL.Host, "/x%2Fy?z", 0},
		{"another host", Request{Method: "DELETE", Host: "mcp.example"}, "mcp.example", "/mcp?a=b", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := http.Header{"Accept": {"a", "b"}, "Mcp-Name": {"=?base64?4pyT?="}}
			tt.q.Header = maps.Clone(want)
			for _, name := range []string{"Connection", "connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Proxy-Connection", "Host", "Expect", "transfer-encoding", "CONTENT-LENGTH"} {
				tt.q.Header[name] = []string{"chunked"}
			}
			read(t, c, &tt.q)
			got.Header.Del("Content-Length")
			if got.Host != tt.host || got.RequestURI != tt.target || got.Method != tt.q.Method || got.ContentLength != tt.length {
				t.Errorf("got %s %s at %s with %d bytes, want %+v", got.Method, got.RequestURI, got.Host, got.ContentLength, tt)
			}
			if !maps.EqualFunc(got.Header, want, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
				t.Errorf("got header %v, want %v", got.Header, want)
			}
			if !bytes.Equal(body, tt.q.Body) {
				t.Errorf("got %d bytes, want %d", len(body), len(tt.q.Body))
			}
		})
	}
}

func TestA135RequestCannotBeInjectedInto(t *testing.T) {
	c, accepted := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, q := range map[string]Request{
		"line in a value":     {Method: "GET", Header: http.Header{"A": {"x\r\nB: y"}}},
		"feed in a value":     {Method: "GET", Header: http.Header{"A": {"x\ny"}}},
		"NUL in a value":      {Method: "GET", Header: http.Header{"A": {"x\x00y"}}},
		"line in a name":      {Method: "GET", Header: http.Header{"A\r\nB": {"y"}}},
		"colon in a name":     {Method: "GET", Header: http.Header{"Content-Length:": {"y"}}},
		"empty name":          {Method: "GET", Header: http.Header{"": {"y"}}},
		"space before colon":  {Method: "GET", Header: http.Header{"Transfer-Encoding ": {"chunked"}}},
		"line in the target":  {Method: "GET", Target: "/ HTTP/1.1\r\nA: b"},
		"space in the target": {Method: "GET", Target: "/a b"},
		"absolute target":     {Method: "GET", Target: "http://other/"},
		"line in the host":    {Method: "GET", Host: "a\r\nB: c"},
		"space in the method": {Method: "GET /x"},
		"no method":           {},
		"a tunnel":            {Method: "CONNECT"},
	} {
		for _, body := range [][]byte{nil, make([]byte, maxDirect+1)} {
			q.Body = body
			err := try(t.Context(), c, &q)
			// net/http has its own words for what it refuses itself.
			if err == nil || body == nil && !errors.Is(err, ErrRequest) {
				t.Errorf("%s: got %v, want ErrRequest", name, err)
			}
		}
	}
	if n := accepted.Load(); n > 1 {
		t.Errorf("got %d connections, want none used", n)
	}
}

// answers shows the ways in which an answer can be framed.
func answers(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/trailer":
		w.Header().Set("Trailer", "Sum")
		io.WriteString(w, "body")
		w.Header().Set("Sum", "42")
	case "/chunked":
		io.WriteString(w, "bo")
		w.(http.Flusher).Flush()
		io.WriteString(w, "dy")
	case "/hints":
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "body")
	case "/204":
		w.WriteHeader(http.StatusNoContent)
	case "/304":
		w.WriteHeader(http.StatusNotModified)
	case "/redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	case "/large-head":
		w.Header().Set("Large", strings.Repeat("x", 20<<10))
		io.WriteString(w, "body")
	default:
		io.WriteString(w, "body")
	}
}

func TestAnswer(t *testing.T) {
	c, accepted := serve(t, answers)
	tests := []struct {
		name, method, target string
		status               int
		body                 string
	}{
		{"a length", "POST", "/", 200, "body"},
		{"chunks", "POST", "/chunked", 200, "body"},
		{"HEAD", "HEAD", "/", 200, ""},
		{"HEAD of chunks", "HEAD", "/chunked", 200, ""},
		{"202 without a body", "POST", "/204", 204, ""},
		{"304", "GET", "/304", 304, ""},
		{"informational answers before", "POST", "/hints", 200, "body"},
		{"a redirect, as it is", "GET", "/redirect", 307, "<a href=\"/elsewhere\">Temporary Redirect</a>.\n\n"},
		{"a head larger than the buffer", "POST", "/large-head", 200, "body"},
		{"trailers", "POST", "/trailer", 200, "body"},
	}
	for range 3 {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				got := read(t, c, &Request{Method: tt.method, Target: tt.target})
				if got.status != tt.status || got.body != tt.body {
					t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
				}
				if tt.target == "/trailer" && got.trailer.Get("Sum") != "42" {
					t.Errorf("got trailer %v, want Sum: 42", got.trailer)
				}
			})
		}
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("got %d connections, want one for all", n)
	}
}

func TestStream(t *testing.T) {
	next := make(chan string)
	c, accepted := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		for s := range next {
			io.WriteString(w, s)
			w.(http.Flusher).Flush()
		}
	})
	res, err := c.Do(t.Context(), &Request{Method: "POST", Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	for _, want := range []string{"data: 1\n\n", ": \n\n", "data: 2\n\n"} {
		next <- want // the server goes on only after each was read
		n, err := res.Body.Read(p)
		if string(p[:n]) != want || err != nil {
			t.Errorf("got %q, %v, want %q", p[:n], err, want)
		}
	}
	close(next)
	if n, err := res.Body.Read(p); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes, %v, want the end", n, err)
	}
	res.Body.Close()
	if n, err := res.Body.Read(p); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes, %v, want the end again", n, err)
	}
	next = make(chan string)
	close(next)
	read(t, c, &Request{Method: "POST"})
	if n := accepted.Load(); n != 1 {
		t.Errorf("got %d connections, want the stream's used again", n)
	}
}

// The end of the context ends an exchange wherever it is, its cause is what
// the caller sees, and the upstream notices.
func TestCancel(t *testing.T) {
	revoked := errors.New("key revoked")
	arrived, gone := make(chan bool), make(chan bool)
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.(http.Flusher).Flush()
		}
		arrived <- true
		<-r.Context().Done()
		gone <- true
	})
	for _, target := range []string{"/head", "/body"} {
		t.Run("while waiting for the "+target[1:], func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error)
			go func() {
				res, err := c.Do(ctx, &Request{Method: "POST", Target: target})
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				done <- err
			}()
			<-arrived
			cancel(revoked)
			if err := <-done; !errors.Is(err, revoked) {
				t.Errorf("got %v, want the cause", err)
			}
			<-gone
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(revoked)
	if err := try(ctx, c, &Request{Method: "GET"}); !errors.Is(err, revoked) {
		t.Errorf("got %v, want the cause of a context that had ended before", err)
	}
}

// Closing a body early ends the upstream's work, and the connection is not used again.
func TestCloseEarly(t *testing.T) {
	gone := make(chan bool)
	c, accepted := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "much")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- true
	})
	for want := range int32(3) {
		res, err := c.Do(t.Context(), &Request{Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		blocked := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, res.Body)
			blocked <- err
		}()
		res.Body.Close()
		res.Body.Close()
		<-gone
		if err := <-blocked; err == nil {
			t.Error("got a whole body, want an error")
		}
		if n := accepted.Load(); n != want+1 {
			t.Errorf("got %d connections, want %d", n, want+1)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := newClient(t, s.URL)
	if err := try(t.Context(), c, &Request{Method: "GET"}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable for a certificate nobody vouches for", err)
	}
	c = newClient(t, s.URL)
	c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	if got := read(t, c, &Request{Method: "POST", Body: []byte("{}")}); got.body != "HTTP/2.0" {
		t.Errorf("got %s, want HTTP/2.0", got.body)
	}
}

func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1")
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:1")
	c := newClient(t, "http://mcp.example")
	c.once.Do(c.prepare)
	if c.transport.Proxy != nil || c.address != "mcp.example:http" {
		t.Errorf("got a proxy or address %q, want none and port 80", c.address)
	}
}
