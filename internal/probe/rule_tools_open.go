package probe

import "strings"

// toolsOpen is told apart from the rest: what a server offers is what an attacker looks at first.
var toolsOpen = &Rule{
	Code: "GH-2102", Name: "tools-listed", Title: "The list of tools is not for strangers",
	Group: Entry, Point: 1, Severity: High,
	Why:   "Names, descriptions and schemas of tools tell an attacker what is behind the server and how to call it.",
	Fix:   "Ask for the credential on tools/list too, and on initialize: a server that checks only tools/call shows its plan to everybody.",
	Links: []Link{mcpAuthorization},
	Check: func(r *run, t *tally) {
		d := r.strangers()
		var h [][2]string
		if d.initialize.kind() == served {
			h = append(h, [2]string{"MCP-Protocol-Version", agreed(d.initialize)})
			if id := d.initialize.Header.Get("Mcp-Session-Id"); id != "" {
				h = append(h, [2]string{"Mcp-Session-Id", id})
			}
		}
		asked := []*Exchange{d.list}
		if d.initialize.kind() == served || d.list.kind() == spoke || d.list.kind() == absent {
			asked = append(asked, r.ask(legacy("tools/list", map[string]any{}, h...)))
		}
		// What does not speak the newer era does not refuse its list. It has to refuse the older one's.
		newer := func(x *Exchange) bool { return x == d.list && len(asked) > 1 }
		for _, x := range asked {
			names := toolNames(x)
			switch k := x.kind(); {
			case len(names) > 0:
				t.fail(x, "%d tools are listed without a credential: %s", len(names), short(names))
			case k == served:
				if x.answer() != nil && x.answer().Result != nil {
					t.warn(x, "tools/list is answered without a credential, with no tools in it")
				}
			case k.refuses() || newer(x) && (k == spoke || k == absent):
			default:
				t.unknown(x, "%s", sight(x))
			}
		}
		t.pass(nil, "tools/list is refused without a credential")
	},
}

// short names a few of many.
func short(names []string) string {
	for i, n := range names {
		names[i] = shown(n)
	}
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
