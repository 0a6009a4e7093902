package probe

import "net/http"

// demanded looks at the server's own URL, by every method and in both eras.
var demanded = &Rule{
	Code: "GH-2101", Name: "credential-demanded", Title: "Nobody is served without a credential",
	Group: Entry, Point: 1, Severity: Critical, Spec: true,
	Why:   "Whoever finds the URL can use everything that the server can do. An authorization check on some methods or in one era of the protocol is none: an attacker takes the other.",
	Fix:   "Check the credential before anything else is looked at, on every request: put gatehouse in front, or the SDK's middleware around the whole handler.",
	Links: []Link{mcpAuthorization, mcpTransports},
	Check: func(r *run, t *tally) {
		d := r.strangers()
		if d.state == doorUnseen && !d.initialize.kind().refuses() && !d.list.kind().refuses() {
			t.unknown(d.initialize, "%s", d.why)
			return
		}
		stream := [2]string{"Accept", "text/event-stream"}
		session := [2]string{"Mcp-Session-Id", "gatehouse-check-no-session"}
		for _, q := range []struct {
			what string
			ask  ask
		}{
			{"initialize", initialize()},
			{"tools/list (2026-07-28)", modern("tools/list", nil)},
			{"server/discover", modern("server/discover", nil)},
			{"tools/call", modern("tools/call", map[string]any{"name": "gatehouse-check-no-tool", "arguments": map[string]any{}})},
			{"tools/list (older)", legacy("tools/list", map[string]any{}, [2]string{"MCP-Protocol-Version", "2025-11-25"})},
			{"tools/list in somebody's session", legacy("tools/list", map[string]any{}, session)},
			{"ping", legacy("ping", nil)},
			{"a stream", ask{method: http.MethodGet, header: [][2]string{stream}}},
			{"a stream of a session", ask{method: http.MethodGet, header: [][2]string{stream, session}}},
			{"DELETE", ask{method: http.MethodDelete, header: [][2]string{session}}},
			{"PUT", ask{method: http.MethodPut, body: initialize().body, header: initialize().header}},
			{"PATCH", ask{method: http.MethodPatch, body: initialize().body, header: initialize().header}},
		} {
			r.stranger(t, q.what, r.ask(q.ask))
		}
		t.pass(d.initialize, "POST, GET and DELETE of both eras are refused without a credential")
	},
}

// stranger judges how one request without a credential was met.
func (r *run) stranger(t *tally, what string, x *Exchange) {
	switch k := x.kind(); {
	case k == served:
		t.fail(x, "%s is served without a credential", what)
	case k == spoke:
		t.warn(x, "%s without a credential: the MCP server itself answers, before anybody asked for one (%d)", what, x.Status)
	case k == silent || k == limited || k == bot || k == broken:
		t.unknown(x, "%s: %s", what, sight(x))
	case k == strange && x.Method != http.MethodDelete:
		t.unknown(x, "%s: something answers %d, which is neither a refusal nor MCP", what, x.Status)
	case k == page || k == redirected:
		t.unknown(x, "%s: %s", what, sight(x))
	}
}
