package safehttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// dialer makes connections, and judges each address when it is about to connect.
type dialer struct {
	allow    allow
	near     func(context.Context) bool // nil: no
	resolver *net.Resolver
	timeout  time.Duration
}

// plain marks the context of a request over plain HTTP.
type plain struct{}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	host = strings.ToLower(host)
	permits := d.permits(ctx)
	if err := d.resolve(ctx, host, permits); err != nil {
		return nil, err
	}
	return d.connect(ctx, network, addr, host, permits)
}

// permits returns what judges the addresses of one connection. Whether we are near
// is asked once for it, and only if it matters.
func (d *dialer) permits(ctx context.Context) func(host string, ip netip.Addr) bool {
	near := sync.OnceValue(func() bool { return d.near != nil && d.near(ctx) })
	return func(host string, ip netip.Addr) bool {
		return d.allow.permits(host, ip) || Private(ip) && near()
	}
}

func (d *dialer) connect(ctx context.Context, network, addr, host string, permits func(string, netip.Addr) bool) (net.Conn, error) {
	over := net.Dialer{
		Timeout:  d.timeout,
		Resolver: d.resolver,
		ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !permits(host, to.Addr()) {
				return &AddressError{Host: host, Addr: address}
			}
			// A key set that crosses the internet in the clear is anybody's.
			if ctx.Value(plain{}) != nil && public(to.Addr()) {
				return &URLError{URL: "http://" + addr, Reason: "plain HTTP leads to a public address: use https"}
			}
			return nil
		},
	}
	return over.DialContext(ctx, network, addr)
}

// resolve refuses a name that has a private address among its addresses: the
// dialer would pass over it and take the next. What is decided here does not
// count for the connection, whose address is judged again.
func (d *dialer) resolve(ctx context.Context, host string, permits func(string, netip.Addr) bool) error {
	if _, err := netip.ParseAddr(host); err == nil || d.allow.hosts[host] {
		return nil
	}
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, ip := range addrs {
		if !permits(host, ip) {
			return &AddressError{Host: host, Addr: ip.String()}
		}
	}
	return nil
}

// lookTime bounds the look at a name that others will connect to: where only a proxy
// knows names, nobody may answer.
const lookTime = 3 * time.Second

// look judges the host that a proxy or a browser is to connect to. A name that is not known here
// may lead anywhere behind the proxy; who has it has to prove so by a certificate, so
// that only names of private networks lead to somebody who is there.
func (d *dialer) look(ctx context.Context, host string) error {
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		if !d.permits(ctx)(host, ip) {
			return &AddressError{Host: host, Addr: host}
		}
		return nil
	}
	limited, stop := context.WithTimeout(ctx, lookTime)
	defer stop()
	err := d.resolve(limited, host, d.permits(ctx))
	switch {
	case err == nil || is[*AddressError](err):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case inward(host):
		return &AddressError{Host: host, Addr: "an address that is not known here"}
	}
	return nil
}

// guard is the transport of a [Policy]'s client.
type guard struct {
	dialer  *dialer
	maxBody int64
	next    *http.Transport
	proxy   *proxy.Settings
	through http.RoundTripper // by the proxy; nil: there is none
}

// RoundTrip refuses what its answer is not wanted of: a redirect, an answer that
// is compressed though nobody asked, one that is too large.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.check(r.URL); err != nil {
		return nil, err
	}
	ctx := r.Context()
	if r.URL.Scheme == "http" {
		ctx = context.WithValue(ctx, plain{}, true)
	}
	way, err := g.way(ctx, r.URL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(ctx)
	r.Header.Set("Accept-Encoding", "identity")
	res, err := way.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := g.judge(res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	res.Body = &capped{ReadCloser: res.Body, left: g.maxBody}
	return res, nil
}

// way returns how a URL is reached: by ourselves, or by a proxy when what it will
// connect to was looked at.
func (g *guard) way(ctx context.Context, u *url.URL) (http.RoundTripper, error) {
	via, err := g.proxy.For(u)
	if via == nil || err != nil || u.Scheme != "https" {
		return g.next, err
	}
	return g.through, g.dialer.look(ctx, u.Hostname())
}

func (g *guard) judge(res *http.Response) error {
	if err := redirected(res); err != nil {
		return err
	}
	if e := res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return ErrEncoded
	}
	if res.ContentLength > g.maxBody {
		return ErrTooLarge
	}
	return nil
}

// CloseIdleConnections closes connections that are kept.
func (g *guard) CloseIdleConnections() {
	g.next.CloseIdleConnections()
	if kept, ok := g.through.(interface{ CloseIdleConnections() }); ok {
		kept.CloseIdleConnections()
	}
}

// check judges a URL by its text.
func (g *guard) check(u *url.URL) error {
	if err := checkText(u); err != nil {
		return err
	}
	host := u.Hostname()
	// Whether a private one may be reached that is near is asked when it is connected to.
	if ip, err := netip.ParseAddr(host); err == nil && !g.dialer.allow.permits(host, ip) && (g.dialer.near == nil || !Private(ip)) {
		return &AddressError{Host: host, Addr: host}
	}
	if u.Scheme == "http" && !g.dialer.allow.host(host) {
		return &URLError{URL: u.Redacted(), Reason: "plain HTTP is for hosts that the operator allowed: use https"}
	}
	return nil
}

// checkText judges a URL without knowing what is allowed.
func checkText(u *url.URL) error {
	no := func(reason string) error { return &URLError{URL: u.Redacted(), Reason: reason} }
	if u.Scheme != "https" && u.Scheme != "http" {
		return no("the scheme is not https")
	}
	if u.Opaque != "" || u.Host == "" {
		return no("there is no host")
	}
	if u.User != nil {
		return no("there is a user in it")
	}
	if u.Fragment != "" || u.RawFragment != "" {
		return no("there is a fragment in it")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.Zone() != "" || err != nil && !isName(u.Hostname()) {
		return no("the host is neither a name nor an address in its plain form")
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return no("the port is none")
		}
	}
	return nil
}

func redirected(res *http.Response) error {
	if to := res.Header.Get("Location"); to != "" && res.StatusCode >= 300 && res.StatusCode <= 399 {
		return &RedirectError{Status: res.StatusCode, Location: to}
	}
	return nil
}

// capped is a body that ends in an error where it would become too large.
type capped struct {
	io.ReadCloser
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.ReadCloser.Read(p)
	if int64(n) > c.left {
		return int(c.left), ErrTooLarge
	}
	c.left -= int64(n)
	return n, err
}
