package probe

import (
	"net/http"
	"net/url"
)

// encrypted asks for TLS, and what becomes of those who come without.
var encrypted = &Rule{
	Code: "GH-2106", Name: "https", Title: "Only HTTPS is spoken",
	Group: Transport, Point: 4, Severity: Critical, Spec: true,
	Why:   "A key or token that crosses a network in the clear belongs to everybody on the way.",
	Fix:   "Serve HTTPS only; redirect GET from port 80, and refuse requests that carry a credential there.",
	Links: []Link{rfc("6750", "5.3"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		if r.target.Scheme == "http" {
			if local(r.target.Hostname()) {
				t.without("the URL is on this machine, where plain HTTP is no risk")
				return
			}
			t.fail(nil, "the URL is http: credentials travel in the clear")
			return
		}
		if port := r.target.Port(); port != "" && port != "443" {
			if x := r.strangers().initialize; x.Status == 0 {
				t.unknown(x, "%s", sight(x))
				return
			}
			t.pass(nil, "the URL is https; on port %s there is no port for plain HTTP that belongs to it", port)
			return
		}
		plain := url.URL{Scheme: "http", Host: r.target.Hostname(), Path: r.target.Path}
		get := r.ask(ask{url: plain.String()})
		post := r.ask(initialize().at(plain.String()))
		switch k := post.kind(); {
		case k == served || k == spoke:
			t.fail(post, "POST %s is served over plain HTTP", plain.String())
		case get.unreached && post.unreached:
			t.pass(get, "port 80 is closed")
		case r.unclear(t, get) || r.unclear(t, post):
		case k == challenged || k == saidNo:
			t.fail(post, "over plain HTTP the server asks for a credential, which then crosses the network in the clear")
		case get.Status >= 300 && get.Status < 400:
			to, err := url.Parse(get.Header.Get("Location"))
			if err != nil || to.Scheme != "https" {
				t.fail(get, "plain HTTP redirects to %s, which is no HTTPS", place(get.Header.Get("Location")))
			} else if get.Status == http.StatusPermanentRedirect || get.Status == http.StatusMovedPermanently {
				t.pass(get, "HTTP → HTTPS %d", get.Status)
			} else {
				t.warn(get, "HTTP → HTTPS %d: 308 or 301 would be remembered", get.Status)
			}
		case get.Status >= 400 && (k == redirected || k == forbidden || k == absent || k == malformed):
			t.pass(get, "plain HTTP is refused")
		default:
			t.warn(get, "plain HTTP answers %d in place of a redirect to HTTPS", get.Status)
		}
	},
}
