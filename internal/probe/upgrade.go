package probe

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// upgrade asks for a WebSocket over a connection of its own: HTTP/2 has another
// way for that, which no server of MCP speaks. RFC 6455 §4.1
func (r *run) upgrade(path string) *Exchange {
	x := &Exchange{Method: http.MethodGet, URL: r.url(path), Sent: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"mcp"},
	}, mask: r.mask}
	if r.sent >= r.budget || r.refused[hostOf(x.URL)] >= givenUp {
		x.Err = errBudget
		return x
	}
	if r.via(x.URL) {
		x.Err = errProxied
		return x
	}
	r.sent++
	if err := r.overOwn(x); err != nil {
		x.Err = errors.New(reason(err))
	}
	r.all = append(r.all, x)
	return x
}

// overOwn sends a request over HTTP/1.1 and reads the head of the answer.
func (r *run) overOwn(x *Exchange) error {
	conn, err := r.dial(r.port())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(r.wait)) // reading says what is wrong
	if r.target.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: r.target.Hostname(), RootCAs: r.o.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	q, err := http.NewRequestWithContext(r.ctx, x.Method, x.URL, http.NoBody)
	if err != nil {
		return err
	}
	q.Header = x.Sent.Clone()
	q.Header.Set("User-Agent", "gatehouse-check")
	if err := q.Write(conn); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), q)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	x.Status, x.Header = res.StatusCode, res.Header
	return nil
}

// dial connects to the server. Where a proxy leads there it is not asked what a proxy
// may answer itself: some end TLS, and show a certificate of their own.
func (r *run) dial(port string) (net.Conn, error) {
	if r.via(r.target.String()) {
		return nil, errProxied
	}
	return r.own.DialContext(r.ctx, "tcp", net.JoinHostPort(r.target.Hostname(), port))
}
