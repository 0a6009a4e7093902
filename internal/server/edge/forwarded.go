package edge

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const maxHops = 64 // proxies that are looked past in one request

// proxies are those whose word about where a request comes from is believed.
type proxies []netip.Prefix

func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// walk goes from a proxy of ours back along the hops that it and those before
// it wrote down, nearest last, to the first that is none of ours. A hop that
// cannot be read ends the way: what stands before it may be anybody's text.
func (p proxies) walk(from netip.Addr, hops []string) netip.Addr {
	at := from
	for i := 0; i < maxHops && i < len(hops); i++ {
		next, ok := parseHop(hops[len(hops)-1-i])
		if !ok {
			return at
		}
		if at = next; !p.has(at) {
			return at
		}
	}
	return at
}

// parseHop reads an address with or without a port, as proxies write it:
// 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
func parseHop(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		ap, e := netip.ParseAddrPort(text)
		a, err = ap.Addr(), e
		if inner, ok := strings.CutPrefix(text, "["); e != nil && ok && strings.HasSuffix(inner, "]") {
			a, err = netip.ParseAddr(inner[:len(inner)-1])
			if err == nil && !a.Is6() {
				return netip.Addr{}, false
			}
		}
	}
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// forwardedFor returns the hops of X-Forwarded-For, all its lines taken
// together. RFC 9110 §5.3
func forwardedFor(h http.Header) []string {
	var hops []string
	for _, line := range h["X-Forwarded-For"] {
		for hop := range strings.SplitSeq(line, ",") {
			hops = append(hops, strings.Trim(hop, " \t"))
		}
	}
	return hops
}

// forwarded returns the hops of Forwarded; one that cannot be read or names no
// address is "". RFC 7239 §4
//
// Elements are cut at every comma, also at one within quotes: no address has
// one, and a quote that a stranger opened must not swallow what our proxy added.
func forwarded(h http.Header) []string {
	var hops []string
	for _, line := range h["Forwarded"] {
		for element := range strings.SplitSeq(line, ",") {
			hops = append(hops, forwardedElement(element)["for"])
		}
	}
	return hops
}

// forwardedElement reads one hop's pairs, names in lower case; nil when it
// cannot be read. RFC 7239 §4
func forwardedElement(text string) map[string]string {
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(strings.Trim(text, " \t"), ";") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if !ok || !token(name) {
			return nil
		}
		if inner, quoted := strings.CutPrefix(value, `"`); quoted {
			value, ok = strings.CutSuffix(inner, `"`)
			if !ok || strings.ContainsAny(value, `"\`) {
				return nil // an escape hides nothing that an address or a scheme could need
			}
		} else if !token(value) {
			return nil
		}
		if _, twice := pairs[name]; twice { // RFC 7239 §4
			return nil
		}
		pairs[name] = value
	}
	return pairs
}

// token says whether a text is a token. RFC 9110 §5.6.2
func token(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	})
}

// inTheClear says whether a proxy tells that the request came to it, or to one
// before it, over plain HTTP.
func inTheClear(h http.Header) bool {
	for _, line := range h["X-Forwarded-Proto"] {
		for scheme := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(scheme, " \t"), "http") {
				return true
			}
		}
	}
	for _, line := range h["Forwarded"] {
		for element := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(forwardedElement(element)["proto"], "http") {
				return true
			}
		}
	}
	return false
}
