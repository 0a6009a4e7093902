package authserver

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// The cookies. Those that count hold a random text and nothing else.
const (
	browserCookie = "gatehouse-browser" // set when a page was allowed: the flow goes on in this browser only
	sessionCookie = "gatehouse-session" // of a person who signed in
	wayCookie     = "gatehouse-way"     // name of the provider by which somebody signed in last: it comes first the next time
)

// cookieName is the cookie's name as browsers know it. The prefix keeps other
// hosts and plain HTTP from setting it; where we are on plain HTTP, which is
// loopback only, no browser would accept it. RFC 6265bis §4.1.3.2
func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

func (s *Server) secure() bool { return strings.HasPrefix(s.Issuer, "https://") }

// setCookie sets a cookie for as long as the browser is open (life 0), or for
// life. Lax: a client's link to us is a navigation from another site.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // without TLS a secure cookie would not come back
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// setSession remembers in the browser who signed in: cookie is what login made.
func (s *Server) setSession(w http.ResponseWriter, cookie string) {
	s.setCookie(w, sessionCookie, cookie, s.Settings.SessionTTL)
}

func (s *Server) dropSession(w http.ResponseWriter) {
	s.setCookie(w, sessionCookie, "", -time.Second)
}

const wayKept = 180 * 24 * time.Hour

// bind ties the flow to the browser, whose cookie is made if it has none. All
// flows of a browser share it, so that two tabs do not get into one another's way.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, f *flow) {
	c, err := r.Cookie(s.cookieName(browserCookie))
	if err != nil || len(c.Value) < 26 {
		c = &http.Cookie{Value: rand.Text()} //nolint:gosec // it is setCookie that sets it
		s.setCookie(w, browserCookie, c.Value, 0)
	}
	f.Browser = browserHash(c.Value)
}
