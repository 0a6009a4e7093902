package probe

import (
	"fmt"
	"net/http"
)

// Credentials that nobody gave out. None of them looks like a real one's neighbour.
const (
	madeUp    = "gatehouse-check-no-such-credential-000000000000"
	madeUpKey = "sk-gatehouse-check-0000000000000000000000000000"
)

// garbage brings credentials that nobody gave out.
var garbage = &Rule{
	Code: "GH-2130", Name: "made-up-credential", Title: "A made-up credential is refused with 401 invalid_token",
	Group: Refusals, Point: 1, Severity: Critical, Spec: true,
	Why:   "A guard that looks only whether there is a credential lets everybody in. One that answers anything but 401 invalid_token leaves clients with a dead token that they do not renew.",
	Fix:   `Verify the credential itself, and answer 401 with WWW-Authenticate: Bearer error="invalid_token".`,
	Links: []Link{rfc("6750", "3.1"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		if !r.guarded(t) {
			if r.strangers().state == doorOpen {
				r.anything(t)
			}
			return
		}
		for _, a := range []ask{modern("tools/list", nil, bearer(madeUp)), initialize([2]string{"X-API-Key", madeUpKey})} {
			x := r.ask(a)
			switch k := x.kind(); {
			case k == served:
				t.fail(x, "a made-up credential is served")
			case k == silent || k == limited || k == bot || k == page || k == redirected || k == broken && x.Status != http.StatusInternalServerError:
				t.unknown(x, "%s", sight(x))
			case k != challenged:
				t.fail(x, "a made-up credential is answered %d (%s) in place of 401: clients do not renew theirs", x.Status, k)
			default:
				c := bearerOf(challenges(x.Header.Values("WWW-Authenticate")))
				if c == nil {
					t.warn(x, "401 to a made-up credential has no Bearer challenge")
				} else if e := c.params["error"]; e != "invalid_token" && x.Sent.Get("Authorization") != "" {
					t.warn(x, "401 to a made-up token says error=%q in place of invalid_token", shown(e))
				}
			}
		}
		t.pass(r.ask(modern("tools/list", nil, bearer(madeUp))), "a made-up token or key → 401 invalid_token")
	},
}

// anything is for a server that serves strangers: whether it looks at a credential at all.
func (r *run) anything(t *tally) {
	if x := r.ask(modern("tools/list", nil, bearer(madeUp))); x.kind() == served {
		t.seen = nil
		t.fail(x, "a made-up credential is served, as nobody's is")
		return
	}
	if x := r.ask(initialize(bearer(madeUp))); x.kind() == served {
		t.seen = nil
		t.fail(x, "%s", fmt.Sprintf("a made-up credential is served (%d), as nobody's is", x.Status))
	}
}
