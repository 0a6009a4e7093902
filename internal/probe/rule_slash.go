package probe

import (
	"fmt"
	"strings"
)

// slash asks whether the URL with another final slash is the same server's.
var slash = &Rule{
	Code: "GH-2104", Name: "trailing-slash", Title: "The URL with and without a final slash is the same server",
	Group: Transport, Severity: Medium,
	Why:   "Clients add or drop the slash, and none follows a redirect with its token. Load balancers that route \"/mcp\" and \"/mcp/*\" differently send one of the two to another server.",
	Fix:   "Route both to the same server. Never redirect between them.",
	Links: []Link{mcpAuthorization},
	Check: func(r *run, t *tally) {
		p := r.target.EscapedPath()
		if p == "/" {
			t.without("the URL has no path")
			return
		}
		other := p + "/"
		if strings.HasSuffix(p, "/") {
			other = strings.TrimSuffix(p, "/")
		}
		here, there := r.strangers().initialize, r.ask(initialize().at(r.url(other)))
		if k := here.kind(); k != served && k != spoke && !k.refuses() { // that both are missing shows nothing
			t.unknown(here, "%s", sight(here))
			return
		}
		switch k := there.kind(); {
		case k == here.kind() && k != page && k != redirected:
			t.pass(there, "%s answers as %s does", other, p)
		case k == silent || k == limited || k == bot:
			t.unknown(there, "%s", sight(there))
		case k == redirected:
			t.fix = fmt.Sprintf("Your load balancer routes %q and %q differently. Route both to the server.", p, other)
			to := there.Header.Get("Location")
			if strings.HasSuffix(strings.TrimSuffix(to, "/"), strings.TrimSuffix(p, "/")) {
				t.warn(there, "POST %s answers %d to %s: clients do not follow it, or lose their token on the way", other, there.Status, place(to))
				return
			}
			t.fail(there, "POST %s answers %d to %s: another server replied", other, there.Status, place(to))
		case k == page:
			t.fail(there, "POST %s answers a web page: another server replied%s", other, serverOf(there))
		case k == absent:
			t.warn(there, "POST %s answers %d, and %s does not", other, there.Status, p)
		default:
			t.fail(there, "POST %s answers %d (%s), and %s answers %d%s", other, there.Status, k, p, here.Status, serverOf(there))
		}
	},
}

// serverOf names who answered, as far as it says.
func serverOf(x *Exchange) string {
	if s := x.Header.Get("Server"); s != "" {
		return fmt.Sprintf(" (Server: %.40s)", shown(s))
	}
	return ""
}
