package oauth

import (
	"net/url"
	"strings"
)

// MatchResource finds the resource that a client means among those that are
// served, and returns it as it is served. Tolerated are the case of scheme and
// host, a default port, one slash at the end, and an origin alone when only one
// resource is served under it. An empty asked means the only one that is served.
// RFC 8707 §2
func MatchResource(served []string, asked string) (canonical string, ok bool) {
	if asked == "" {
		if len(served) == 1 {
			return served[0], true
		}
		return "", false
	}
	want, origin, ok := normal(asked)
	if !ok {
		return "", false
	}
	found, under := "", 0 // under: how many are served under the origin that was asked for
	for _, one := range served {
		is, its, ok := normal(one)
		switch {
		case !ok:
			continue
		case is == want:
			return one, true
		case want == origin && its == origin:
			found = one
			under++
		}
	}
	return found, under == 1
}

// normal returns a resource in the form in which it is compared, and its origin.
func normal(uri string) (text, origin string, ok bool) {
	if plainURI(uri) != nil {
		return "", "", false
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return "", "", false
	}
	host := strings.ToLower(u.Host)
	if strings.HasSuffix(host, ":") {
		return "", "", false
	}
	if port := u.Port(); port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	origin = u.Scheme + "://" + host
	text = origin + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" || u.ForceQuery {
		text += "?" + u.RawQuery
	}
	return text, origin, true
}
