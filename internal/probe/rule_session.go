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
		// Only if it is served with the right credential does its refusal mean the credential.
		if x := r.ask(legacy("tools/list", map[string]any{}, r.inSession(bearer(r.o.Credential))...)); x.kind() != served {
			t.unknown(x, "the session does not even work for who opened it: %s", sight(x))
			return
		}
		r.refusedIn(t, r.ask(list), "POST in a session is served without a credential")
		r.strangersStream(t)
		r.refusedIn(t, r.ask(list.with(bearer(madeUp))), "a session is served with a made-up credential")
		if r.o.Other == "" {
			t.unknown(nil, "a session without a credential is refused; whether it works with somebody else's needs a second one: --other-from")
			return
		}
		if x := r.ask(initialize(bearer(r.o.Other))); x.kind() != served {
			t.unknown(x, "the credential of somebody else (--other-from) is not accepted at all: %s", sight(x))
			return
		}
		r.refusedIn(t, r.ask(list.with(bearer(r.o.Other))), "a session of one caller is served with another's credential")
		t.pass(nil, "a session is refused without a credential, and with another's")
	},
}

// refusedIn judges a request in a session from one whom it does not belong to.
func (r *run) refusedIn(t *tally, x *Exchange, wrong string) {
	switch k := x.kind(); {
	case k == served:
		t.fail(x, "%s", wrong)
	case !k.refuses() && x.Status != http.StatusNotFound: // 404 says that there is no such session. MCP 2025-11-25 transports
		t.unknown(x, "%s", sight(x))
	}
}

// strangersStream asks for the stream of a session without a credential. Where
// its owner gets none either, there is none.
func (r *run) strangersStream(t *tally) {
	stream := ask{method: http.MethodGet, header: append([][2]string{{"Accept", "text/event-stream"}}, r.inSession()...)}
	x := r.ask(stream)
	if x.kind() == absent && x.Status != http.StatusNotFound && r.ask(stream.with(bearer(r.o.Credential))).kind() == absent {
		return
	}
	r.refusedIn(t, x, "GET in a session is served without a credential")
}
