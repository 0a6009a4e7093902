package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// double answers each connection on a port of its own with f, until the test is over.
func double(t testing.TB, f func(c *net.TCPConn, in *bufio.Reader)) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[nc] = true
			mu.Unlock()
			all.Go(func() {
				defer nc.Close()
				f(nc.(*net.TCPConn), bufio.NewReader(nc))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for nc := range open {
			nc.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return newClient(t, "http://"+l.Addr().String()+"/mcp")
}

// receive reads one request to its end; false when there is none.
func receive(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// scripted answers every request of a connection with the same bytes, then
// does what end says.
func scripted(t testing.TB, answer string, end func(*net.TCPConn)) *Client {
	return double(t, func(c *net.TCPConn, in *bufio.Reader) {
		for receive(in) {
			io.WriteString(c, answer)
			end(c)
		}
	})
}

func hold(*net.TCPConn)     {}
func hangUp(c *net.TCPConn) { c.CloseWrite() }
func reset(c *net.TCPConn)  { c.SetLinger(0); c.Close() }

func TestA133HostileFraming(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, answer string
		end          func(*net.TCPConn)
		err          error // of Do
		broken       bool  // the body ends with an error
		body         string
	}{
		{"a length and chunks", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", hold, ErrMalformed, false, ""},
		{"chunks and a length, in odd letters", head + "transfer-ENCODING:chunked\r\ncontent-LENGTH:4\r\n\r\n4\r\nbody\r\n0\r\n\r\n", hold, ErrMalformed, false, ""},
		{"two lengths", head + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!", hold, ErrMalformed, false, ""},
		{"the same length twice", head + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody", hold, nil, false, "body"},
		{"a signed length", head + "Content-Length: +4\r\n\r\nbody", hold, ErrMalformed, false, ""},
		{"a list of lengths", head + "Content-Length: 4, 4\r\n\r\nbody", hold, ErrMalformed, false, ""},
		{"an unknown coding", head + "Transfer-Encoding: gzip\r\n\r\n", hold, ErrMalformed, false, ""},
		{"chunks within another coding", head + "Transfer-Encoding: chunked, identity\r\n\r\n", hold, ErrMalformed, false, ""},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", hangUp, ErrMalformed, false, ""},
		{"a space before the colon", head + "Content-Length : 4\r\n\r\nbody", hold, ErrMalformed, false, ""},
		{"a chunk size that is none", head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nbody\r\n0\r\n\r\n", hold, nil, true, ""},
		{"a chunk size that overflows", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nbody", hold, nil, true, ""},
		{"a chunk longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nbody\r\n0\r\n\r\n", hold, nil, true, "bod"},
		{"a chunk line ended by a bare feed", head + "Transfer-Encoding: chunked\r\n\r\n4\nbody\r\n0\r\n\r\n", hold, nil, true, ""},
		{"chunks without the last", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", hangUp, nil, true, "body"},
		{"less than its length", head + "Content-Length: 9\r\n\r\nbody", hangUp, nil, true, "body"},
		{"less than its length, then a reset", head + "Content-Length: 9\r\n\r\nbody", reset, nil, true, "body"},
		{"a body that ends with the connection", head + "\r\nbody", hangUp, nil, false, "body"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nbody", hangUp, nil, false, "body"},
		{"a switch of protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", hold, ErrMalformed, false, ""},
		{"informational answers without end", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 9), hold, ErrMalformed, false, ""},
		{"informational answers only", "HTTP/1.1 102 Processing\r\n\r\n", hangUp, ErrBroken, false, ""},
		{"a status below 100", "HTTP/1.1 099 OK\r\n\r\n", hold, ErrMalformed, false, ""},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", hold, ErrMalformed, false, ""},
		{"HTTP/2", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00\r\n\r\n", hold, ErrMalformed, false, ""},
		{"a head that does not end", head + "A: b\r\n", hangUp, ErrBroken, false, ""},
		{"a reset within the head", head, reset, ErrBroken, false, ""},
		{"nothing", "", hangUp, ErrBroken, false, ""},
		{"a head over the bound", head + "A: " + strings.Repeat("x", maxHead) + "\r\n\r\n", hold, ErrMalformed, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := scripted(t, tt.answer, tt.end)
			res, err := c.Do(t.Context(), &Request{Method: "POST", Body: []byte("{}")})
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if string(body) != tt.body || (err != nil) != tt.broken {
				t.Errorf("got %q, %v, want %q, error %v", body, err, tt.body, tt.broken)
			}
			if n := len(c.idle.conns); tt.broken && n != 0 {
				t.Errorf("got %d idle connections, want none", n)
			}
		})
	}
}

// What an upstream sends unasked must not become the answer to somebody else.
func TestA133UnsolicitedBytesAreNobodysAnswer(t *testing.T) {
	const first = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
	const planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
	for name, late := range map[string]bool{"in the same packet": false, "while idle": true} {
		t.Run(name, func(t *testing.T) {
			idle, sent := make(chan bool), make(chan bool)
			c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
				for receive(in) {
					if !late {
						io.WriteString(c, first+planted)
						continue
					}
					io.WriteString(c, first)
					<-idle
					io.WriteString(c, planted)
					sent <- true
				}
			})
			for range 100 {
				if got := read(t, c, &Request{Method: "POST"}); got.body != "first" {
					t.Fatalf("got %q, want %q", got.body, "first")
				}
				if late {
					idle <- true
					<-sent // on loopback, what is written has arrived
				}
			}
		})
	}
}

func TestConnectionsThatTheUpstreamEnds(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		c := scripted(t, answer, hold)
		read(t, c, &Request{Method: "POST"})
		if c.idle.pop() != nil {
			t.Errorf("got an idle connection after %q, want none", answer)
		}
	}
}

func TestA199NothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, scheme := range []string{"http", "https"} {
		c := newClient(t, scheme+"://"+l.Addr().String())
		if err := try(t.Context(), c, &Request{Method: "GET"}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", scheme, err)
		}
	}
}

func TestA199AcceptsAndHangs(t *testing.T) {
	for name, size := range map[string]int{"directly": 2, "by http.Transport": maxDirect + 1} {
		t.Run(name, func(t *testing.T) {
			c := double(t, func(c *net.TCPConn, in *bufio.Reader) { io.Copy(io.Discard, in) })
			c.HeadTimeout = 20 * time.Millisecond
			if err := try(t.Context(), c, &Request{Method: "POST", Body: make([]byte, size)}); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
	}
}

// A head that trickles is bounded in time by the caller's context, and by headRest.
func TestA199TricklesItsHead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
		for n, err := 0, error(nil); err == nil; n++ {
			_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: "[min(n, 19):min(n+1, 20)])
			if n == 50 {
				cancel()
			}
		}
	})
	if err := try(ctx, c, &Request{Method: "GET"}); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want the end of the context", err)
	}
}

func TestA199HeadOfAGigabyte(t *testing.T) {
	line := bytes.Repeat([]byte("A: "+strings.Repeat("x", 1<<10)+"\r\n"), 64)
	c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for n := 0; n < 1<<30; n += len(line) {
			if _, err := c.Write(line); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := try(t.Context(), c, &Request{Method: "GET"}); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("got %d bytes allocated, want about %d", grown, maxHead)
	}
}

// An upstream may answer a large request without reading it.
func TestA199AnswersEarly(t *testing.T) {
	over := make(chan bool)
	defer close(over)
	for _, size := range []int{2, maxDirect, maxDirect + 1, 16 << 20} {
		c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
			in.Peek(1)
			io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			<-over
		})
		res, err := c.Do(t.Context(), &Request{Method: "POST", Body: make([]byte, size)})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d, want 413", res.StatusCode)
		}
	}
}

func TestA199CertificateExpired(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	c := newClient(t, s.URL)
	c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c.TLS.Time = func() time.Time { return s.Certificate().NotAfter.Add(time.Second) }
	if err := try(t.Context(), c, &Request{Method: "GET"}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}
