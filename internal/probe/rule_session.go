package probe

import "net/http"

// sessions uses the session of one caller as another.
var sessions = &Rule{
	Code: "GH-2143", Name: "session-binding", Title: "A session is no credential, and belongs to who opened it",
	Group: Behaviour, Severity: Critical, Spec: true,
	Why:   "The id of a session is in logs and proxies. If knowing it is enough, or if it works with somebody else's credential, it is a second key that nobody can revoke.",
	Fix:   "Ask for the credential on every request of a session, and keep with the session whose it is.",
	Links: []Link{mcpSecurity, mcpTransports},
	Check: func(r *run, t *tally) {
		s, ok := r.signedIn(t)
		if !ok {
			return
		}
		if s.id == "" {
			t.without("the server gives out no sessions")
			return
		}
		list := legacy("tools/list", map[string]any{}, r.inSession()...)
		stream := ask{method: http.MethodGet, header: append([][2]string{{"Accept", "text/event-stream"}}, r.inSession()...)}
		for _, a := range []ask{list, stream} {
			if x := r.ask(a); x.kind() == served {
				t.fail(x, "%s in a session is served without a credential", x.Method)
			} else if x.kind() == silent || x.kind() == limited {
				t.unknown(x, "%s", sight(x))
			}
		}
		if x := r.ask(list.with(bearer(madeUp))); x.kind() == served {
			t.fail(x, "a session is served with a made-up credential")
		}
		if r.o.Other == "" {
			t.unknown(nil, "a session without a credential is refused; whether it works with somebody else's needs a second one: --other-from")
			return
		}
		if x := r.ask(list.with(bearer(r.o.Other))); x.kind() == served {
			t.fail(x, "a session of one caller is served with another's credential")
		} else if x.kind() == silent || x.kind() == limited {
			t.unknown(x, "%s", sight(x))
		}
		t.pass(nil, "a session is refused without a credential, and with another's")
	},
}
