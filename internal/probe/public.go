package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"

	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// Public is the only other point of view than this machine's: names mean what the
// internet is told that they mean. Where packets go from here does not change.
const Public = "public"

// internet is what the internet is told, next to what this machine is.
type internet struct {
	resolvers []*resolver
	roots     *x509.CertPool // that everybody knows
	name      *publicName    // of the server
	names     map[string]*publicName
}

// publicName is what there is about one name.
type publicName struct {
	host    string
	all     []netip.Addr // that public resolvers know, IPv4 first
	nothing []string     // resolvers that know of none
	silent  []string     // resolvers that did not say, and why
	here    []netip.Addr // where this machine is led
}

func newInternet(o *Options) (*internet, error) {
	switch {
	case o.From == "" && len(o.Resolvers) > 0:
		return nil, errors.New("resolvers are asked from the internet's point of view only")
	case o.From == "":
		return nil, nil //nolint:nilnil // this machine's point of view is none of its own
	case o.From != Public:
		return nil, fmt.Errorf("there is no point of view %.40q: public", o.From)
	case len(o.Resolve) > 0:
		return nil, errors.New("addresses that are given and those that public resolvers know are two things: choose one")
	}
	p := &internet{roots: o.PublicRoots, names: map[string]*publicName{}}
	if p.roots == nil {
		p.roots = everybodys()
	}
	urls, roots := o.Resolvers, o.Roots
	if len(urls) == 0 {
		urls, roots = PublicResolvers(), p.roots // who listens in on them is not believed, though this machine knows them
	}
	for _, at := range urls {
		d, err := newResolver(at, o, roots)
		if err != nil {
			return nil, err
		}
		p.resolvers = append(p.resolvers, d)
	}
	return p, nil
}

// lookup finds out about a name, once.
func (p *internet) lookup(ctx context.Context, host string, here func(context.Context, string) ([]netip.Addr, error)) *publicName {
	host = strings.ToLower(host)
	if n := p.names[host]; n != nil {
		return n
	}
	n := &publicName{host: host}
	p.names[host] = n
	if ip, err := netip.ParseAddr(host); err == nil { // nobody has to be asked
		n.all, n.here = []netip.Addr{ip}, []netip.Addr{ip}
		return n
	}
	for _, d := range p.resolvers {
		some, err := d.lookup(ctx, host)
		switch {
		case err != nil:
			n.silent = append(n.silent, d.name()+": "+reason(err))
		case len(some) == 0:
			n.nothing = append(n.nothing, d.name())
		}
		for _, ip := range some {
			if !slices.Contains(n.all, ip) {
				n.all = append(n.all, ip)
			}
		}
	}
	slices.SortStableFunc(n.all, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	if here == nil {
		here = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	some, err := here(ctx, host)
	for _, ip := range some {
		if err == nil {
			n.here = append(n.here, ip.Unmap())
		}
	}
	return n
}

// open are the addresses that the internet reaches.
func (n *publicName) open() (all []netip.Addr) {
	for _, ip := range n.all {
		if safehttp.Public(ip) {
			all = append(all, ip)
		}
	}
	return all
}

// shut are those that it does not, with what they are.
func (n *publicName) shut() (all []string) {
	for _, ip := range n.all {
		if !safehttp.Public(ip) {
			all = append(all, ip.String()+" ("+addressKind(ip)+")")
		}
	}
	return all
}

var (
	carriers    = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	uniqueLocal = netip.MustParsePrefix("fc00::/7")      // RFC 4193
)

// addressKind says what an address is that does not belong to the internet.
func addressKind(ip netip.Addr) string {
	switch {
	case ip.IsLoopback():
		return "loopback"
	case carriers.Contains(ip):
		return "a carrier's own or a VPN's"
	case uniqueLocal.Contains(ip):
		return "unique local"
	case ip.IsPrivate():
		return "private"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsUnspecified():
		return "no address at all: a filter's answer"
	}
	return "not of the internet"
}

func texts(all []netip.Addr) string {
	out := make([]string, len(all))
	for i, ip := range all {
		out[i] = ip.String()
	}
	return strings.Join(out, ", ")
}

// fromPublic is what the internet is told of the server's name. If nobody was
// asked, the rule has said so.
func (r *run) fromPublic(t *tally) (*publicName, bool) {
	switch {
	case r.public != nil:
		return r.public.name, true
	case inside(r.target.Hostname()):
		t.without("the URL is not meant for the internet")
	default:
		t.unknown(nil, "seen from this machine only: --from public asks public resolvers")
	}
	return nil, false
}

// dialFunc connects to host:port.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// patience with one address: others are waiting.
const dialWait = 4 * time.Second

// lead is a dialer that goes where the server is said to be: by --resolve, or by
// public resolvers, and never by this machine's own for that name.
func (c *client) lead(base dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if to := c.fixed[strings.ToLower(addr)]; to.IsValid() {
			return base(ctx, network, net.JoinHostPort(to.String(), port))
		}
		if c.public == nil || !strings.EqualFold(host, c.host) {
			return base(ctx, network, addr)
		}
		err = fmt.Errorf("public resolvers know no address of %s that the internet reaches", host)
		for _, ip := range c.dead.last(c.public.name.open()) {
			conn, failed := dialOne(ctx, base, network, ip, port)
			c.dead.note(ip, failed != nil)
			if failed == nil {
				return conn, nil
			}
			if err = failed; ctx.Err() != nil {
				break
			}
		}
		return nil, err
	}
}

// dead remembers which addresses did not answer, so that others are tried before them.
type dead struct {
	mu sync.Mutex
	is map[netip.Addr]bool
}

func (d *dead) note(ip netip.Addr, is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.is == nil {
		d.is = map[netip.Addr]bool{}
	}
	d.is[ip] = is
}

// last orders addresses, and leaves out what is too much to try.
func (d *dead) last(all []netip.Addr) []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.SortStableFunc(all, func(a, b netip.Addr) int {
		switch {
		case d.is[a] == d.is[b]:
			return 0
		case d.is[a]:
			return 1
		}
		return -1
	})
	return all[:min(len(all), maxTried)]
}

