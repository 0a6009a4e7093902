package gatehouse

import (
	"net/http"
	"strconv"
	"strings"
)

// describe serves the metadata, to anybody and to web pages too: discovery has
// no credential yet. Nothing of a request but its method is looked at. RFC 9728 §3
func (d *door) describe(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // it is public, and a credential changes nothing
	h.Set("X-Content-Type-Options", "nosniff")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(d.metadata)))
		h.Set("Cache-Control", "public, max-age=300")
		if r.Method == http.MethodGet {
			_, _ = w.Write(d.metadata) // nobody is left to tell
		}
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, MCP-Protocol-Version") // clients send the last one here too
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// page refuses web pages that may not call, before anything else is looked at:
// with DNS rebinding any page can reach a server on this machine. MCP
// 2026-07-28 transports, Security
func (d *door) page(w http.ResponseWriter, r *http.Request) error {
	sent := r.Header["Origin"]
	if len(sent) == 0 {
		return nil
	}
	if len(sent) > 1 || !d.welcome(strings.ToLower(sent[0])) {
		return &Error{Code: "GH-1006", Status: http.StatusForbidden, Description: "Pages of this origin may not call this server."}
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", sent[0])
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After")
	h.Add("Vary", "Origin")
	return nil
}

func (d *door) welcome(origin string) bool {
	if origin == d.origin {
		return true
	}
	for _, o := range d.resource.Origins {
		if o == "*" || o == origin {
			return true
		}
	}
	return false
}

const corsHeaders = "Authorization, DPoP, X-API-Key, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID"

// preflight answers a browser that asks before it sends. The origin has been
// checked; credentials of the browser's own (cookies) are never allowed.
func (d *door) preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	allowed := corsHeaders
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		// A tool names its own Mcp-Param-* headers, so no list can hold them. MCP 2026-07-28 transports
		if name = strings.TrimSpace(name); len(name) < 128 && fieldName(name) && strings.HasPrefix(strings.ToLower(name), "mcp-param-") {
			allowed += ", " + name
		}
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "7200")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// fieldName says whether s can be the name of a header. RFC 9110 §5.6.2
func fieldName(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return s != ""
}
