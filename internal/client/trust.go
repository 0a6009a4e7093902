package client

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

const maxURL = 1024 // bytes of a document's URL

// documentURL reads an id that is a URL: https, with a path, and in the one
// spelling that its document can repeat. CIMD §3
func documentURL(id string) (*url.URL, error) {
	refused := func(why string) error {
		return &invalid{why: why, what: ErrInvalid}
	}
	if kind, err := oauth.KindOfRedirect(id); err != nil || kind != oauth.RedirectWeb || len(id) > maxURL {
		why := "it is no https URL"
		if err != nil {
			why = err.Error()
		}
		return nil, refused("the client id as a URL: " + why)
	}
	u, err := url.Parse(id)
	switch {
	case err != nil:
		return nil, refused("the client id is no URL")
	case u.Path == "" || u.Path == "/":
		return nil, refused("the client id has no path")
	case u.Host != strings.ToLower(u.Host):
		return nil, refused("the host of the client id is not in lower case")
	}
	return u, nil
}

// trusted says whether an URL is of one of the domains, on the usual port. A domain
// stands for itself, "*.example.com" for everything below example.com.
func trusted(domains []string, u *url.URL) bool {
	host := u.Hostname()
	if u.Port() != "" || host == "" {
		return false
	}
	return slices.ContainsFunc(domains, func(d string) bool {
		d = strings.ToLower(d)
		if below, ok := strings.CutPrefix(d, "*."); ok {
			return below != "" && strings.HasSuffix(host, "."+below)
		}
		return d == host
	})
}

// reachable leaves out of the private hosts and networks those on this machine,
// unless our own issuer is there too: a document of localhost is the visitor's idea
// of it, and what listens there was not made for strangers. CIMD §8.6
func reachable(private []string, issuer string) (allowed, refused []string) {
	home := false
	if u, err := url.Parse(issuer); err == nil {
		home = onThisMachine(u.Hostname())
	}
	for _, entry := range private {
		if !home && onThisMachine(entry) {
			refused = append(refused, entry)
			continue
		}
		allowed = append(allowed, entry)
	}
	return allowed, refused
}

// onThisMachine says whether a host, an address or a network is, or has some of, loopback.
func onThisMachine(entry string) bool {
	if n, err := netip.ParsePrefix(entry); err == nil {
		return n.Overlaps(netip.MustParsePrefix("127.0.0.0/8")) || n.Overlaps(netip.MustParsePrefix("::1/128"))
	}
	if ip, err := netip.ParseAddr(entry); err == nil {
		return ip.Unmap().IsLoopback()
	}
	name := strings.TrimSuffix(strings.ToLower(entry), ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// invalid is why a document does not count, in words that strangers may read.
type invalid struct {
	why   string
	what  error // ErrInvalid or ErrFetch
	cause error // for the operator; nil: there is none
}

func (e *invalid) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%v: %s: %v", e.what, e.why, e.cause)
	}
	return fmt.Sprintf("%v: %s", e.what, e.why)
}

func (e *invalid) Unwrap() []error {
	if e.cause != nil {
		return []error{e.what, e.cause}
	}
	return []error{e.what}
}
