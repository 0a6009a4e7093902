package probe

import (
	"fmt"
	"net/http"
)

const guesses = 30 // wrong credentials, when that is wanted

// failures tries many wrong credentials.
var failures = &Rule{
	Code: "GH-2152", Name: "failed-attempts", Title: "Many wrong credentials have their sender stopped",
	Group: Limits, Point: 6, Severity: Medium,
	Why:   "Whoever may try without end finds what is weak. Even where keys cannot be guessed, a flood of wrong ones costs work and hides the one that was stolen.",
	Fix:   "Count refused credentials by address and answer 429 beyond some twenty in a minute.",
	Links: []Link{{"OWASP, login throttling", "https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html#login-throttling"}},
	Mend:  mendFailures,
	Check: func(r *run, t *tally) {
		if !r.guarded(t) {
			return
		}
		if !r.o.Burst {
			t.unknown(nil, "needs %d wrong credentials at once: --burst", guesses)
			return
		}
		x, n := r.burst(guesses, func(i int) ask {
			return modern("tools/list", nil, bearer(fmt.Sprintf("gatehouse-check-wrong-%03d-0000000000000000000000", i)))
		})
		switch {
		case x.kind() == served:
			t.fail(x, "a made-up credential is served")
		case x.Status == http.StatusTooManyRequests && n == 1: // a limit that was reached before
			t.unknown(x, "%s", sight(x))
		case x.Status == http.StatusTooManyRequests:
			t.pass(x, "429 after %d wrong credentials", n)
		case x.Status == 0 && n > 1 && r.do(r.ctx, ask{url: r.target.String(), fresh: true}).unreached: // one lost answer is no ban
			t.pass(x, "after %d wrong credentials nobody answers us any more", n)
		case x.Status == 0:
			t.unknown(x, "%s", sight(x))
		default:
			t.warn(x, "%d wrong credentials at once, and nobody stopped us", n)
		}
	},
}
