package probe

import "strings"

// paths writes the server's path in ways that a guard may read differently than what is behind it.
var paths = &Rule{
	Code: "GH-2105", Name: "path-tricks", Title: "No spelling of the path, and no header, leads past the guard",
	Group: Entry, Point: 1, Severity: Critical,
	Why:   "A proxy that compares paths as text and a server that cleans them first disagree about /%6dcp or //mcp: the guard sees another path, the server serves it.",
	Fix:   "Guard everything and let nothing through by exception; or have the proxy refuse paths that are not in their one form.",
	Links: []Link{rfc("3986", "6"), mcpSecurity},
	Check: func(r *run, t *tally) {
		if r.strangers().state == doorOpen {
			t.without("the server serves strangers at its own URL")
			return
		}
		p := strings.TrimSuffix(r.target.EscapedPath(), "/")
		if p == "" {
			p = "/"
		}
		last := p[strings.LastIndexByte(p, '/')+1:]
		spelled := []string{"/" + p, "/." + p, "/x/.." + p, "/%2e" + p, "/x/%2e%2e" + p, p + "/..;" + p, "/..;" + p, p + ";x=1", p + "%2f", p + "/.", p + "%00", p + "%20", p + "?x", p + ".json", "/.well-known/.." + p, "/health/.." + p, strings.ToUpper(p), "/x\\.." + p}
		if last != "" {
			spelled = append(spelled, p[:len(p)-len(last)]+"%"+hexOf(last[0])+last[1:])
		}
		for _, path := range spelled {
			for _, a := range []ask{initialize(), modern("tools/list", nil)} {
				if x := r.ask(a.at(r.url(path))); x.kind() == served {
					t.fail(x, "POST %s is served without a credential", path)
				} else {
					r.pastTheGuard(t, x)
				}
			}
		}
		for _, h := range [][2]string{{"X-Original-URL", p}, {"X-Rewrite-URL", p}, {"X-Forwarded-Uri", p}} {
			if x := r.ask(initialize(h).at(r.url("/favicon.ico"))); x.kind() == served {
				t.fail(x, "%s: %s at another path is served without a credential", h[0], h[1])
			} else {
				r.pastTheGuard(t, x)
			}
		}
		for _, h := range [][2]string{
			{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-IP", "127.0.0.1"}, {"X-Forwarded-Host", "localhost"}, {"X-HTTP-Method-Override", "OPTIONS"},
			{"X-Gatehouse-Subject", "admin"}, {"X-Forwarded-User", "admin"}, {"X-Auth-Request-User", "admin"}, {"Remote-User", "admin"}, {"Cookie", "session=1; token=1"},
		} {
			if x := r.ask(initialize(h)); x.kind() == served {
				t.fail(x, "%s: %s is enough to be served", h[0], h[1])
			} else {
				r.pastTheGuard(t, x)
			}
		}
		r.sighted(t, "19 spellings of the path and 12 headers let nobody in")
	},
}

// pastTheGuard says of an answer that is none of a server whether it shows that
// the guard was there: an MCP server that objects may be behind it, and what was
// not asked, or failed, shows nothing.
func (r *run) pastTheGuard(t *tally, x *Exchange) {
	switch k := x.kind(); {
	case x.unasked() || k == limited || k == bot || k == broken:
		t.unknown(x, "%s", sight(x))
	case k == spoke && r.ask(initialize().at(r.url("/gatehouse-check-nothing"))).kind() != spoke: // which some answer everywhere
		t.unknown(x, "%s", sight(x))
	}
}

// sighted passes a rule that looked for somebody who is served, if a refusal was
// seen at all: from where nobody answers, nothing follows.
func (r *run) sighted(t *tally, format string, args ...any) {
	switch d := r.strangers(); d.state {
	case doorUnseen:
		t.unknown(d.initialize, "%s", d.why)
	case doorOpen:
		t.without("the server serves strangers, so this does not matter yet")
	default:
		t.pass(nil, format, args...)
	}
}

const hexDigits = "0123456789abcdef"

func hexOf(c byte) string { return string([]byte{hexDigits[c>>4], hexDigits[c&15]}) }