func dialOne(ctx context.Context, base dialFunc, network string, ip netip.Addr, port string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, dialWait)
	defer stop()
	return base(ctx, network, net.JoinHostPort(ip.String(), port))
}

// lookedAt are the addresses that were looked at, wherever this machine's resolver leads.
func (c *client) lookedAt() (all []string) {
	for at, ip := range c.fixed {
		all = append(all, at+" at "+ip.String())
	}
	slices.Sort(all)
	if c.public == nil {
		return all
	}
	for _, ip := range c.public.name.open() {
		all = append(all, ip.String())
	}
	return all
}

// besides says whether a URL is at a port of the server's host about which --resolve
// said nothing, when it said where the server is: another machine would answer.
func (c *client) besides(at string) bool {
	u, err := url.Parse(at)
	if err != nil || asciiHost(u.Hostname()) != c.host || !c.fixed[c.host+":"+c.at].IsValid() {
		return false
	}
	return !c.fixed[c.host+":"+portOf(u)].IsValid()
}

// portOf is the port that a URL of http or https leads to.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// asciiHost is a host as connections are made to it, without what is not ASCII.
func asciiHost(host string) string {
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	return strings.ToLower(host)
}

// fixedAddresses reads HOST:PORT:ADDRESS, an IPv6 address with brackets or without.
func fixedAddresses(entries []string) (map[string]netip.Addr, error) {
	all := map[string]netip.Addr{}
	for _, e := range entries {
		parts := strings.SplitN(e, ":", 3)
		if len(parts) != 3 || parts[0] == "" || strings.ContainsAny(parts[0], "[]/@ ") {
			return nil, fmt.Errorf("%.200q is not HOST:PORT:ADDRESS, as in mcp.acme.com:443:203.0.113.9", e)
		}
		if _, err := netip.ParseAddrPort("127.0.0.1:" + parts[1]); err != nil || parts[1] == "0" {
			return nil, fmt.Errorf("%.200q: %.20q is no port", e, parts[1])
		}
		text := parts[2]
		if inner, ok := strings.CutPrefix(text, "["); ok {
			text = strings.TrimSuffix(inner, "]")
		}
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%.200q: %.80q is no address", e, parts[2])
		}
		at := asciiHost(parts[0]) + ":" + parts[1]
		if all[at].IsValid() {
			return nil, fmt.Errorf("%.200q: one address at a time; check once for each", e)
		}
		all[at] = ip
	}
	return all, nil
}
