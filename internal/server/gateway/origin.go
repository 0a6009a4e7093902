package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
)

// origins knows by which names we are called and which web pages may call us.
type origins struct {
	hosts   map[string]bool // names without port
	allowed map[string]bool // origins of browser clients
	secure  bool            // the public URL is https: whoever is on the line can make a page of its plaintext twin
}

func (o *origins) init(hosts, allowed []string, public string) error {
	o.hosts, o.allowed = map[string]bool{}, map[string]bool{}
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	for _, h := range hosts {
		o.hosts[strings.ToLower(h)] = true
	}
	u, err := url.Parse(public)
	if err != nil {
		return fmt.Errorf("public URL: %w", err)
	}
	if u.Host != "" {
		o.secure = u.Scheme == "https"
		o.hosts[strings.ToLower(u.Hostname())] = true
		o.allowed[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	for _, a := range allowed {
		u, err := url.Parse(a)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
			return fmt.Errorf("origin %q: want scheme://host[:port]", a)
		}
		o.allowed[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	return nil
}

// check refuses names that are not ours and pages that are not allowed, before
// anything else is looked at: with DNS rebinding any page can reach loopback.
// MCP 2026-07-28 transports, Security
func (o *origins) check(a *answer, r *http.Request) error {
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
		// Beside a Content-Length, and in HTTP/1.0, some other hop may see another
		// end of this body; net/http hides from us that there were two ways to
		// read it. So nothing follows it. RFC 9112 §6.1, §6.3
		a.Header().Set("Connection", "close")
	}
	if !o.hosts[hostname(r.Host)] || r.URL.Host != "" && r.URL.Host != r.Host {
		return &gatehouse.Error{Code: "GH-1005", Status: http.StatusMisdirectedRequest, Description: "This server does not go by the name in Host."}
	}
	sent := r.Header["Origin"]
	if len(sent) == 0 {
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return badOrigin()
		}
		return nil
	}
	origin := strings.ToLower(sent[0])
	if len(sent) > 1 || !o.allowed[origin] && !o.own(origin, r.Host) {
		return badOrigin()
	}
	h := a.Header()
	h.Set("Access-Control-Allow-Origin", sent[0])
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After, X-Request-Id")
	h.Set("Vary", "Origin")
	return nil
}

// own says whether an origin is that of this request's Host, one of ours.
func (o *origins) own(origin, host string) bool {
	if origin != "http://"+strings.ToLower(host) {
		return false
	}
	name := hostname(host)
	address, _ := netip.ParseAddr(name)
	return !o.secure || name == "localhost" || address.IsLoopback()
}

func badOrigin() error {
	return &gatehouse.Error{Code: "GH-1006", Status: http.StatusForbidden, Description: "Pages of this origin may not call this server."}
}

// hostname returns the name in a Host header, in lower case, without port and brackets.
func hostname(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil && port != "" {
		return strings.ToLower(name)
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

const corsHeaders = "Authorization, DPoP, X-API-Key, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID"

// preflight answers a browser that asks before it sends. The origin has been
// checked; credentials of the browser's own (cookies) are never allowed.
func preflight(a *answer, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	allowed := corsHeaders
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		// A tool names its own Mcp-Param-* headers, so no list can hold them. MCP 2026-07-28 transports
		if name = strings.TrimSpace(name); len(name) < 128 && token(name) && strings.HasPrefix(strings.ToLower(name), "mcp-param-") {
			allowed += ", " + name
		}
	}
	h := a.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "7200")
	a.WriteHeader(http.StatusNoContent)
	return true
}

// token says whether s can be the name of a header. RFC 9110 §5.6.2
func token(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return s != ""
}
