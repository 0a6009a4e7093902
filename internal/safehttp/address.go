package safehttp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

// special lists what is not the public internet, by the registries of special
// addresses (RFC 6890). Of IPv6 only what lies in 2000::/3 has to be listed:
// nothing else was ever given to anybody.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this host, RFC 1122 §3.2.1.3: Linux connects to itself
	netip.MustParsePrefix("10.0.0.0/8"),       // private, RFC 1918
	netip.MustParsePrefix("100.64.0.0/10"),    // carriers' own, RFC 6598
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's, to each of its machines
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local: clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation, RFC 5737
	netip.MustParsePrefix("192.31.196.0/24"),  // AS112, RFC 7535
	netip.MustParsePrefix("192.52.193.0/24"),  // AMT, RFC 7450
	netip.MustParsePrefix("192.88.99.0/24"),   // relays of 6to4, RFC 7526
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("192.175.48.0/24"),  // AS112, RFC 7534
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks, RFC 2544
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/3"),      // multicast, reserved and broadcast
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, with Teredo 2001::/32
	netip.MustParsePrefix("2001:db8::/32"),    // documentation, RFC 3849
	netip.MustParsePrefix("2002::/16"),        // 6to4
	netip.MustParsePrefix("2620:4f:8000::/48"),
	netip.MustParsePrefix("3fff::/20"), // documentation, RFC 9637
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	carriers      = netip.MustParsePrefix("100.64.0.0/10")
	compatible    = netip.MustParsePrefix("::/96")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local    = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour     = netip.MustParsePrefix("2002::/16")
	teredo        = netip.MustParsePrefix("2001::/32")
)

// public says whether an address belongs to the public internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.Zone() != "" || ip.Is6() && !globalUnicast.Contains(ip) {
		return false
	}
	return !slices.ContainsFunc(special, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// Public says whether an address belongs to the public internet, so that
// whoever is there can be reached from everywhere.
func Public(ip netip.Addr) bool { return public(ip) }

// private says whether an address is of the kind that a company's own hosts
// have: loopback, RFC 1918, RFC 4193 or a carrier's.
func private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return (ip.IsLoopback() || ip.IsPrivate() || carriers.Contains(ip)) && !slices.Contains(metadata, ip)
}

// Private says whether an address is that of a machine in a private network: another
// than this one, and not one where a cloud keeps secrets.
func Private(ip netip.Addr) bool { return ip.Zone() == "" && private(ip) && !ip.Unmap().IsLoopback() }

// ends are the ends of names that are nobody's in public. RFC 6761, RFC 6762,
// RFC 8375, and what is not given to anybody because networks have it
var ends = []string{"localhost", "local", "internal", "home.arpa", "lan", "corp", "home", "mail", "intranet", "private", "test", "invalid", "localdomain"}

// inward says whether a name is, by its text, of a private network.
func inward(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return !strings.Contains(host, ".") || slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(host, "."+end) })
}

// metadata lists where clouds keep the credentials of a machine, as far as these
// addresses look private: they are nobody's server.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // Amazon
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
}

// network says whether the operator named a network that holds the address. One
// that carries an IPv4 address leads there: that one has to be reachable as well.
func (a allow) network(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.Zone() != "" || !slices.ContainsFunc(a.networks, func(n netip.Prefix) bool { return n.Contains(ip) }) {
		return false
	}
	inner, ok := embedded(ip)
	return !ok || public(inner) || a.network(inner)
}

// permits says whether host may be reached at an address.
func (a allow) permits(host string, ip netip.Addr) bool {
	return public(ip) || a.network(ip) || ip.Zone() == "" && a.hosts[host] && private(ip)
}

// embedded returns the IPv4 address that an IPv6 address leads to.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	b := ip.As16()
	switch {
	case !ip.Is6() || ip.IsLoopback() || ip.IsUnspecified():
		return netip.Addr{}, false
	case compatible.Contains(ip), nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case nat64Local.Contains(ip): // RFC 6052 §2.2, as after a prefix of 48 bits
		return netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}), true
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(ip): // RFC 4380 §4: the client's, inverted
		var v4 [4]byte
		binary.BigEndian.PutUint32(v4[:], ^binary.BigEndian.Uint32(b[12:16]))
		return netip.AddrFrom4(v4), true
	}
	return netip.Addr{}, false
}
