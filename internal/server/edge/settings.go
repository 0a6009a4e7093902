package edge

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// settings are what a Reload may change, in the form in which it is used.
type settings struct {
	proxies       proxies
	proxyProtocol bool
	byProxy       bool            // TLS ends at a proxy
	hsts          string          // value of the header; empty: not sent
	public        *url.URL        // where callers reach us; nil: by the name they used
	names         map[string]bool // that are ours, in lower case
}

func settingsOf(c config.Server, domains []string) *settings {
	s := &settings{
		proxies: c.TrustedProxies, proxyProtocol: c.ProxyProtocol,
		byProxy: c.TLS.TerminatedByProxy && !c.TLS.On(), names: map[string]bool{},
	}
	if c.TLS.HSTS > 0 {
		s.hsts = fmt.Sprintf("max-age=%d", int64(c.TLS.HSTS.Seconds())) // RFC 6797 §6.1.1
	}
	for _, name := range domains {
		s.names[strings.ToLower(strings.TrimSuffix(name, "."))] = true
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "https" && u.Host != "" {
		s.public = u
		s.names[strings.ToLower(u.Hostname())] = true
	}
	return s
}

// mayBeClear says whether plain HTTP may be listened for on an address: nobody
// beyond this machine must be able to send a key in the clear.
func (e *Edge) mayBeClear(a net.Addr) bool {
	address, unix := addressOf(a)
	return unix || address.IsLoopback() || e.Config.TLS.TerminatedByProxy || strings.HasPrefix(e.Config.PublicURL, "https://")
}

func notLoopback(a net.Addr) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2004", Message: fmt.Sprintf(
		"%s is not loopback, and keys would travel in the clear. HTTPS is required except on loopback: give tls.files, tls.acme, or tls.terminated_by_proxy with trusted_proxies.", a)}
}

// trusts says whether the headers of a peer tell whom it speaks for. A socket
// in the file system is open to whom its modes let in, and to them alone.
func (s *settings) trusts(p *peer) bool {
	if p.proxied {
		return s.proxies.has(p.origin) // the proxy that connected has said whom it speaks for, or that it does not know
	}
	return p.unix || s.proxies.has(p.hop)
}

// clear says whether a request has come in the clear, all the way or a part of
// it, although HTTPS is required.
func (s *settings) clear(p *peer, r *http.Request) bool {
	if p.secure || !s.byProxy {
		return false
	}
	if !p.unix && !p.hop.IsLoopback() && !s.proxies.has(p.hop) {
		return true // past the proxy
	}
	return inTheClear(r.Header)
}

// Where an address comes from.
const (
	FromConnection = "connection"     // the other end of the connection
	FromProxy      = "proxy-protocol" // the header at the beginning of the connection
	FromForwarded  = "forwarded"      // X-Forwarded-For or Forwarded, from a proxy of ours
	FromConflict   = "conflict"       // the two differ, so it is the connection's
	FromNobody     = "trusted-proxy"  // a proxy of ours did not tell: the address is the proxy's, which must not be banned for it
)

// Address returns the address of a request's caller and where it comes from:
// of all that are written down, the one nearest to us that is no proxy of ours.
// Nothing but logs, limits and networks of keys is decided by it.
func (e *Edge) Address(r *http.Request) (a netip.Addr, source string) {
	return e.settings.Load().address(peerOf(r), r.Header)
}

func (s *settings) address(p *peer, h http.Header) (netip.Addr, string) {
	from, source := p.hop, FromConnection
	if p.proxied && p.origin.IsValid() {
		from, source = p.origin, FromProxy
	}
	if !s.trusts(p) {
		if p.proxied && !p.origin.IsValid() {
			source = FromNobody
		}
		return from, source
	}
	x, f := forwardedFor(h), forwarded(h)
	hops := x
	switch {
	case len(x) == 0 && len(f) == 0:
		return from, FromNobody
	case len(x) == 0:
		hops = f
	case len(f) > 0 && s.proxies.walk(from, x) != s.proxies.walk(from, f):
		return from, FromConflict
	}
	a := s.proxies.walk(from, hops)
	if a == from {
		return from, FromNobody
	}
	return a, FromForwarded
}

// observe counts what is odd about where a request says that it comes from, and
// warns of it once.
func (e *Edge) observe(s *settings, p *peer, r *http.Request) {
	if len(r.Header["X-Forwarded-For"]) == 0 && len(r.Header["Forwarded"]) == 0 {
		return
	}
	if s.trusts(p) {
		if _, source := s.address(p, r.Header); source == FromConflict {
			e.count(&e.counts.Conflicts)
		}
		return
	}
	if p.proxied {
		return // the PROXY header has told more
	}
	e.count(&e.counts.Ignored)
	e.warned.Do(func() {
		e.Log.Warn("X-Forwarded-For ignored: it comes from an address that is not in trusted_proxies. If that is a proxy of yours, "+
			"addresses in the log are the proxy's, and so are the ones that failed attempts ban", "code", "GH-2005", "address", p.hop)
	})
}
