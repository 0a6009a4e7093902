package probe

import "net/http"

// websocket asks for another protocol, which a guard for HTTP may let through.
var websocket = &Rule{
	Code: "GH-2112", Name: "websocket", Title: "No WebSocket opens without a credential",
	Group: Entry, Point: 1, Severity: Critical,
	Why:   "An upgraded connection is past every guard that looks at requests one by one, and a web page of any origin can open one.",
	Fix:   "Refuse upgrades, or ask for the credential and check Origin before the answer 101.",
	Links: []Link{rfc("6455", "10.2"), mcpTransports},
	Check: func(r *run, t *tally) {
		for _, path := range []string{r.target.EscapedPath(), "/ws", "/mcp/ws", "/websocket"} {
			x := r.upgrade(path)
			switch {
			case x.Status == http.StatusSwitchingProtocols:
				t.fail(x, "GET %s opens a WebSocket without a credential", path)
			case path == r.target.EscapedPath() && x.Status == 0 || x.unasked():
				t.unknown(x, "%s", sight(x))
			case x.Status != 0:
				r.unclear(t, x)
			}
		}
		t.pass(nil, "upgrades to WebSocket are refused without a credential")
	},
}
