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
		if r.strangers().state == doorOpen {
			t.without("the server serves strangers at its own URL")
			return
		}
		// What answers a path that is none, answers the others in its place.
		control := r.ask(initialize().at(r.url("/gatehouse-check-nothing")))
		if k := control.kind(); k == silent || k == bot || k == limited || k == broken {
			t.unknown(control, "%s", sight(control))
		} else if r.strangers().state == doorUnseen {
			t.unknown(r.strangers().initialize, "%s", r.strangers().why)
		}
		own := r.target.EscapedPath()
		for _, path := range []string{"/", "/mcp", "/mcp/", "/sse", "/message", "/messages", "/messages/", "/mcp/sse", "/mcp/message", "/mcp/messages", "/api/mcp", "/v1/mcp", "/rpc", "/stream"} {
			if path == own {
				continue
			}
			for _, a := range []ask{initialize(), modern("tools/list", nil)} {
				if x := r.ask(a.at(r.url(path))); x.kind() == served {
					t.fail(x, "POST %s is served without a credential", path)
				} else if k := x.kind(); k == silent || k == bot || k == limited || k == broken {
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
