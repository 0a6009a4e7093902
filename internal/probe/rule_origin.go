package probe

// origin comes from a web page of somebody else.
var origin = &Rule{
	Code: "GH-2141", Name: "origin", Title: "Web pages of other origins are refused",
	Group: Behaviour, Severity: High, Spec: true,
	Why:   "With DNS rebinding a web page reaches servers on the machine or in the network of whoever looks at it. Origin says where the page is from, and the page cannot change it.",
	Fix:   "Refuse an Origin that is not on a list with 403, before anything else.",
	Links: []Link{mcpTransports},
	Check: func(r *run, t *tally) {
		evil := [][2]string{{"Origin", "https://gatehouse-check.invalid"}}
		open := r.strangers().state == doorOpen
		if r.o.Credential == "" && !open {
			// Some refuse the origin before they ask who it is.
			x := r.ask(initialize(evil...))
			plain := r.strangers().initialize
			switch k := x.kind(); {
			case k == forbidden && plain.kind() == challenged:
				t.pass(x, "an origin that is not on the list → 403")
			case k == forbidden: // whoever comes
				t.unknown(x, "a request without Origin is refused too: %s", sight(plain))
			case k == challenged:
				t.unknown(x, "the credential is asked for first: needs one that is accepted (--key-from or --token-from)")
			default:
				t.unknown(x, "%s", sight(x))
			}
			return
		}
		own, ok := r.admitted(t)
		if !ok {
			return
		}
		if x := r.ask(r.list(own...)); x.kind() != served {
			t.unknown(x, "a request without Origin is refused too: %s", sight(x))
			return
		}
		for _, o := range []string{"https://gatehouse-check.invalid", "null", r.target.Scheme + "://" + r.target.Host + ".gatehouse-check.invalid"} {
			x := r.ask(r.list(append(own, [2]string{"Origin", o})...))
			switch k := x.kind(); {
			case k == served && r.welcomes(x, o):
				t.warn(x, "every origin may call (%s): that is safe only as long as the credential is not the browser's own", o)
			case k == served:
				t.fail(x, "a request with Origin: %s is served", o)
			case k == forbidden:
			case k == challenged || k == saidNo || k == spoke || k == absent || k == malformed:
				t.warn(x, "Origin: %s is refused with %d in place of 403", o, x.Status)
			default:
				t.unknown(x, "%s", sight(x))
			}
		}
		t.pass(nil, "origins that are not on the list → 403")
	},
}

// welcomes says whether the server told the browser that the page may see the answer: then it is meant so.
func (r *run) welcomes(x *Exchange, origin string) bool {
	v := x.Header.Get("Access-Control-Allow-Origin")
	return (v == "*" || v == origin) && r.o.Credential != "" && r.strangers().state != doorOpen
}
