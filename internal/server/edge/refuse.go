package edge

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// refuseClear answers what came in the clear. A credential in it is burnt, and
// is never answered by a redirect: the client would go on sending it that way.
func (e *Edge) refuseClear(w http.ResponseWriter, r *http.Request) {
	s := e.settings.Load()
	from, source := s.address(peerOf(r), r.Header)
	id := newID()
	w.Header().Set("Connection", "close")
	if keys, found := credentials(r); found {
		e.count(&e.counts.Burnt)
		e.Log.Warn("credential in the clear", "code", "GH-1015", "request", id, "address", from, "address_from", source, "keys", keys)
		if e.Burnt != nil {
			e.Burnt(r, id, from, keys)
		}
		refuse(w, id, &gatehouse.Error{Code: "GH-1015", Status: http.StatusForbidden, Description: "A credential was sent over plain HTTP, where everybody on the way could read it. " +
			"It is burnt: revoke it" + revoking(keys) + ", and use https:// with the next one."})
		return
	}
	if e.answersACME(w, r) {
		return
	}
	if to, ok := s.secure(e.port(), r); ok {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	e.turnAway(w, r, id, from, &gatehouse.Error{Code: "GH-1016", Status: http.StatusForbidden, Description: "HTTPS is required. Use the https:// URL of this server."})
}

func revoking(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return " (gatehouse key revoke " + keys[0] + ")"
}

// secure returns where a request may be sent on to: a reader without a
// credential, and only to a name of ours.
func (s *settings) secure(port int, r *http.Request) (string, bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.HasPrefix(r.RequestURI, "/") {
		return "", false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name := strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if !s.names[name] {
		return "", false
	}
	switch {
	case s.public != nil && strings.EqualFold(s.public.Hostname(), name):
		host = s.public.Host
	case s.byProxy || port == 443 || port == 0:
		host = bracket(name)
	default:
		host = net.JoinHostPort(name, strconv.Itoa(port))
	}
	return "https://" + host + r.RequestURI, true
}

func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// port is that of the first listener for callers; 0 when it has none.
func (e *Edge) port() int {
	for _, g := range e.gates {
		if a, ok := g.from.Addr().(*net.TCPAddr); ok && !g.refuse {
			return a.Port
		}
	}
	return 0
}

const maxBurnt = 8 // keys of one request that are named

// credentials says whether a request carries any, and which of our keys are
// among them, by the ids that they claim to have. Cookies are none.
func credentials(r *http.Request) (keys []string, found bool) {
	for name, values := range r.Header {
		for _, v := range values {
			ids := keytext.IDs(v)
			keys = append(keys, ids...)
			found = found || keytext.Mentions(v)
		}
		if name == "Authorization" || name == "X-Api-Key" {
			found = true
		}
	}
	for _, v := range []string{r.RequestURI, r.URL.Path} {
		keys, found = append(keys, keytext.IDs(v)...), found || keytext.Mentions(v)
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what can be read of it
	for name, values := range query {
		for _, v := range append(values, name) {
			keys = append(keys, keytext.IDs(v)...)
			found = found || keytext.Mentions(v) || keytext.QueryName(name)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return keys[:min(len(keys), maxBurnt)], found
}

// newID names a request, for whoever asks what became of it.
func newID() string { return rand.Text()[:16] }

// refuse writes a refusal in the form that the gateway has, too.
func refuse(w http.ResponseWriter, id string, e *gatehouse.Error) {
	var body bytes.Buffer
	text := json.NewEncoder(&body)
	text.SetEscapeHTML(false)
	_ = text.Encode(map[string]string{"error": "invalid_request", "error_description": e.Description, "code": e.Code, "request_id": id})
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = io.Copy(w, &body) // nobody is left to tell
}

// turnAway refuses a request, once that is written down.
func (e *Edge) turnAway(w http.ResponseWriter, r *http.Request, id string, from netip.Addr, refusal *gatehouse.Error) {
	if e.Refused != nil {
		e.Refused(r, id, from, refusal)
	}
	refuse(w, id, refusal)
}

// refuseVetted answers a caller whose certificate was good when the connection
// began, and is no longer.
func (e *Edge) refuseVetted(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	id := newID()
	from, _ := e.settings.Load().address(peerOf(r), r.Header)
	e.Log.Warn("client certificate refused", "code", "GH-1017", "request", id, "address", from)
	e.turnAway(w, r, id, from, &gatehouse.Error{Code: "GH-1017", Status: http.StatusForbidden, Description: "The client certificate of this connection is not accepted any more. Connect anew."})
}
