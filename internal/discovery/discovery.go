// Package discovery finds and reads what an authorization server says about
// itself. RFC 8414, OpenID Connect Discovery 1.0
package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Fetcher gets documents. Get returns the body of an answer of status 200, has
// followed no redirect and read no more than a bounded size. Check says whether
// the text of a URL alone rules it out.
type Fetcher interface {
	Get(ctx context.Context, url string) ([]byte, error)
	Check(url string) error
}

// Attempt is a place where metadata was looked for.
type Attempt struct {
	URL string
	Err error // why what is there does not do; nil: it does
}

// Error says that an issuer has no metadata that does.
type Error struct {
	Issuer string
	Tried  []Attempt
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "issuer %q: no metadata", e.Issuer)
	for _, a := range e.Tried {
		fmt.Fprintf(&b, "; %s: %v", a.URL, a.Err)
	}
	return b.String()
}

// Unwrap returns what went wrong, in order of trying.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, a := range e.Tried {
		errs = append(errs, a.Err)
	}
	return errs
}

// URLs returns where an issuer's metadata may be, in the order in which MCP
// clients look: RFC 8414 §3.1 with the path behind the well-known name, OpenID
// Connect in the same way, and then in its own (§4 there). Last comes what no
// specification has and some servers do: RFC 8414's name behind the path.
func URLs(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer %q is no URL", issuer)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsAny(issuer, "?#") { // RFC 8414 §2
		return nil, fmt.Errorf("issuer %q is no URL of https without user, query and fragment", issuer)
	}
	base := u.Scheme + "://" + u.Host
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	if path == "" {
		return []string{base + oauth, base + oidc}, nil
	}
	return []string{base + oauth + path, base + oidc + path, base + path + oidc, base + path + oauth}, nil
}

// Fetch looks for an issuer's metadata and returns the first document that does.
// A document of another issuer is passed over: of several behind one host each
// has its own place. A server that does not answer is asked only once.
func Fetch(ctx context.Context, f Fetcher, issuer string) (*Metadata, error) {
	urls, err := URLs(issuer)
	if err != nil {
		return nil, err
	}
	var tried []Attempt
	for _, u := range urls {
		m, err := fetch(ctx, f, u, issuer)
		if err == nil {
			m.URL, m.Tried = u, tried
			return m, nil
		}
		tried = append(tried, Attempt{u, err})
		if !answered(err) {
			break
		}
	}
	return nil, &Error{Issuer: issuer, Tried: tried}
}

// FetchOpenID gets the metadata of an OpenID provider from the one place where it
// has it. OpenID Connect Discovery §4.1
func FetchOpenID(ctx context.Context, f Fetcher, issuer string) (*Metadata, error) {
	if _, err := URLs(issuer); err != nil {
		return nil, err
	}
	u := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	m, err := fetch(ctx, f, u, issuer)
	if err != nil {
		return nil, &Error{Issuer: issuer, Tried: []Attempt{{u, err}}}
	}
	m.URL = u
	return m, nil
}

func fetch(ctx context.Context, f Fetcher, u, issuer string) (*Metadata, error) {
	raw, err := f.Get(ctx, u)
	if err != nil {
		return nil, err
	}
	m, err := Parse(raw, issuer)
	if err != nil {
		return nil, err
	}
	for _, e := range m.endpoints() {
		if err := f.Check(e.value); e.value != "" && err != nil {
			return nil, unusable(fmt.Sprintf("%s: %v", e.name, err))
		}
	}
	return m, nil
}

// answered says whether an error came from a server that is there.
func answered(err error) bool {
	var a interface{ Answered() bool }
	return errors.As(err, &a) && a.Answered()
}

// unusable is what is wrong with a document.
type unusable string

func (u unusable) Error() string { return string(u) }

// Answered says that there is a server: another place may have a better document.
func (u unusable) Answered() bool { return true }
