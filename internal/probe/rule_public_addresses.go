package probe

import (
	"net"
	"net/netip"
)

// publicAddresses connects to each address.
var publicAddresses = &Rule{
	Code: "GH-2115", Name: "public-addresses", Title: "Every address of the name answers",
	Group: Internet, Severity: Medium,
	Why:   "A client takes any of them. With one that is dead, or another server's, every second sign-in fails and nobody can say why.",
	Fix:   "Take addresses out of the DNS that do not serve. Look at one by itself: --resolve HOST:PORT:ADDRESS.",
	Links: []Link{rfc("8305", "3")},
	Check: func(r *run, t *tally) {
		n, ok := r.fromPublic(t)
		if !ok {
			return
		}
		open := n.open()
		if len(open) == 0 {
			t.unknown(nil, "there is no address to connect to")
			return
		}
		var up, down []netip.Addr
		for _, ip := range open[:min(len(open), maxTried)] {
			if conn, err := dialOne(r.ctx, r.base, "tcp", ip, r.port()); err == nil {
				_ = conn.Close()
				r.answered = true
				up = append(up, ip)
			} else {
				down = append(down, ip)
			}
		}
		for _, ip := range down {
			switch {
			case len(up) == 0:
				t.unknown(nil, "%s does not answer here: it is down, a firewall keeps us out, or this network does not reach its own public address", net.JoinHostPort(ip.String(), r.port()))
			case ip.Is6() && allAre4(up):
				t.unknown(nil, "%s was not reached: this machine may have no IPv6", ip)
			default:
				t.warn(nil, "%s does not answer, others do", net.JoinHostPort(ip.String(), r.port()))
			}
		}
		if more := len(open) - maxTried; more > 0 {
			t.unknown(nil, "%d further addresses were not tried", more)
		}
		t.pass(nil, "%s", map[bool]string{true: "its address answers", false: "all addresses answer"}[len(open) == 1])
	},
}

const maxTried = 8 // addresses of one name that are connected to

func allAre4(all []netip.Addr) bool {
	for _, ip := range all {
		if !ip.Is4() {
			return false
		}
	}
	return true
}

// port is the server's.
func (r *run) port() string { return portOf(r.target) }
