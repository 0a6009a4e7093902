// Package proxy finds the proxy that the tools of a user go through, as the
// environment says, and tells when it is the proxy that stands in the way.
package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Settings say which proxy leads to which server. nil: none does.
type Settings struct {
	choose func(*url.URL) (*url.URL, error)
	wrong  map[string]string // by scheme: the variable that is no address; it leads nowhere
}

// schemes are those of proxies that can be spoken to.
var schemes = []string{"http", "https", "socks5", "socks5h"}

// FromEnvironment reads https_proxy, http_proxy, no_proxy and, for what has none of
// its own, all_proxy; each in capital letters too, which count less, as with curl. The
// result is nil when no proxy is named. What is no address of one is an error of
// [Settings.For], for what would go that way: many a desktop sets what others need.
func FromEnvironment(getenv func(string) string) *Settings {
	of := func(names ...string) (value, name string) {
		for _, n := range names {
			for _, n := range []string{strings.ToLower(n), n} {
				if v := strings.TrimSpace(getenv(n)); v != "" {
					return v, n
				}
			}
		}
		return "", ""
	}
	var c httpproxy.Config
	wrong := map[string]string{}
	c.NoProxy, _ = of("NO_PROXY")
	for name, to := range map[string]*string{"HTTPS_PROXY": &c.HTTPSProxy, "HTTP_PROXY": &c.HTTPProxy} {
		text, from := of(name, "ALL_PROXY")
		if text == "" {
			continue
		}
		u := parse(text)
		if u == nil {
			wrong[strings.ToLower(strings.TrimSuffix(name, "_PROXY"))] = from
			u = nowhere
		}
		*to = u.String()
	}
	if c.HTTPProxy == "" && c.HTTPSProxy == "" {
		return nil
	}
	return &Settings{c.ProxyFunc(), wrong}
}

// nowhere stands for a proxy whose address cannot be read. RFC 6761 §6.4
var nowhere = &url.URL{Scheme: "http", Host: "proxy.invalid"}

// Wrong returns a [VariableError] of a variable that is no address; nil: there is none.
func (s *Settings) Wrong() error {
	if s != nil {
		for _, name := range s.wrong {
			return &VariableError{name}
		}
	}
	return nil
}

// parse reads the address of a proxy; nil: it is none. What has more than a host in it
// is none: a password with "/" in it, say, would make a host of the name before it.
func parse(text string) *url.URL {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "socks" { // as GNOME says it
		u.Scheme = "socks5"
	}
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" || strings.Contains(u.Host, "@") ||
		strings.Trim(u.Path, "/") != "" || strings.ContainsAny(text, "?#") {
		return nil
	}
	u.Path, u.RawPath = "", ""
	return u
}

// VariableError says which variable holds no address of a proxy. The value is not
// repeated: it may have a password in it.
type VariableError struct{ Name string }

func (e *VariableError) Error() string {
	return e.Name + " is no address of a proxy, such as http://proxy.example.com:3128. Characters like / and @ in a password are written %2F and %40"
}

// For returns the proxy for a URL; nil: it is reached without. This machine always is.
// The error is an [Error] whose cause is a [VariableError]: then it is not reached at all.
func (s *Settings) For(u *url.URL) (*url.URL, error) {
	if s == nil {
		return nil, nil
	}
	plain := *u
	plain.Host = strings.ToLower(u.Host) // "LOCALHOST" is this machine, too
	via, err := s.choose(&plain)
	if name := s.wrong[plain.Scheme]; via != nil && name != "" {
		return nil, &Error{Err: &VariableError{name}}
	}
	return via, err
}

// Transport returns t as it is when there is no proxy. Else t is changed to use it,
// and what goes wrong before there is a connection to a server becomes an [Error]. wait
// is how long that may take, 0: 30 s. Whoever gives up sooner never hears that it was
// the proxy.
func (s *Settings) Transport(t *http.Transport, wait time.Duration) http.RoundTripper {
	if s == nil {
		return t
	}
	t.Proxy = func(r *http.Request) (*url.URL, error) { return s.For(r.URL) }
	t.OnProxyConnectResponse = answered
	return &transport{Transport: t, of: s, wait: cmp.Or(wait, patience)}
}

// Error says that the way through a proxy does not lead to a server.
type Error struct {
	Proxy  string // host and port, without the user; empty: it cannot be read
	Status int    // what it answered; 0: not that it does not want to
	Err    error  // what went wrong; nil: the status says it
}

func (e *Error) Error() string {
	switch {
	case e.Status == http.StatusProxyAuthRequired || e.Status == http.StatusUnauthorized: // which tinyproxy says to a wrong one
		return fmt.Sprintf("the proxy %s wants a name and a password that it knows (%d): http://NAME:PASSWORD@%[1]s", e.Proxy, e.Status)
	case e.Status != 0:
		return fmt.Sprintf("the proxy %s does not lead there (%d)", e.Proxy, e.Status)
	}
	if e.Proxy == "" {
		return e.Err.Error()
	}
	return "through the proxy " + e.Proxy + ": " + e.Err.Error()
}

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Final says whether the proxy does not want to, so that asking again is of no use.
func (e *Error) Final() bool {
	return e.Proxy == "" || e.Status/100 == 4 && e.Status != http.StatusTooManyRequests
}

// Of returns the proxy's part in an error; nil: it has none.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
