// Package safehttp is the HTTP client for URLs that others choose: it connects
// to public addresses only, follows no redirect and reads no more than it should.
//
// What counts is the address that a connection is made to, looked at when it is
// made. So a name that resolves to something else a moment later gains nothing.
// Only through a proxy, which connects in our place, it is the certificate.
package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// What is read and waited for unless a [Policy] says otherwise.
const (
	DefaultTimeout = 10 * time.Second
	DefaultMaxBody = 1 << 20

	maxHeader = 64 << 10
	maxConns  = 64
)

// Policy says what may be reached. The zero value is: public addresses over HTTPS.
type Policy struct {
	// Allow names hosts and networks that may be reached though they are private,
	// over plain HTTP as well: "idp.internal", "localhost", "127.0.0.1",
	// "10.0.0.0/8". A host is allowed for itself only, and only on loopback and
	// private networks: link-local addresses, where clouds keep their secrets, and
	// the other special ones have to be named as such.
	Allow []string

	// Near says whether the private networks (RFC 1918, RFC 4193, RFC 6598) may be
	// reached as well, over HTTPS. It is asked when an address there is about to be
	// connected to. nil: they may not.
	Near func(ctx context.Context) bool

	// Proxy leads to what is asked for over HTTPS; plain HTTP is for private hosts and
	// never crosses one. What the proxy connects to cannot be judged when it is done,
	// so a name is looked up before, as far as it is known here, and the certificate
	// tells whoever else may be there. nil: none, whatever the environment says.
	Proxy *proxy.Settings

	Roots     *x509.CertPool // who vouches for servers; nil: the system's
	Timeout   time.Duration  // of a whole exchange; 0: DefaultTimeout
	MaxBody   int64          // bytes of an answer; 0: DefaultMaxBody
	KeepAlive bool           // whether connections are used again: each was judged when it was made
	Resolver  *net.Resolver  // nil: the system's
}

// Client returns a client that is held to the policy. The error names an entry
// of Allow that is neither a host nor a network.
func (p Policy) Client() (*http.Client, error) {
	a, err := parseAllow(p.Allow)
	if err != nil {
		return nil, err
	}
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	if p.MaxBody <= 0 {
		p.MaxBody = DefaultMaxBody
	}
	d := &dialer{allow: a, near: p.Near, resolver: p.Resolver, timeout: p.Timeout}
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	g := &guard{dialer: d, maxBody: p.MaxBody, next: p.transport(d.dial), proxy: p.Proxy}
	if p.Proxy != nil {
		half := p.Timeout / 2 // else nobody would know that it was the proxy
		g.through = p.Proxy.Transport(p.transport((&net.Dialer{Timeout: half}).DialContext), half)
	}
	return &http.Client{Timeout: p.Timeout, CheckRedirect: stay, Transport: g}, nil
}

// transport makes connections by dial.
func (p Policy) transport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: p.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    p.Timeout,
		ResponseHeaderTimeout:  p.Timeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // what is small on the wire may be large here
		DisableKeepAlives:      !p.KeepAlive,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns / 4,
		IdleConnTimeout:        30 * time.Second,
	}
}

// stay keeps a client where it is.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// allow is what an operator named.
type allow struct {
	hosts    map[string]bool
	networks []netip.Prefix
}

func parseAllow(entries []string) (allow, error) {
	a := allow{hosts: map[string]bool{}}
	for _, e := range entries {
		if n, err := netip.ParsePrefix(e); err == nil {
			if n != n.Masked() {
				return allow{}, fmt.Errorf("%q has bits beyond its mask: %s?", e, n.Masked())
			}
			a.networks = append(a.networks, n)
			continue
		}
		if ip, err := netip.ParseAddr(e); err == nil && ip.Zone() == "" {
			ip = ip.Unmap()
			a.networks = append(a.networks, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		if !isName(e) {
			return allow{}, fmt.Errorf("%.80q is neither a host (without a port), nor an address, nor a network like 10.0.0.0/8", e)
		}
		a.hosts[strings.ToLower(e)] = true
	}
	return a, nil
}

// host says whether the operator named a host: by its name, or by its address.
func (a allow) host(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return a.network(ip)
	}
	return a.hosts[strings.ToLower(host)]
}

// isName says whether text is a name of the DNS. One whose last label is a
// number is none: some resolvers read "0x7f.1" and "2130706433" as addresses.
func isName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "-") != l {
			return false
		}
		for _, c := range []byte(l) {
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x") && !strings.HasPrefix(last, "0X")
}
