package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	id   string
	sent []byte // the request to the tool "echo"
	want []byte // its answer's body
	body []byte
}

// dial connects the nth caller of a peer.
func dial(ctx context.Context, t *target, n int) (*caller, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	c := &caller{nc: nc, in: bufio.NewReaderSize(nc, 2048), id: strconv.Itoa(1000000 + n)}
	c.sent = c.request(t, n, fmt.Sprintf(echoCall, c.id))
	c.want = answer(nil, []byte(c.id), []byte(echoed))
	return c, nil
}

func (c *caller) request(t *target, n int, body string) []byte {
	auth := ""
	if len(t.keys) > 0 {
		auth = "Authorization: Bearer " + t.keys[n/perKey%len(t.keys)] + "\r\n"
	}
	return fmt.Appendf(nil, "POST /mcp HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"MCP-Protocol-Version: 2025-11-25\r\nContent-Length: %d\r\n\r\n%s", t.address, auth, len(body), body)
}

// call makes one call and checks its answer.
func (c *caller) call() error {
	if _, err := c.nc.Write(c.sent); err != nil {
		return err
	}
	body, err := c.head()
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
func (c *caller) listen(t *target, n int, every time.Duration, each func()) error {
	if _, err := c.nc.Write(c.request(t, n, fmt.Sprintf(tickCall, c.id, every.Microseconds()))); err != nil {
		return err
	}
	body, err := c.head()
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
	return c.call()
}
