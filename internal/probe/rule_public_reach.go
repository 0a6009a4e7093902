package probe

import (
	"net"
	"net/netip"
)

// publicReach says what no machine can see for others.
var publicReach = &Rule{
	Code: "GH-2118", Name: "public-reach", Title: "Firewalls and bot protection let hosted clients in",
	Group: Internet, Severity: Medium,
	Why:   "A list of allowed addresses, a VPN or a protection against bots answers each caller differently. This machine may be let in where claude.ai is not, and the other way round.",
	Fix:   "Let the vendors' published addresses past the protection for this path, and connect once from each client that matters; gatehouse audit shows whether it arrived.",
	Links: []Link{{"addresses of Claude", "https://docs.claude.com/en/api/ip-addresses"}, {"addresses of ChatGPT", "https://platform.openai.com/docs/bots"}},
	Check: func(r *run, t *tally) {
		if _, ok := r.fromPublic(t); !ok {
			return
		}
		d := r.strangers()
		if d.initialize.kind() == bot {
			t.warn(d.initialize, "a bot protection answers this machine in place of the server, and so it may answer hosted clients")
			return
		}
		if name := r.tunnel(); name != "" {
			t.unknown(nil, "this machine goes there through %s, a tunnel: others come another way", name)
		}
		t.unknown(nil, "whom a firewall or a bot protection lets in is seen only from where the clients are")
	},
}

// tunnel returns the interface by which the server is reached, if it is a tunnel.
func (r *run) tunnel() string {
	conn, err := r.dial(r.port())
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	all, err := net.Interfaces()
	if err != nil {
		return ""
	}
	from, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return tunnelOf(from.Addr(), all, (*net.Interface).Addrs)
}

func tunnelOf(from netip.Addr, all []net.Interface, addresses func(*net.Interface) ([]net.Addr, error)) string {
	for i := range all {
		if all[i].Flags&net.FlagPointToPoint == 0 {
			continue
		}
		some, err := addresses(&all[i])
		if err != nil {
			continue
		}
		for _, a := range some {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == from.Unmap() {
				return all[i].Name
			}
		}
	}
	return ""
}
