package signin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// loopback and private are what may be reached for a server that is there itself.
var (
	loopback = []string{"localhost", "127.0.0.0/8", "::1"}
	private  = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
)

// fetcher returns the client for what servers name. A server on the internet leads
// to the internet only; one on this machine or in a private network may lead there
// too. Addresses where clouds keep secrets are reached for nobody.
func (c *Client) fetcher(ctx context.Context) (safehttp.Fetcher, error) {
	c.reach.Do(func() {
		policy := safehttp.Policy{Roots: c.Roots, Allow: near(ctx, hostOf(c.Server))}
		client, err := policy.Client()
		c.fetch, c.wrong = safehttp.Fetcher{Client: client}, err
	})
	return c.fetch, c.wrong
}

// near returns what a server of that host may lead to besides the internet.
func near(ctx context.Context, host string) []string {
	if isLoopback(host) {
		return slices.Concat(loopback, private)
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip)
	} else if found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err == nil {
		addrs = found
	}
	if len(addrs) == 0 {
		return nil
	}
	for _, ip := range addrs {
		if ip = ip.Unmap(); !ip.IsPrivate() && !ip.IsLoopback() {
			return nil
		}
	}
	return private
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// CheckURL says why a URL that a server named is not to be followed or opened:
// it is https, or http of this machine, with a host and without a user. What is
// no web address may start a program. CVE-2025-6514, CVE-2025-58747
func CheckURL(text string) error {
	no := func(why string) error {
		return fail(CodeUnsafe, "The address %.200q is not followed: %s.", plainText(text), why)
	}
	if len(text) > 8<<10 {
		return no("it is too long")
	}
	for _, b := range []byte(text) {
		if b <= ' ' || b >= 0x7f || strings.IndexByte("\"'<>\\^`{|}", b) >= 0 { // RFC 3986 §2
			return no("it has characters that no address has")
		}
	}
	u, err := url.Parse(text)
	switch {
	case err == nil && strings.ContainsAny(u.Host, forShells):
		return no("it has characters in its host that no host has")
	case err != nil || u.Opaque != "" || u.Host == "":
		return no("it is no web address")
	case u.User != nil:
		return no("there is a user in it")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return no("http is for this machine only: what is sent could be read on the way")
	}
	return no("it is neither https nor http of this machine")
}

// forShells are the characters of addresses (RFC 3986 §2.2) that have a shell run
// something, even within quotes. Some openers hand addresses to one: that of WSL to
// PowerShell.
const forShells = "$();!*"

var encoded = strings.NewReplacer("$", "%24", "(", "%28", ")", "%29", ";", "%3B", "!", "%21", "*", "%2A")

// Openable is an address as it may be given to a program that opens it, when
// [CheckURL] has nothing against it: without what a shell could take for its own.
func Openable(text string) (string, error) {
	if err := CheckURL(text); err != nil {
		return "", err
	}
	return encoded.Replace(text), nil
}

// Check says what is wrong with the settings.
func (c *Client) Check() error {
	if err := CheckURL(c.Server); err != nil {
		return err
	}
	if u, err := url.Parse(c.Server); err != nil || u.Fragment != "" { // RFC 8707 §2
		return fail(CodeUnsafe, "The server's address has a fragment (#…) in it.")
	}
	switch r := c.Registered; {
	case c.Grant != "" && !slices.Contains(Grants(), c.Grant):
		return fail(CodeSettings, "There is no grant %q.", plainText(string(c.Grant)))
	case r != nil && r.ID == "":
		return fail(CodeSettings, "A client that is registered needs its id.")
	case c.Grant == ClientCredentials && (r == nil || r.Secret == "" && r.Key == ""):
		return fail(CodeSettings, "The grant %s needs a client id, and a secret or a key.", c.Grant)
	case c.Grant == Enterprise && (c.Provider == nil || c.Provider.Issuer == "" || c.Provider.ClientID == "" || c.Provider.IDToken == nil):
		return fail(CodeSettings, "The grant %s needs the company's identity provider, the client id there, and an ID token.", c.Grant)
	case c.Grant == Workload && c.Assertion == nil:
		return fail(CodeSettings, "The grant %s needs an assertion.", c.Grant)
	}
	if c.MetadataURL != "" { // CIMD §3
		if u, err := url.Parse(c.MetadataURL); err != nil || u.Scheme != "https" || strings.Trim(u.Path, "/") == "" || CheckURL(c.MetadataURL) != nil {
			return fail(CodeSettings, "%q cannot be a client's metadata document: it is an https URL with a path.", plainText(c.MetadataURL))
		}
	}
	return nil
}

// post sends a form to an endpoint that was judged, and returns the answer of
// whatever status. No redirect is followed: it would take the secrets along.
func (c *Client) post(ctx context.Context, endpoint string, header http.Header, kind, body string) (*safehttp.Answer, error) {
	if err := CheckURL(endpoint); err != nil {
		return nil, err
	}
	f, err := c.fetcher(ctx)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json")
	r.GetBody = nil // never sent a second time by the transport
	return f.Do(r)
}
