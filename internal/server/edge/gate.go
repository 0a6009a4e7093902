package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	defaultHandshakeWait = 10 * time.Second // for the first byte and the handshake
	proxyWait            = 5 * time.Second  // for the header of the PROXY protocol
	maxAcceptWait        = time.Second      // between two tries when there are no file descriptors left
)

// gate takes connections from a listener. Each is asked who it is and brought
// through its handshake on a goroutine of its own, so that none holds up the
// others; then it goes to one of two HTTP servers.
type gate struct {
	edge   *Edge
	from   net.Listener
	secure bool // TLS is expected
	refuse bool // plain HTTP is refused here

	good  handover // to the server for callers
	clear handover // to the one that refuses what came in the clear

	mu     sync.Mutex
	closed bool
	early  map[*conn]bool // still on their way to a server
	under  sync.WaitGroup
}

// run accepts until the listener is closed. Whatever fails for want of
// something that may come back is tried again, more and more slowly.
func (g *gate) run() error {
	var wait time.Duration
	for {
		raw, err := g.from.Accept()
		switch {
		case err == nil:
			wait = 0
			g.admit(raw)
		case g.ended():
			return nil
		case passing(err):
			if wait = min(max(2*wait, 5*time.Millisecond), maxAcceptWait); wait == 5*time.Millisecond {
				g.edge.Log.Error("cannot accept connections", "listener", g.from.Addr().String(), "error", err)
			}
			g.edge.count(&g.edge.counts.AcceptErrors)
			g.sleep(wait)
		default:
			return fmt.Errorf("accept on %s: %w", g.from.Addr(), err)
		}
	}
}

// passing says whether an error of accept(2) may be over soon.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EPERM, syscall.EPROTO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (g *gate) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-g.good.done:
	}
}

// admit gives a connection a place, or hangs up on it.
func (g *gate) admit(raw net.Conn) {
	e := g.edge
	if !e.places.take() {
		e.count(&e.counts.Crowded)
		_ = raw.Close()
		return
	}
	hop, unix := addressOf(raw.RemoteAddr())
	c := &conn{Conn: raw, stall: e.WriteWait, peer: peer{hop: hop, unix: unix, secure: g.secure, verdict: new(atomic.Pointer[verdict])}}
	c.holds(e.places.give)
	s := e.settings.Load()
	proxy := unix || s.proxies.has(hop)
	if s.proxyProtocol && !proxy {
		e.count(&e.counts.ProxyRefused)
		e.stranger.Do(func() {
			e.Log.Warn("connections of others than server.trusted_proxies are refused while proxy_protocol is on; said once", "code", "GH-2006", "address", hop)
		})
		_ = c.Close()
		return
	}
	// Who comes from this machine without TLS is a proxy that ends it, or nobody's stranger.
	if !proxy && (g.secure || !hop.IsLoopback()) && !g.site(c, hop) {
		return
	}
	if !g.secure && !s.proxyProtocol {
		g.hand(c) // there is nothing to ask
		return
	}
	var head *proxyproto.Conn
	if s.proxyProtocol {
		head = proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(proxyWait))
		c.Conn, c.peer.proxied = head, true
	}
	if g.begin(c) {
		g.under.Go(func() { g.prepare(c, head) })
	}
}

// site counts a connection for its caller's address, or hangs up.
func (g *gate) site(c *conn, a netip.Addr) bool {
	e := g.edge
	if !e.places.takeAt(a) {
		e.count(&e.counts.CrowdedAddress)
		e.Log.Debug("connection refused", "address", a, "why", "too many from one address")
		_ = c.Close()
		return false
	}
	c.holds(func() { e.places.giveAt(a) })
	return true
}

// begin notes that a connection is under way, so that close can end it.
func (g *gate) begin(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = c.Close()
		return false
	}
	g.early[c] = true
	return true
}

func (g *gate) ended() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// prepare brings a connection to where HTTP begins.
func (g *gate) prepare(c *conn, head *proxyproto.Conn) {
	defer func() {
		g.mu.Lock()
		delete(g.early, c)
		g.mu.Unlock()
	}()
	ready, err := g.introduce(c, head)
	if err != nil {
		g.edge.Log.Debug("connection refused", "address", c.peer.hop, "origin", c.peer.origin, "why", err.Error())
		_ = c.Close()
		return
	}
	if ready != nil {
		g.hand(ready)
	}
}

// introduce reads what comes before HTTP: who a proxy speaks for, and TLS. It
// returns nil when the connection is served by somebody else.
func (g *gate) introduce(c *conn, head *proxyproto.Conn) (net.Conn, error) {
	if head != nil {
		if err := g.readProxy(c, head.ProxyHeader()); err != nil {
			return nil, err
		}
	}
	if !g.secure {
		return c, c.Conn.SetDeadline(time.Time{})
	}
	if err := c.SetDeadline(time.Now().Add(g.edge.HandshakeWait)); err != nil {
		return nil, err
	}
	first, err := c.peek()
	if err != nil {
		return nil, err
	}
	if first != 0x16 { // a handshake record. RFC 8446 §5.1
		c.peer.secure = false
		if err := c.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
		g.edge.count(&g.edge.counts.ClearOnTLS)
		g.clear.give(c)
		return nil, nil
	}
	t := tls.Server(c, g.edge.handshake(c))
	if err := t.HandshakeContext(context.Background()); err != nil { // the deadline bounds it
		g.edge.count(&g.edge.counts.Handshakes)
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if t.ConnectionState().NegotiatedProtocol == acmeProtocol { // RFC 8737 §3: nothing follows
		return nil, t.Close()
	}
	return t, c.SetDeadline(time.Time{})
}

// readProxy learns from the header that each connection of a proxy has to
// begin with whom it speaks for.
func (g *gate) readProxy(c *conn, head *proxyproto.Header) error {
	if head == nil {
		g.edge.count(&g.edge.counts.ProxyBroken)
		g.edge.mute.Do(func() {
			g.edge.Log.Warn("a proxy connects without a PROXY header, and is refused: have it send one, or set server.proxy_protocol to false; said once", "code", "GH-2006", "address", c.peer.hop)
		})
		return errors.New("no PROXY header, or one that cannot be read")
	}
	from, ok := head.SourceAddr.(*net.TCPAddr)
	if head.Command.IsLocal() || !ok {
		return nil // the proxy itself asks, or does not tell for whom
	}
	c.peer.origin, _ = addressOf(from)
	if !c.peer.origin.IsValid() || g.edge.settings.Load().proxies.has(c.peer.origin) || g.site(c, c.peer.origin) {
		return nil
	}
	return errors.New("too many from one address")
}

// hand gives a connection to the server that it belongs to.
func (g *gate) hand(c net.Conn) {
	if g.refuse {
		g.clear.give(c)
		return
	}
	g.good.give(c)
}

// close ends the listener and what has not become a request yet.
func (g *gate) close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	for c := range g.early {
		_ = c.Close()
	}
	g.mu.Unlock()
	if again {
		return nil
	}
	err := g.from.Close()
	g.under.Wait()
	return err
}

// handover is a listener whose connections come from gates.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	end   func()
}

func newHandover() handover {
	done := make(chan struct{})
	return handover{conns: make(chan net.Conn), done: done, end: sync.OnceFunc(func() { close(done) })}
}

func (h handover) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (h handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h handover) Close() error { h.end(); return nil }

// Addr implements net.Listener.
func (h handover) Addr() net.Addr { return &net.TCPAddr{} }
