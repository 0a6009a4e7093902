package oauth

import (
	_ "embed" // the list of private-use redirect URIs
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// RedirectKind is where a redirect URI leads.
type RedirectKind string

// The kinds of redirect URIs.
const (
	RedirectWeb      RedirectKind = "web"      // https: the name in it was proven to the browser
	RedirectLoopback RedirectKind = "loopback" // a program on the user's machine, whichever it is. RFC 8252 §7.3
	RedirectPrivate  RedirectKind = "private"  // whichever program claims the scheme. RFC 8252 §7.1
)

const maxRedirect = 1 << 10 // bytes of a redirect URI

//go:embed redirects.txt
var privateList string

// privateRedirects are the URIs with a scheme of their own that may be registered.
var privateRedirects = parseList(privateList)

func parseList(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// CheckRedirect says why a stranger may not register a redirect URI; nil: they
// may. Those are https with any host, http with a loopback host, and private-use
// URIs of our list or of the operator's (also), byte for byte. The error repeats
// nothing of the URI. RFC 8252 §7, OAuth 2.1 §2.3.1
func CheckRedirect(uri string, also ...string) error {
	kind, err := KindOfRedirect(uri)
	if err == nil && kind == RedirectPrivate && !slices.Contains(privateRedirects, uri) && !slices.Contains(also, uri) {
		return errors.New("its scheme is neither https nor http, and it is not on the list of known private-use URIs")
	}
	return err
}

// KindOfRedirect tells where a redirect URI leads, or why not even an operator may
// have it registered: browsers or machines act upon what it says.
func KindOfRedirect(uri string) (RedirectKind, error) {
	if err := plainURI(uri); err != nil {
		return "", err
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", errors.New("it is not a URI") // err repeats it
	}
	switch {
	case strings.HasPrefix(uri, "https://"):
		return RedirectWeb, checkHost(u)
	case strings.HasPrefix(uri, "http://"):
		if _, _, ok := loopback(uri); !ok {
			return "", errors.New("http is for http://127.0.0.1, http://[::1] and http://localhost only: use https")
		}
		return RedirectLoopback, checkPath(u)
	case u.Scheme == "http" || u.Scheme == "https":
		return "", errors.New("it has no host, or its scheme is not in lower case")
	case u.Scheme == "":
		return "", errors.New("it is not an absolute URI")
	}
	return RedirectPrivate, checkPrivate(uri, u)
}

// handlers are schemes that have a meaning of their own somewhere. They are here
// for those who put one on a list by mistake: no list of ours has them.
var handlers = []string{
	"about", "blob", "cid", "chrome", "content", "data", "feed", "file", "filesystem", "ftp", "gopher", "intent", "jar", "javascript", "ldap",
	"livescript", "mailto", "mid", "mk", "news", "nntp", "resource", "rtsp", "search", "search-ms", "sftp", "shell", "sms", "smb", "ssh", "steam",
	"tel", "telnet", "urn", "vbscript", "view-source", "vnc", "wais", "ws", "wss",
}

func checkPrivate(uri string, u *url.URL) error {
	after, ok := strings.CutPrefix(uri, u.Scheme+":/") // the scheme is in lower case: url.Parse made it so
	if !ok || strings.Trim(after, "/") == "" {
		return errors.New("a private-use URI has its scheme in lower case, a slash after it, and something behind that")
	}
	if slices.Contains(handlers, u.Scheme) || strings.HasPrefix(u.Scheme, "ms-") {
		return errors.New("its scheme has a meaning of its own")
	}
	return checkPath(u)
}

// plainURI refuses what no URI has, and what two readers may read differently.
func plainURI(uri string) error {
	if uri == "" || len(uri) > maxRedirect {
		return fmt.Errorf("it has to have between 1 and %d characters", maxRedirect)
	}
	for i := 0; i < len(uri); i++ {
		switch c := uri[i]; {
		case c == '#':
			return errors.New("it has a fragment") // RFC 6749 §3.1.2
		case c == '%':
			if i+2 >= len(uri) || !isHex(uri[i+1]) || !isHex(uri[i+2]) {
				return errors.New("it has a percent sign that encodes nothing")
			}
		case !unreserved(c) && strings.IndexByte(":/?[]@!$&'()*+,;=", c) < 0: // RFC 3986 §2
			return errors.New("it has a character that no URI has")
		}
	}
	return nil
}

// checkHost judges what stands between https:// and the path.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("it has a user name")
	case host == "" || strings.HasSuffix(host, ".") || strings.HasPrefix(host, ".") || strings.Contains(host, ".."):
		return errors.New("it has no host, or one with a dot too many")
	case strings.Contains(u.Host, "%") || strings.ContainsAny(host, "!$&'()*+,;=%"):
		return errors.New("its host is not a name or an address")
	}
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()) {
		return errors.New("its port is not a number between 1 and 65535")
	}
	return checkPath(u)
}

// checkPath refuses dot segments: a browser goes elsewhere than they say.
func checkPath(u *url.URL) error {
	for part := range strings.SplitSeq(u.Path, "/") { // decoded: %2e is a dot
		if part == "." || part == ".." {
			return errors.New("its path has a dot segment")
		}
	}
	return nil
}

// loopback takes apart an http URI of a loopback host: its host as written, and
// what follows the port. The names are compared as they are: a browser resolves
// localhost by itself, and 127.0.0.2 is nobody's habit. RFC 8252 §7.3
func loopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	for _, host := range [...]string{"127.0.0.1", "[::1]", "localhost"} {
		rest, ok := strings.CutPrefix(after, host)
		if !ok {
			continue
		}
		if port, with := strings.CutPrefix(rest, ":"); with {
			end := strings.IndexAny(port, "/?")
			if end < 0 {
				end = len(port)
			}
			if !validPort(port[:end]) {
				return "", "", false
			}
			rest = port[end:]
		}
		return host, rest, rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	return "", "", false
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// MatchRedirect says whether a redirect URI that is asked for is one of those
// registered: byte for byte, but for the port of a loopback URI, which a program
// gets only when it starts. OAuth 2.1 §2.3.1, RFC 8252 §7.3
func MatchRedirect(registered []string, asked string) bool {
	if _, err := KindOfRedirect(asked); err != nil { // whatever was registered, by whatever way
		return false
	}
	if slices.Contains(registered, asked) {
		return true
	}
	host, rest, ok := loopback(asked)
	return ok && slices.ContainsFunc(registered, func(one string) bool {
		h, r, ok := loopback(one)
		return ok && h == host && r == rest
	})
}

// RedirectHost is what people are shown of a redirect URI: its host and port, or
// for a private-use URI its scheme with a colon.
func RedirectHost(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "https" || u.Scheme == "http":
		return u.Host
	}
	return u.Scheme + ":"
}
