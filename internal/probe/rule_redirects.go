package probe

import (
	"net/url"
	"strings"
)

// redirects asks for the answer to be sent elsewhere.
var redirects = &Rule{
	Code: "GH-2146", Name: "redirect-uri", Title: "Codes go to registered redirect URIs only",
	Group: Issuer, Point: 8, Severity: Critical, Spec: true,
	Why:   "Whoever chooses where the code goes gets the code.",
	Fix:   "Compare redirect_uri with what was registered, byte for byte; of loopback URIs only the port may differ. Show a page on a mismatch, and redirect nowhere.",
	Links: []Link{rfc("9700", "4.1"), rfc("8252", "7.3"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		i, c, ok := r.registeredClient(t)
		if !ok || !r.goesOn(t, i, c) {
			return
		}
		for _, to := range []string{"https://gatehouse-check.invalid/cb", redirectURI + "other", "http://127.0.0.1.gatehouse-check.invalid:33418/", "http://127.0.0.1:33418@gatehouse-check.invalid/"} {
			x, e, _ := r.authorize(i, c, map[string]string{"redirect_uri": to})
			led, err := url.Parse(x.Header.Get("Location"))
			switch {
			case err == nil && (strings.HasSuffix(led.Hostname(), "gatehouse-check.invalid") || led.Path == "/other"):
				t.fail(x, "a browser is led to %s, which was not registered", place(to))
			case e == endGoesOn || e == endCode:
				t.fail(x, "a sign-in for %s, which was not registered, goes on", place(to))
			case e == endUnseen:
				t.unknown(x, "%s", sight(x))
			}
		}
		// The port of a loopback URI is what a program happened to get.
		if x, e, _ := r.authorize(i, c, map[string]string{"redirect_uri": "http://127.0.0.1:51004/"}); e == endRefused {
			t.warn(x, "another port of a loopback URI is refused: programs that take a free one cannot sign in")
		}
		t.pass(nil, "redirect URIs that were not registered are refused")
	},
}
