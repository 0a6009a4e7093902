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
	"syscall"
	"time"
)

// dialer makes connections, and judges each address when it is about to connect.
type dialer struct {
	allow    allow
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
	if err := d.resolve(ctx, host); err != nil {
		return nil, err
	}
	return d.connect(ctx, network, addr, host)
}

func (d *dialer) connect(ctx context.Context, network, addr, host string) (net.Conn, error) {
	over := net.Dialer{
		Timeout:  d.timeout,
		Resolver: d.resolver,
		ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !d.allow.permits(host, to.Addr()) {
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
func (d *dialer) resolve(ctx context.Context, host string) error {
	if _, err := netip.ParseAddr(host); err == nil || d.allow.hosts[host] {
		return nil
	}
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, ip := range addrs {
		if !d.allow.permits(host, ip) {
			return &AddressError{Host: host, Addr: ip.String()}
		}
	}
	return nil
}

// guard is the transport of a [Policy]'s client.
type guard struct {
	allow   allow
	maxBody int64
	next    *http.Transport
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
	r = r.Clone(ctx)
	r.Header.Set("Accept-Encoding", "identity")
	res, err := g.next.RoundTrip(r)
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
func (g *guard) CloseIdleConnections() { g.next.CloseIdleConnections() }

// check judges a URL by its text.
func (g *guard) check(u *url.URL) error {
	if err := checkText(u); err != nil {
		return err
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil && !g.allow.permits(host, ip) {
		return &AddressError{Host: host, Addr: host}
	}
	if u.Scheme == "http" && !g.allow.host(host) {
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
