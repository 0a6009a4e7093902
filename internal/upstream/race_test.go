package upstream

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// used returns a connection that has served one request, not from the pool:
// what the upstream does now, take cannot see.
func used(t *testing.T, c *Client) *conn {
	t.Helper()
	if got := read(t, c, &Request{Method: "POST"}); got.body != "ok" {
		t.Fatalf("got %q, want ok", got.body)
	}
	cn := c.idle.pop()
	if cn == nil {
		t.Fatal("got no idle connection")
	}
	return cn
}

// again puts a request on a used connection.
func again(t *testing.T, c *Client, cn *conn, method string) error {
	t.Helper()
	message, err := appendRequest(nil, &Request{Method: method, Body: []byte("{}")}, "h", "/")
	if err != nil {
		t.Fatal(err)
	}
	x := exchange{ctx: t.Context(), conn: cn, idle: &c.idle, method: method, message: message}
	res, err := x.run()
	if err == nil {
		res.Body.Close()
	}
	return err
}

// A call that may have been read is never sent again. RFC 9110 §9.2.2
func TestA199ConnectionLostWhileReused(t *testing.T) {
	closed := make(chan bool, 1)
	tests := []struct {
		name  string
		end   func(*net.TCPConn, *bufio.Reader) // after the first answer
		first bool                              // end is over before the second request is sent
		call  error                             // of a POST
		list  error                             // of a GET
	}{
		{"closed before the request", func(c *net.TCPConn, _ *bufio.Reader) { c.Close() }, true, errUnread, errUnread},
		{"reset before the request", func(c *net.TCPConn, _ *bufio.Reader) { reset(c) }, true, errUnread, errUnread},
		{"closed after reading it", func(c *net.TCPConn, in *bufio.Reader) { receive(in); c.Close() }, false, ErrBroken, errUnread},
		{"half-closed after reading it", func(c *net.TCPConn, in *bufio.Reader) { receive(in); c.CloseWrite() }, false, ErrBroken, errUnread},
		{"reset after reading it", func(c *net.TCPConn, in *bufio.Reader) { receive(in); reset(c) }, false, ErrBroken, errUnread},
		{"closed after reading a part", func(c *net.TCPConn, in *bufio.Reader) { in.ReadByte(); c.Close() }, false, ErrBroken, errUnread},
		{"closed within the answer", func(c *net.TCPConn, in *bufio.Reader) { receive(in); io.WriteString(c, "H"); c.Close() }, false, ErrBroken, ErrBroken},
	}
	for _, tt := range tests {
		for method, want := range map[string]error{"POST": tt.call, "GET": tt.list} {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
					if receive(in) {
						io.WriteString(c, ok)
						tt.end(c, in)
						closed <- true
						receive(in) // keeps a half-closed connection
					}
				})
				cn := used(t, c)
				if tt.first {
					<-closed
				}
				if err := again(t, c, cn, method); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				if !tt.first {
					<-closed
				}
			})
		}
	}
}

// An upstream that hangs up on idle connections at just the wrong moment never
// gets a call twice. A call is lost only by a reset, which leaves open whether
// it was read; what the upstream had certainly not taken is sent again.
func TestA199KeepAliveRace(t *testing.T) {
	if !watchable {
		t.Skip("http.Transport does the work here")
	}
	const callers, rounds = 4, 1000
	patience := func() time.Duration { return time.Duration(rand.Int64N(int64(300 * time.Microsecond))) }
	var executed sync.Map // times by id of the call
	c := double(t, func(c *net.TCPConn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			c.SetReadDeadline(time.Time{})
			count(&executed, r.URL.Path).Add(1)
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, ok)
			c.SetReadDeadline(time.Now().Add(patience()))
		}
	})
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for round := range rounds {
				id := "/" + strconv.Itoa(caller) + "/" + strconv.Itoa(round)
				res, err := c.Do(t.Context(), &Request{Method: "POST", Target: id, Body: []byte("{}")})
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				times := count(&executed, id).Load()
				if times > 1 || err == nil && times == 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %d executions and %v, want one", times, err)
				}
				time.Sleep(patience())
			}
		})
	}
	all.Wait()
}

func count(m *sync.Map, id string) *atomic.Int32 {
	n, _ := m.LoadOrStore(id, new(atomic.Int32))
	return n.(*atomic.Int32)
}
