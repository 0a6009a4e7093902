package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
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

// outbound returns the headers of the request to the upstream: what may pass of
// the client's, and what we say, last.
func outbound(x *exchange) (http.Header, error) {
	out := make(http.Header, len(x.r.Header))
	for name, values := range x.r.Header {
		switch {
		case x.call == nil && ofBody(name): // there was nothing to hold it against
		case forwarded[name] || strings.HasPrefix(name, paramPrefix): // MCP 2026-07-28 transports: unknown Mcp-Param-* pass
			out[name] = values
		}
	}
	if x.mirror != "" && len(out["Mcp-Name"]) > 0 {
		out["Mcp-Name"] = []string{x.mirror}
	}
	if x.session != "" {
		out[headerSession] = []string{x.session}
	}
	out["X-Request-Id"] = []string{x.id}
	if err := attach(out, x); err != nil {
		return nil, err
	}
	return out, nil
}

// attach has the headers of a request to the upstream say whom it is for, and
// sign in. Nothing that a client sends can be in its place.
func attach(h http.Header, x *exchange) error {
	forward := x.g.line.current.Load().Forward // a session may be older than the credential
	if forward == nil {
		return nil
	}
	c := &upstream.Caller{
		Subject: x.caller.Subject, Tenant: x.caller.Tenant, TenantName: x.caller.TenantName, KeyID: x.caller.KeyID, RequestID: x.id,
	}
	if x.caller.Key == nil {
		c.Token = x.caller.Identity
	}
	if x.call != nil && !x.call.Batch {
		m := &x.call.Messages[0]
		c.Method = m.Method
		if m.Method == "tools/call" {
			c.Tool = m.Name
		}
	}
	err := forward.Attach(x.ctx(), h, c)
	var refused *gatehouse.Error
	if err != nil && !errors.As(err, &refused) {
		err = &gatehouse.Error{Code: "GH-1901", Status: http.StatusInternalServerError, Description: "Something went wrong here. The request id tells the operator what.", Cause: err}
	}
	return err
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
