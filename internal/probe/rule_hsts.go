package probe

import (
	"strconv"
	"strings"
)

// hsts asks browsers to come by HTTPS only.
var hsts = &Rule{
	Code: "GH-2111", Name: "hsts", Title: "Browsers are told to come by HTTPS only",
	Group: Transport, Point: 4, Severity: Low,
	Why:   "A browser that types the name without https:// can be led to plain HTTP by whoever is on the way; with Strict-Transport-Security it does not go there.",
	Fix:   "Send Strict-Transport-Security: max-age=31536000 with every answer over HTTPS.",
	Links: []Link{rfc("6797", "6.1")},
	Mend:  mendHSTS,
	Check: func(r *run, t *tally) {
		if r.target.Scheme != "https" {
			t.without("the URL is not https")
			return
		}
		x := r.strangers().initialize
		if x.Status == 0 {
			t.unknown(x, "%s", sight(x))
			return
		}
		v := x.Header.Get("Strict-Transport-Security")
		age := -1
		for part := range strings.SplitSeq(v, ";") {
			if n, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "max-age="); ok {
				if s, err := strconv.Atoi(strings.Trim(n, `"`)); err == nil {
					age = s
				}
			}
		}
		const month = 30 * 24 * 60 * 60
		switch {
		case v == "":
			t.warn(x, "no Strict-Transport-Security")
		case age < 0:
			t.warn(x, "Strict-Transport-Security without a max-age counts for nothing")
		case age < month:
			t.warn(x, "Strict-Transport-Security for %d seconds only", age)
		default:
			t.pass(x, "Strict-Transport-Security for %d days", age/86400)
		}
	},
}
