package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

const (
	echoed   = "hello, world"
	echoCall = `{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"echo","arguments":{"text":"` + echoed + `"}}}`
	tickCall = `{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"ticks","arguments":{"every":%d}}}`
)

// caller is one keep-alive connection to a peer. Its requests have an id of
// their own, so that another caller's answer is noticed.
type caller struct {
	nc   net.Conn
	in   *bufio.Reader
	mux  http.RoundTripper // HTTP/2 on the connection; nil: HTTP/1.1
	to   *target
	id   string
	key  string // empty: nobody asks for one
	sent []byte // the request to the tool "echo"
	call []byte // its body
	want []byte // its answer's body
	body []byte
}

// dial connects the nth caller of a peer.
func dial(ctx context.Context, t *target, n int) (*caller, error) {
	// As many machines as keys: what is open from one address is bounded.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+n/perKey%100))}}
	nc, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	c := &caller{nc: nc, to: t, id: strconv.Itoa(1000000 + n)}
	if len(t.keys) > 0 {
		c.key = t.keys[n/perKey%len(t.keys)]
	}
	if t.tls != nil {
		if err := c.secure(ctx); err != nil {
			nc.Close()
			return nil, err
		}
	}
	c.in = bufio.NewReaderSize(c.nc, 2048)
	c.call = fmt.Appendf(nil, echoCall, c.id)
	c.sent = c.request(c.call)
	c.want = answer(nil, []byte(c.id), []byte(echoed))
	return c, nil
}

// secure brings the connection through its handshake.
func (c *caller) secure(ctx context.Context) error {
	protocol := "http/1.1"
	if c.to.mux {
		protocol = "h2"
	}
	s := tls.Client(c.nc, &tls.Config{RootCAs: c.to.tls.trust, ServerName: "127.0.0.1", NextProtos: []string{protocol}})
	if err := s.HandshakeContext(ctx); err != nil {
		return err
	}
	if got := s.ConnectionState().NegotiatedProtocol; got != protocol && (c.to.mux || got != "") {
		return fmt.Errorf("got protocol %q, want %q", got, protocol)
	}
	c.nc = s
	if c.to.mux {
		only := &http.Protocols{}
		only.SetHTTP2(true)
		c.mux = &http.Transport{
			Protocols: only, DisableCompression: true,
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return s, nil },
		}
	}
	return nil
}

func (c *caller) request(body []byte) []byte {
	auth := ""
	if c.key != "" {
		auth = "Authorization: Bearer " + c.key + "\r\n"
	}
	return fmt.Appendf(nil, "POST /mcp HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"MCP-Protocol-Version: 2025-11-25\r\nContent-Length: %d\r\n\r\n%s", c.to.address, auth, len(body), body)
}

// ask sends a request, in both forms, and returns the body of a good answer.
func (c *caller) ask(sent, body []byte) (io.Reader, error) {
	if c.mux != nil {
		return c.askMux(body)
	}
	if _, err := c.nc.Write(sent); err != nil {
		return nil, err
	}
	return c.head()
}

// askMux asks over HTTP/2.
func (c *caller) askMux(body []byte) (io.Reader, error) {
	r, err := http.NewRequest(http.MethodPost, "https://"+c.to.address+"/mcp", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.key != "" {
		r.Header["Authorization"] = []string{"Bearer " + c.key}
	}
	r.Header["Content-Type"] = []string{"application/json"}
	r.Header["Accept"] = []string{"application/json, text/event-stream"}
	r.Header["Mcp-Protocol-Version"] = []string{"2025-11-25"}
	res, err := c.mux.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case res.ProtoMajor != 2 || res.StatusCode != http.StatusOK:
		res.Body.Close()
		return nil, fmt.Errorf("got %s %s, want HTTP/2 and 200", res.Proto, res.Status)
	}
	return res.Body, nil
}

// echo makes one call and checks its answer.
func (c *caller) echo() error {
	body, err := c.ask(c.sent, c.call)
	if err != nil {
		return err
	}
	got := bytes.NewBuffer(c.body[:0])
	if _, err := got.ReadFrom(body); err != nil {
		return err
	}
	c.body = got.Bytes()
	if !bytes.Equal(c.body, c.want) {
		return fmt.Errorf("got answer %q, want %q", c.body, c.want)
	}
	return nil
}

// head reads the head of a good answer and returns its body.
func (c *caller) head() (io.Reader, error) {
	status, err := c.line()
	if err != nil {
		return nil, err
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	first := string(status)
	var length int64 = -1
	chunked := false
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return nil, err
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	switch {
	case !good:
		return nil, fmt.Errorf("got %q, want 200", first)
	case chunked:
		return trailed{httputil.NewChunkedReader(c.in), c.in}, nil
	case length < 0:
		return nil, errors.New("answer without a length")
	}
	return io.LimitReader(c.in, length), nil
}

func (c *caller) line() ([]byte, error) {
	b, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}

// trailed reads chunks and the empty line behind the last.
type trailed struct {
	io.Reader
	in *bufio.Reader
}

func (t trailed) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF {
		if _, err := t.in.ReadSlice('\n'); err != nil {
			return n, err
		}
	}
	return n, err
}

// listen asks for a stream of events, and calls each with the number of every one.
func (c *caller) listen(every time.Duration, each func()) error {
	call := fmt.Appendf(nil, tickCall, c.id, every.Microseconds())
	body, err := c.ask(c.request(call), call)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(body, 512)
	for next := 0; ; {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(line, []byte("data:")) {
			continue
		}
		if got := string(between(line, `"data":`, `}`)); got != strconv.Itoa(next) {
			return fmt.Errorf("got event %s, want %d", got, next)
		}
		next++
		each()
	}
}

// askOnce makes one call on a connection of its own.
func askOnce(ctx context.Context, t *target) error {
	c, err := dial(ctx, t, 0)
	if err != nil {
		return err
	}
	defer c.nc.Close()
	return c.echo()
}
