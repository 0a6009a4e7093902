package probe

import "net/http"

const headerMismatch = -32020 // MCP 2026-07-28 transports

// mismatch says one thing in the header and another in the body.
var mismatch = &Rule{
	Code: "GH-2140", Name: "header-body", Title: "A header that contradicts the body is refused",
	Group: Behaviour, Severity: High, Spec: true,
	Why:   "Proxies decide by Mcp-Method and Mcp-Name, servers act on the body. If nobody compares the two, a call to one tool passes a check for another.",
	Fix:   "Compare the headers with the body and answer 400 with JSON-RPC error -32020; decide by the body.",
	Links: []Link{mcpTransports},
	Check: func(r *run, t *tally) {
		own, ok := r.admitted(t)
		if !ok {
			return
		}
		if x := r.ask(modern("tools/list", nil, own...)); x.kind() != served {
			t.without("the server does not speak 2026-07-28, whose headers these are")
			return
		}
		replace := func(a ask, name, value string) ask {
			h := append([][2]string{}, a.header...)
			for i := range h {
				if h[i][0] == name {
					h[i][1] = value
				}
			}
			a.header = h
			return a
		}
		call := modern("tools/call", map[string]any{"name": "gatehouse-check-no-tool", "arguments": map[string]any{}}, own...)
		for _, q := range []struct {
			what string
			ask  ask
		}{
			{"another method", replace(modern("tools/list", nil, own...), "Mcp-Method", "ping")},
			{"another tool", replace(call, "Mcp-Name", "gatehouse-check-other-tool")},
			{"another revision", replace(modern("tools/list", nil, own...), "MCP-Protocol-Version", "2025-11-25")},
		} {
			x := r.ask(q.ask)
			a := x.answer()
			switch k := x.kind(); {
			case x.Status == http.StatusBadRequest && a != nil && a.Error != nil && a.Error.Code == headerMismatch:
			case x.Status == http.StatusBadRequest || k == spoke && x.Status >= 400:
				t.warn(x, "a header with %s is refused (%d), but not with error -32020", q.what, x.Status)
			case k == served:
				t.fail(x, "a header with %s than the body is not noticed", q.what)
			default:
				t.unknown(x, "%s: %s", q.what, sight(x))
			}
		}
		t.pass(nil, "header/body mismatch → 400 -32020")
	},
}

// admitted returns what one needs to be served: the credential, or nothing where
// strangers are. It is false, and the rule has said so, when nobody is served.
func (r *run) admitted(t *tally) ([][2]string, bool) {
	if r.o.Credential == "" && r.strangers().state == doorOpen {
		return nil, true
	}
	if _, ok := r.signedIn(t); !ok {
		return nil, false
	}
	return [][2]string{bearer(r.o.Credential)}, true
}
