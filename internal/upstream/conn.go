package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// conn is a connection with at most one exchange on it.
type conn struct {
	net.Conn
	socket
	in    *bufio.Reader
	sent  int64       // bytes of the requests that were answered; 0: a fresh connection
	heard bool        // something of an answer to the present request has come
	late  atomic.Bool // closed because the time for a head was over

	shut, expire func() // made once, for the timers of every request
}

func newConn(nc net.Conn) (*conn, error) {
	c := &conn{Conn: nc, in: bufio.NewReaderSize(nc, commonHead)}
	c.shut = func() { c.Close() }
	c.expire = func() { c.late.Store(true); c.Close() }
	if err := c.watch(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// within closes the connection after d, unless the function it returns is
// called before: that one says ErrTimeout when it is too late. 0 is for ever.
func (c *conn) within(d time.Duration) func() error {
	if d == 0 {
		return noLimit
	}
	limit := time.AfterFunc(d, c.expire)
	return func() error {
		if limit.Stop() {
			return nil
		}
		return ErrTimeout
	}
}

func noLimit() error { return nil }

// readHead reads the head of the answer to a request; 1xx are passed over.
// RFC 9110 §15.2
func (c *conn) readHead(method string) (*http.Response, error) {
	c.heard = false
	var asked *http.Request // nil stands for GET, as good as any method but one
	if method == http.MethodHead {
		asked = &http.Request{Method: method}
	}
	for range maxInformational {
		if err := c.awaitHead(); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(c.in, asked)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		case res.StatusCode == http.StatusSwitchingProtocols || res.StatusCode < 100:
			return nil, fmt.Errorf("%w: status %d", ErrMalformed, res.StatusCode)
		case res.StatusCode >= 200:
			return res, nil
		}
	}
	return nil, fmt.Errorf("%w: more than %d informational ones", ErrMalformed, maxInformational)
}

// awaitHead returns once a whole head is in the buffer, so that it can be
// judged before it is parsed and the time and space it takes are bounded.
func (c *conn) awaitHead() error {
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	c.heard = true
	release := c.within(0)
	for from := 0; ; {
		seen, _ := c.in.Peek(c.in.Buffered())
		if end := headEnd(seen, from); end >= 0 {
			if err := checkFraming(seen[:end]); err != nil {
				return fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			return release()
		}
		if from == 0 {
			release = c.within(headRest)
		}
		from = max(1, len(seen)-2)
		if err := c.more(seen); err != nil {
			return err
		}
	}
}

// more waits for bytes behind those seen, in a larger buffer if need be.
func (c *conn) more(seen []byte) error {
	if len(seen) == maxHead {
		return fmt.Errorf("%w: its head is over %d bytes", ErrMalformed, maxHead)
	}
	if len(seen) == c.in.Size() {
		c.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(seen)), c.Conn), min(8*c.in.Size(), maxHead))
	}
	_, err := c.in.Peek(len(seen) + 1)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
