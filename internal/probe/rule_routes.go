package probe

import "net/http"

// routes looks for another way in, at the paths that servers are known to have.
var routes = &Rule{
	Code: "GH-2103", Name: "other-routes", Title: "No other path leads to the server without a credential",
	Group: Entry, Point: 1, Severity: Critical, Spec: true,
	Why:   "Frameworks mount a server at several paths: the older transport beside the newer one, or everything at /. A guard on one path leaves the others open.",
	Fix:   "Guard the whole handler instead of one path, and take away the transports that nobody uses.",
	Links: []Link{mcpTransports, mcpSecurity},
	Check: func(r *run, t *tally) {
		own := r.target.EscapedPath()
		for _, path := range []string{"/", "/mcp", "/mcp/", "/sse", "/message", "/messages", "/messages/", "/mcp/sse", "/mcp/message", "/mcp/messages", "/api/mcp", "/v1/mcp", "/rpc", "/stream"} {
			if path == own {
				continue
			}
			for _, a := range []ask{initialize(), modern("tools/list", nil)} {
				if x := r.ask(a.at(r.url(path))); x.kind() == served {
					t.fail(x, "POST %s is served without a credential", path)
				} else if x.kind() == silent {
					t.unknown(x, "POST %s: %s", path, sight(x))
				}
			}
		}
		for _, path := range []string{"/sse", "/mcp/sse", "/events"} {
			x := r.ask(ask{method: http.MethodGet, url: r.url(path), header: [][2]string{{"Accept", "text/event-stream"}}})
			if x.kind() == served && x.media() == "text/event-stream" {
				t.fail(x, "GET %s opens a stream without a credential", path)
			}
		}
		t.pass(nil, "14 paths that servers are known to have lead nowhere, or ask for a credential")
	},
}
