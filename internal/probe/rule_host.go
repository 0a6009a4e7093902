package probe

import "net/http"

// host comes under another name.
var host = &Rule{
	Code: "GH-2142", Name: "host", Title: "A request for another host is not served",
	Group: Behaviour, Severity: Medium, Spec: true,
	Why:   "A page whose name was made to point to this machine sends that name as Host. A server on loopback that serves any name is reached by every page that its user opens.",
	Fix:   "Serve the names that you have, and answer 421 or 403 to others.",
	Links: []Link{mcpTransports, rfc("9110", "7.4")},
	Check: func(r *run, t *tally) {
		a, plain := initialize(), r.strangers().initialize
		if r.o.Credential != "" {
			own, ok := r.admitted(t)
			if !ok {
				return
			}
			a = r.list(own...)
			plain = r.ask(a)
		}
		// Only if it is met otherwise by its right name does a refusal mean the name.
		if k := plain.kind(); k != served && k != challenged {
			t.unknown(plain, "a request for the right host is refused too: %s", sight(plain))
			return
		}
		a.host = "gatehouse-check.invalid"
		x := r.ask(a)
		switch k := x.kind(); {
		case k == served && local(r.target.Hostname()):
			t.fail(x, "a request with Host: gatehouse-check.invalid is served on loopback")
		case k == served:
			t.warn(x, "a request with Host: gatehouse-check.invalid is served")
		case r.unclear(t, x):
		case k == challenged && plain.kind() == challenged:
			t.unknown(x, "the credential is asked for first: needs one that is accepted (--key-from or --token-from)")
		case x.Status == http.StatusForbidden || x.Status == http.StatusMisdirectedRequest || x.Status == http.StatusBadRequest || x.Status == http.StatusNotFound:
			t.pass(x, "a request for another host → %d", x.Status)
		default:
			t.unknown(x, "%s", sight(x))
		}
	},
}
