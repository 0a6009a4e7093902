package gateway

import (
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// forwarded are the request headers that an upstream gets. It is a list of
// what may pass, not of what may not: a name that somebody upstream trusts
// (X-User, X_Forwarded_User, Forwarded …) cannot be forgotten in it.
var forwarded = map[string]bool{
	"Accept": true, "Accept-Language": true, "Content-Type": true, "User-Agent": true,
	"Last-Event-Id": true, "Mcp-Protocol-Version": true, "Mcp-Method": true, "Mcp-Name": true,
	"Traceparent": true, "Tracestate": true, // W3C Trace Context
}

// returned are the response headers that a client gets, beside those of the
// body. Cookies and challenges of the upstream's are none of its business.
var returned = []string{"Mcp-Protocol-Version", "Retry-After", "Allow"}

const paramPrefix = "Mcp-Param-"

// outbound returns the headers of the request to the upstream.
func outbound(x *exchange) http.Header {
	out := make(http.Header, len(x.r.Header))
	for name, values := range x.r.Header {
		switch {
		case x.call == nil && ofBody(name): // there was nothing to hold it against
		case forwarded[name] || strings.HasPrefix(name, paramPrefix): // MCP 2026-07-28 transports: unknown Mcp-Param-* pass
			out[name] = values
		}
	}
	if x.session != "" {
		out[headerSession] = []string{x.session}
	}
	out["X-Request-Id"] = []string{x.id}
	return out
}

// ofBody says whether a header tells of a body.
func ofBody(name string) bool {
	return name == "Content-Type" || name == "Mcp-Method" || name == "Mcp-Name" || strings.HasPrefix(name, paramPrefix)
}

// inbound copies the headers of the upstream's answer that a client gets.
func inbound(x *exchange, from http.Header) {
	to := x.w.Header()
	for _, name := range returned {
		if v := from[name]; len(v) == 1 {
			to[name] = v
		}
	}
	if session := from.Get(headerSession); session != "" && (x.call == nil || x.call.Era == mcp.Legacy) {
		x.opens(session)
	}
}
