package probe

import (
	"cmp"
	"net/http"
	"strings"
)

const burst = 100 // requests at once, when that is wanted

// rate looks for a limit, in headers or by running into it.
var rate = &Rule{
	Code: "GH-2151", Name: "rate-limit", Title: "Calls are limited",
	Group: Limits, Point: 5, Severity: Medium,
	Why:   "One client in a loop takes the server from all others, and what is behind a tool may cost money by the call.",
	Fix:   "Limit calls per key and per user, and answer 429 with Retry-After beyond it.",
	Links: []Link{rfc("6585", "4"), {"OWASP API4:2023", "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/"}},
	Mend:  mendLimits,
	Check: func(r *run, t *tally) {
		for _, x := range r.all {
			if !strings.HasPrefix(x.URL, r.url(r.target.EscapedPath())) {
				continue // the limit of something else, such as a token endpoint
			}
			if c := cmp.Or(bearerIn(x), x.Sent.Get("X-Api-Key")); c != "" && c != r.o.Credential {
				continue // that of failed attempts, which is another rule's
			}
			for name := range x.Header {
				if n := strings.ToLower(name); strings.HasPrefix(n, "ratelimit") || strings.HasPrefix(n, "x-ratelimit") {
					t.pass(x, "a limit is announced (%s)", name)
					return
				}
			}
			if x.Status == http.StatusTooManyRequests {
				t.pass(x, "we were told to slow down (429)")
				return
			}
		}
		if !r.o.Burst {
			t.unknown(nil, "no limit is announced; whether there is one needs --burst")
			return
		}
		if r.strangers(); r.o.Credential != "" { // which era is spoken is asked before, not within
			r.signIn()
		}
		x, n := r.burst(burst, func(int) ask { return r.list(r.credential()...) })
		switch {
		case x.Status == http.StatusTooManyRequests && x.Header.Get("Retry-After") == "":
			t.warn(x, "429 after %d calls at once, but without Retry-After", n)
		case x.Status == http.StatusTooManyRequests:
			t.pass(x, "429 with Retry-After after %d calls at once", n)
		case x.Status == 0, x.kind() == broken, x.kind() == bot:
			t.unknown(x, "%s", sight(x))
		default:
			t.warn(x, "%d calls at once, and none was refused with 429", n)
		}
	},
}

// burst asks many times, as fast as answers come, and stops at the first 429 or
// where nobody answers. It returns the last exchange, and how many there were.
func (r *run) burst(n int, of func(i int) ask) (x *Exchange, sent int) {
	pace, budget, refused := r.pace, r.budget, r.refused
	r.pace, r.budget, r.refused = 0, r.sent+n, map[string]int{}
	defer func() { r.pace, r.budget, r.refused = pace, budget, refused }()
	for sent < n {
		a := of(sent)
		if a.url == "" {
			a.url = r.target.String()
		}
		x = r.send(r.ctx, &a)
		if sent++; x.Status == http.StatusTooManyRequests || x.Status == 0 {
			break
		}
	}
	return x, sent
}
