// Package upstream carries requests to one MCP server over HTTP.
//
// A plaintext upstream is spoken to in the caller's goroutine: head and body
// leave in one write, the answer is read by net/http's own reader, and the
// connection goes back to a pool. That halves what a proxied call costs. TLS,
// HTTP/2 and large bodies are left to http.Transport.
//
// Redirects are not followed, and no proxy is taken from the environment.
package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Why there is no answer. When the context ended first, its cause is
// returned instead.
var (
	ErrRequest     = errors.New("request cannot be sent")                       // a method, target, field or URL that HTTP does not allow
	ErrUnreachable = errors.New("upstream cannot be reached")                   // no connection: nothing was sent
	ErrTimeout     = errors.New("upstream sent no answer in time")              // see Client.HeadTimeout
	ErrBroken      = errors.New("upstream ended the connection")                // before the head of an answer; it may have acted on the request
	ErrMalformed   = errors.New("upstream's answer is not one HTTP/1.1 answer") // or one we refuse: 101, or a head over 64 KiB
)

const (
	dialTimeout = 10 * time.Second
	commonHead  = 2 << 10  // bytes that hold the usual answer's head: what an open stream keeps
	maxHead     = 64 << 10 // bytes of an answer's head
	maxIdle     = 1024     // connections kept for later

	// A body above this goes by http.Transport, which reads the answer while
	// it still writes: an upstream that answers early and stops reading
	// would leave us blocked. Below it, the kernel takes the whole request.
	maxDirect = 64 << 10
)

// Client sends requests to one upstream. It is safe for concurrent use.
type Client struct {
	URL         *url.URL      // required: http or https; its path and query are the default target
	TLS         *tls.Config   // of an https upstream; nil: Go's defaults
	HeadTimeout time.Duration // from sending to the head of the answer; 0: none, for a tool may take long

	once      sync.Once
	transport *http.Transport
	dialer    net.Dialer
	address   string // host:port of URL
	target    string // path and query of URL
	buffers   sync.Pool
	idle      pool
}

// Request is what is sent. A Client does not change it, nor keep it.
type Request struct {
	Method string
	Target string      // path and query, escaped; empty: those of the client's URL
	Host   string      // empty: the host of the client's URL
	Header http.Header // fields of the connection (Connection, Content-Length, TE …) are left out
	Body   []byte      // sent with its length; nil: none
}

// Do sends one request and returns once the head of the answer is there. The
// caller reads the body to its end or closes it, and does so in one goroutine
// at a time; Close may come from any. The end of ctx ends the exchange at
// any point, and its cause is the error of whatever was going on.
//
// A request is sent a second time only if the first is known not to have been
// read, or the method is idempotent. RFC 9110 §9.2.2
func (c *Client) Do(ctx context.Context, q *Request) (*http.Response, error) {
	c.once.Do(c.prepare)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if watchable && c.URL.Scheme == "http" && len(q.Body) <= maxDirect {
		return c.direct(ctx, q)
	}
	return c.byTransport(ctx, q)
}

// Close ends the connections nobody uses. Those in use end with their request.
func (c *Client) Close() {
	c.once.Do(c.prepare)
	c.idle.close()
	c.transport.CloseIdleConnections()
}

func (c *Client) prepare() {
	c.dialer.Timeout = dialTimeout
	c.address = c.URL.Host
	if c.URL.Port() == "" {
		c.address = net.JoinHostPort(c.URL.Hostname(), c.URL.Scheme) // the name of a scheme is the name of its port
	}
	c.target = c.URL.RequestURI()
	c.buffers.New = func() any { return new([]byte) }
	c.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dialer.DialContext,
		TLSClientConfig:        c.TLS,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        90 * time.Second,
		ResponseHeaderTimeout:  c.HeadTimeout,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true,
	}
}

// direct makes the exchange in this goroutine.
func (c *Client) direct(ctx context.Context, q *Request) (*http.Response, error) {
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	message, err := appendRequest((*buffer)[:0], q, c.URL.Host, c.target)
	if err != nil {
		return nil, err
	}
	*buffer = message
	x := exchange{ctx: ctx, method: q.Method, message: message, wait: c.HeadTimeout, idle: &c.idle}
	if x.conn = c.idle.take(); x.conn != nil {
		res, err := x.run()
		if !errors.Is(err, errUnread) {
			return res, err
		}
	}
	nc, err := c.dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if x.conn, err = newConn(nc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return x.run()
}

// byTransport leaves the exchange to net/http.
func (c *Client) byTransport(ctx context.Context, q *Request) (*http.Response, error) {
	r, err := c.standard(ctx, q)
	if err != nil {
		return nil, err
	}
	res, err := c.transport.RoundTrip(r)
	var timeout net.Error
	var refused *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil && res.StatusCode == http.StatusSwitchingProtocols:
		res.Body.Close()
		return nil, fmt.Errorf("%w: it switches protocols", ErrMalformed)
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &refused) && refused.Op == "dial", errors.As(err, &untrusted):
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, err)
}

// standard returns q as net/http knows it.
func (c *Client) standard(ctx context.Context, q *Request) (*http.Request, error) {
	target := q.Target
	if target == "" {
		target = c.target
	}
	if err := checkRequest(q.Method, target, q.Host); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, c.URL.Scheme+"://"+c.URL.Host+target, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if q.Body != nil {
		r.ContentLength = int64(len(q.Body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.Body)), nil }
		r.Body, _ = r.GetBody()
	}
	if q.Host != "" {
		r.Host = q.Host
	}
	for name, values := range q.Header {
		if !ofConnection(name) {
			r.Header[name] = values
		}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header["User-Agent"] = []string{""} // or net/http would send its own
	}
	return r, nil
}
