package probe

import (
	"net/http"
	"strings"
)

// corsOrigin is where the Inspector's web page is from.
const corsOrigin = "http://localhost:6274"

// cors asks as a browser does before a web page may send something.
var cors = &Rule{
	Code: "GH-2107", Name: "cors", Title: "Web pages may call as far as they should",
	Group: Behaviour, Severity: Medium,
	Why:   "Clients in a browser need the headers of the protocol allowed, and WWW-Authenticate exposed to find the authorization server. A server that allows every origin with credentials lets any page act as whoever looks at it.",
	Fix:   "Allow Authorization, Content-Type, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id and Last-Event-ID to the origins that you know; never Access-Control-Allow-Credentials.",
	Links: []Link{mcpTransports, {"Fetch, CORS protocol", "https://fetch.spec.whatwg.org/#http-cors-protocol"}},
	Check: func(r *run, t *tally) {
		wanted := []string{"authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "last-event-id"}
		pre := func(origin string) *Exchange {
			return r.ask(ask{method: http.MethodOptions, header: [][2]string{
				{"Origin", origin}, {"Access-Control-Request-Method", "POST"}, {"Access-Control-Request-Headers", strings.Join(wanted, ", ")},
			}})
		}
		evil := pre("https://gatehouse-check.invalid")
		if r.unclear(t, evil) {
			return
		}
		allows := func(x *Exchange, origin string) bool {
			v := x.Header.Get("Access-Control-Allow-Origin")
			return v == "*" || v == origin
		}
		if strings.EqualFold(evil.Header.Get("Access-Control-Allow-Credentials"), "true") && allows(evil, "https://gatehouse-check.invalid") {
			t.fail(evil, "every web page may call with the cookies of whoever looks at it (Access-Control-Allow-Credentials)")
			return
		}
		x := evil
		if !allows(x, "https://gatehouse-check.invalid") {
			if x = pre(corsOrigin); r.unclear(t, x) {
				return
			} else if !allows(x, corsOrigin) {
				t.pass(x, "web pages of other origins may not call")
				return
			}
		}
		allowed := strings.ToLower(x.Header.Get("Access-Control-Allow-Headers"))
		var missing []string
		for _, h := range wanted {
			// A star does not stand for Authorization. Fetch §3.3.5
			if !strings.Contains(allowed, h) && (allowed != "*" || h == "authorization") {
				missing = append(missing, h)
			}
		}
		if len(missing) > 0 {
			t.warn(x, "CORS: %s not in Access-Control-Allow-Headers; clients in a browser will fail", strings.Join(missing, ", "))
		}
		if e := r.strangers().initialize; e.kind() == challenged {
			e = r.ask(initialize([2]string{"Origin", x.Sent.Get("Origin")}))
			if exposed := strings.ToLower(e.Header.Get("Access-Control-Expose-Headers")); e.kind() == challenged && !strings.Contains(exposed, "www-authenticate") && exposed != "*" {
				t.warn(e, "CORS: WWW-Authenticate is not exposed, so that clients in a browser do not find the authorization server")
			}
		}
		t.pass(x, "preflights are answered with the headers of the protocol")
	},
}
