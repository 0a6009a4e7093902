package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a caller's connection as it came in. It gives its place back when it
// is closed, and a reader that takes nothing for a while ends it.
type conn struct {
	net.Conn
	peer  peer
	stall time.Duration // how long a piece of an answer may wait for its reader

	first [1]byte // read ahead, to tell TLS from plain HTTP
	ahead bool    // first has not been handed on yet

	mu     sync.Mutex
	limit  time.Time // what SetDeadline and SetWriteDeadline asked for
	due    time.Time // of writes, as the connection below has it
	closed bool
	gives  []func() // give back what the connection holds
}

// peer is what a connection tells of who is on its other end.
type peer struct {
	hop     netip.Addr // the machine that connected; loopback on a unix socket
	unix    bool
	proxied bool       // a PROXY header was read
	origin  netip.Addr // whom it named; invalid: nobody
	secure  bool       // TLS ends here
	vetted  *vetting   // by which its certificate was verified; nil: none was asked for

	verdict *atomic.Pointer[verdict] // the latest on its certificate, after that of the handshake; nil: none is kept
}

// pieceSize is how much of an answer has to move within stall. A message as a
// whole may take longer.
const pieceSize = 64 << 10

// Read hands on what was read ahead, then what comes.
func (c *conn) Read(b []byte) (int, error) {
	if c.ahead && len(b) > 0 {
		b[0], c.ahead = c.first[0], false
		return 1, nil
	}
	return c.Conn.Read(b)
}

// peek reads the first byte ahead.
func (c *conn) peek() (byte, error) {
	if _, err := c.Conn.Read(c.first[:]); err != nil {
		return 0, err
	}
	c.ahead = true
	return c.first[0], nil
}

// Write sends piece by piece; each must move in time.
func (c *conn) Write(b []byte) (n int, err error) {
	for {
		piece := b[n:min(len(b), n+pieceSize)]
		if err := c.extend(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(piece)
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// extend gives a piece its time, which is stall or a little more: a deadline
// that was set for a piece before will do while it leaves as much, so that many
// short pieces do not set a timer each.
func (c *conn) extend() error {
	now := time.Now() // of the kernel's clock, not of ours
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit.IsZero() && c.due.Sub(now) >= c.stall {
		return nil
	}
	due := now.Add(c.stall + c.stall/8)
	if !c.limit.IsZero() && c.limit.Before(due) {
		due = c.limit
	}
	c.due = due
	return c.Conn.SetWriteDeadline(due)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn. A write waits hardly longer than stall
// all the same. The lock keeps a write that begins now from setting a later one.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.due = t, t
	return c.Conn.SetWriteDeadline(t)
}

// holds has something given back when the connection is closed.
func (c *conn) holds(give func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		give()
		return
	}
	c.gives = append(c.gives, give)
}

// Close ends the connection and gives back what it holds.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, give := range c.gives {
		give()
	}
	c.closed, c.gives = true, nil
	return err
}

type peerKey struct{}

// withPeer lets requests know the connection they came on.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if own, ok := c.(*conn); ok {
		return context.WithValue(ctx, peerKey{}, &own.peer)
	}
	return ctx
}

// peerOf returns what is known of a request's connection.
func peerOf(r *http.Request) *peer {
	if p, ok := r.Context().Value(peerKey{}).(*peer); ok {
		return p
	}
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // it came on no listener of ours
	return &peer{hop: ap.Addr().Unmap(), secure: r.TLS != nil}
}

// addressOf returns the address of a connection's end. On a unix socket that is
// this machine.
func addressOf(a net.Addr) (address netip.Addr, unix bool) {
	if _, ok := a.(*net.UnixAddr); ok || a == nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap.Addr().Unmap().WithZone(""), false
}

// network is what an address is counted by: a caller has all of an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
