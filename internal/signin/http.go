package signin

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// loopback is what may be reached for a server on this machine.
var loopback = []string{"localhost", "127.0.0.0/8", "::1"}

// fetcher returns the client for a URL. What the user named is reached wherever it is:
// the server, and who vouches for them. What the server leads to is a stranger's choice:
// a server on the internet leads to the internet only; one on this machine or in a private
// network may lead there too. Addresses where clouds keep secrets are reached for nobody.
func (c *Client) fetcher(at string) (safehttp.Fetcher, error) {
	c.reach.Do(func() {
		policy := safehttp.Policy{Roots: c.Roots, Proxy: c.Proxy, Resolver: c.Resolver, Near: c.near}
		if isLoopback(hostOf(c.Server)) {
			policy.Allow = loopback
		}
		if c.fetch, c.wrong = policy.Client(); c.wrong != nil {
			return
		}
		for _, named := range c.named() {
			policy.Allow = append(slices.Clone(policy.Allow), hostOf(named))
		}
		c.own, c.wrong = policy.Client()
	})
	if c.wrong != nil {
		return safehttp.Fetcher{}, because(CodeUnsafe, c.wrong, "An address that was given has no host that can be followed.")
	}
	if slices.ContainsFunc(c.named(), func(named string) bool { return originOf(at) == originOf(named) }) {
		return safehttp.Fetcher{Client: c.own}, nil
	}
	return safehttp.Fetcher{Client: c.fetch}, nil
}

// named are the addresses that the user gave.
func (c *Client) named() []string {
	all := []string{c.Server, c.Issuer}
	if c.Registered != nil {
		all = append(all, c.Registered.Issuer)
	}
	if c.Provider != nil {
		all = append(all, c.Provider.Issuer, c.Provider.TokenEndpoint)
	}
	return slices.DeleteFunc(all, func(at string) bool { return CheckURL(at) != nil }) // "" among them
}

// originOf is whom a URL is asked of; empty: nobody.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// near says whether the server is itself on this machine or in a private network. It
// is where somebody has its certificate: a name alone leads wherever its owner wants,
// and elsewhere when it is asked for again. Where a proxy leads nobody knows.
func (c *Client) near(ctx context.Context) bool {
	u, err := url.Parse(c.Server)
	if err != nil {
		return false
	}
	if isLoopback(u.Hostname()) {
		return true
	}
	if via, err := c.Proxy.For(u); via != nil || err != nil || u.Scheme != "https" {
		return false
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Resolver: c.Resolver}, Config: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12}}
	ctx, stop := context.WithTimeout(ctx, safehttp.DefaultTimeout)
	defer stop()
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		c.log().Info("where the server is cannot be seen", "error", err)
		return false
	}
	defer func() { _ = conn.Close() }()
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && (safehttp.Private(at.Addr()) || at.Addr().Unmap().IsLoopback())
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
	f, err := c.fetcher(endpoint)
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
