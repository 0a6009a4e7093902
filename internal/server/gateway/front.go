package gateway

import (
	"net/http"
	"strings"
)

// Front stands before the servers of a listener and picks whose a request is,
// by host and path. It decides nothing else: what is nobody's is refused by a
// gateway like everything that a gateway refuses.
type Front struct {
	Gateways []*Gateway // at least one, opened

	// Public finds what anybody may fetch under a name of ours and a path, such as
	// /.well-known/jwks.json; nil: nothing is there.
	Public func(host, path string) http.Handler

	// AuthServer finds our own authorization server under a name of ours and a
	// path; nil: there is none there.
	AuthServer func(host, path string) http.Handler
}

// ServeHTTP hands a request on.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	host := hostname(r.Host)
	if f.Public != nil && strings.HasPrefix(path, "/.well-known/") {
		if h := f.Public(host, path); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	if f.AuthServer != nil {
		if h := f.AuthServer(host, path); h != nil {
			h.ServeHTTP(w, r)
			return
		}
	}
	f.pick(host, path).ServeHTTP(w, r)
}

// pick returns the gateway of a host and path; else one of the host, which has
// nothing at the path; else any, by whose name we do not go.
func (f *Front) pick(host, path string) *Gateway {
	var near *Gateway
	for _, g := range f.Gateways {
		if g.Host != "" && g.Host != host {
			continue
		}
		if g.Serves(path) {
			return g
		}
		if near == nil {
			near = g
		}
	}
	if near == nil {
		near = f.Gateways[0]
	}
	return near
}

// Serves says whether something is served at a path.
func (g *Gateway) Serves(path string) bool {
	return path == g.Path || path == g.Path+"/" || g.eventsAt(path) != nil
}
