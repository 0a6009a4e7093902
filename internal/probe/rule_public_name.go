package probe

import (
	"net/netip"
	"slices"
	"strings"
)

// publicNameRule asks what the internet is told.
var publicNameRule = &Rule{
	Code: "GH-2114", Name: "public-name", Title: "The name leads the internet to the server",
	Group: Internet, Severity: High,
	Why:   "claude.ai, ChatGPT and other hosted clients connect from the public internet. A name that only resolvers inside know, or that leads to a private address, works for everybody in the office and for none of them.",
	Fix:   "Publish an A record with a public address; or use clients that run on machines inside.",
	Links: []Link{rfc("1918", "3"), rfc("8484", "")},
	Check: func(r *run, t *tally) {
		n, ok := r.fromPublic(t)
		if !ok {
			return
		}
		open, shut := n.open(), n.shut()
		is4 := func(ip netip.Addr) bool { return ip.Is4() }
		switch {
		case len(n.all) == 0 && len(n.nothing) == 0:
			t.unknown(nil, "no public resolver answered: %s", strings.Join(n.silent, "; "))
		case len(n.all) == 0 && len(n.here) > 0:
			t.fail(nil, "the internet knows no address of %s, and this machine is led to %s: only resolvers or files inside know the name", n.host, texts(n.here))
		case len(n.all) == 0:
			t.fail(nil, "nobody knows an address of %s", n.host)
		case len(shut) > 0 && len(open) == 0:
			t.fail(nil, "%s leads to %s, which the internet does not reach", n.host, strings.Join(shut, ", "))
		case len(shut) > 0:
			t.fail(nil, "%s also leads to %s, where some clients will try in vain", n.host, strings.Join(shut, ", "))
		case len(n.nothing) > 0:
			t.warn(nil, "%s is known to some public resolvers, and not to %s", n.host, strings.Join(n.nothing, ", "))
		case !slices.ContainsFunc(open, is4):
			t.warn(nil, "%s has no IPv4 address: clients whose vendors connect by IPv4 do not reach it", n.host)
		default:
			t.pass(nil, "%s", n.leads(open))
		}
		if t.has(Fail) {
			r.answered = true // if only a resolver: that is what there is to be found
		}
		if len(n.silent) > 0 && len(n.silent) < len(r.public.resolvers) {
			t.add(Without, nil, "not asked: %s", strings.Join(n.silent, "; "))
		}
	},
}

// leads says where a name leads, and how far this machine is led elsewhere.
func (n *publicName) leads(open []netip.Addr) string {
	text := n.host + " leads to " + texts(open)
	if !slices.ContainsFunc(open, func(ip netip.Addr) bool { return ip.Is6() }) {
		text += ", no IPv6"
	}
	if len(n.here) > 0 && !slices.ContainsFunc(n.here, func(ip netip.Addr) bool { return slices.Contains(open, ip) }) {
		text += "; this machine's own resolver leads to " + texts(n.here) + " instead, which was not looked at"
	}
	return text
}
