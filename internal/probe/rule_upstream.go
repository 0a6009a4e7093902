package probe

import "net/url"

// upstream goes around the gateway.
var upstream = &Rule{
	Code: "GH-2110", Name: "upstream", Title: "The server behind is not reached past the gateway",
	Group: Entry, Point: 1, Severity: Critical,
	Why:   "A gateway guards only those who come through it. Whoever reaches the server behind by its own address is asked for nothing.",
	Fix:   "Bind it to localhost, use a network policy, or have it verify X-Gatehouse-Identity.",
	Links: []Link{mcpSecurity},
	Mend:  mendUpstreams,
	Check: func(r *run, t *tally) {
		if len(r.o.Upstreams) == 0 {
			t.unknown(nil, "needs to know where the server behind is: --upstream URL, or -c gatehouse.yaml")
			return
		}
		for _, at := range r.o.Upstreams {
			u, err := url.Parse(at)
			if err != nil || u.Host == "" {
				t.unknown(nil, "%s is no URL", place(at))
				continue
			}
			if local(u.Hostname()) {
				t.pass(nil, "%s is on loopback: only this machine reaches it", place(at))
				continue
			}
			r.around(t, at)
		}
	},
}

func (r *run) around(t *tally, at string) {
	for _, a := range []ask{initialize(), modern("tools/list", nil)} {
		x := r.ask(a.at(at))
		switch k := x.kind(); {
		case k == served:
			t.fail(x, "%s answers %d without a credential: anyone on that network bypasses the gateway", place(at), x.Status)
		case k == spoke:
			t.warn(x, "%s answers without asking for a credential (%d)", place(at), x.Status)
		case k.refuses():
			t.pass(x, "%s is reached from here, and asks for a credential of its own", place(at))
		case x.unreached:
			t.pass(x, "%s does not answer from this machine", place(at))
		case k == silent && !x.unasked(): // what answers somebody else, or somebody who does not look at its certificate, is reached
			t.unknown(x, "%s is reached from here, and what it says was not understood: %s", place(at), sight(x))
		default:
			t.unknown(x, "%s", sight(x))
		}
	}
}
