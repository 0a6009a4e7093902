package config

import (
	"fmt"
	"net/textproto"
	"strings"
)

// CheckForward says why an upstream cannot be told what Forward says, or nil.
// overHTTP is false for a program, which gets no headers.
func CheckForward(f *Forward, overHTTP bool) error {
	switch {
	case f.Identity != "" && f.Identity != IdentityNone && f.Identity != IdentityJWT && f.Identity != IdentityHeaders:
		return fmt.Errorf("identity is %q, not %s, %s or %s", f.Identity, IdentityJWT, IdentityHeaders, IdentityNone)
	case f.Authorization != "" && f.UpstreamToken != "":
		return fmt.Errorf("authorization and upstream_token are one header")
	case !overHTTP && (f.Authorization != "" || f.UpstreamToken != "" || f.TenantHeader != "" || f.Identity != "" && f.Identity != IdentityNone):
		return fmt.Errorf("needs a url: a stdio server gets no headers")
	}
	for field, name := range map[string]string{"header": f.Header, "tenant_header": f.TenantHeader} {
		if name == "" {
			continue
		}
		if err := CheckForwardHeader(name); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	switch tenant := Folded(f.TenantHeader); {
	case tenant != "" && tenant == Folded(orHeader(f.Header)):
		return fmt.Errorf("header and tenant_header are one: %s", f.TenantHeader)
	case strings.HasPrefix(tenant, "x-gatehouse-"):
		return fmt.Errorf("tenant_header: names that begin with X-Gatehouse- are taken")
	}
	if a := f.Authorization.Reveal(); a != "" && (strings.TrimSpace(a) != a || strings.ContainsFunc(a, unprintable)) {
		return fmt.Errorf("authorization has blanks around it, or a character that no header has") // never with the value
	}
	return nil
}

func orHeader(name string) string {
	if name == "" {
		return DefaultIdentity
	}
	return name
}

func unprintable(c rune) bool { return c < ' ' || c > '~' }

// reserved are headers that callers, the protocol or the connection fill, so
// that none of them can carry what we say.
var reserved = map[string]bool{
	"accept": true, "accept-encoding": true, "accept-language": true, "authorization": true, "connection": true, "content-encoding": true,
	"content-length": true, "content-type": true, "cookie": true, "expect": true, "host": true, "keep-alive": true, "last-event-id": true, "origin": true,
	"proxy-authorization": true, "proxy-connection": true, "te": true, "traceparent": true, "tracestate": true, "trailer": true,
	"transfer-encoding": true, "upgrade": true, "user-agent": true, "x-request-id": true,
}

// CheckForwardHeader says why a header cannot carry what we say to an upstream, or nil.
func CheckForwardHeader(name string) error {
	folded := Folded(name)
	switch {
	case len(name) > 64 || name == "" || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}):
		return fmt.Errorf("%.80q is not a name of letters, digits and '-', 64 at most", name)
	case reserved[folded] || strings.HasPrefix(folded, "mcp-"):
		return fmt.Errorf("%s belongs to the protocol or to callers; choose a name of your own, as %s", textproto.CanonicalMIMEHeaderKey(name), DefaultIdentity)
	}
	return nil
}

// Folded is a header's name as the most careless reader has it: without case,
// and with '_' for '-', as CGI and WSGI do. RFC 3875 §4.1.18
func Folded(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}
