package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	houseURL = "https://example.com/mcp" // httptest's certificate is for that name
	issuerOf = "https://example.com"
	goodKey  = "house_7Qm2Vx9KtB4cX0YpLw2QeR5tS8dFgHjK"
	otherKey = "house_3fTzR8wLpN1aZ0YpLw2QeR5tS8dFgHjK"
)

// house is a server that does everything right, but for its faults.
type house struct {
	faults   map[string]bool
	after    func(r *http.Request, a *httptest.ResponseRecorder) // changes answers; nil: they stay
	signing  *ecdsa.PrivateKey
	mu       sync.Mutex
	calls    int
	failures int
	sessions map[string]string // by id: whose
	clients  map[string][]string
	keys     map[string]bool // made by a KeyMaker
	server   *httptest.Server
	plain    *httptest.Server
	behind   *httptest.Server
}

func newHouse(t *testing.T, faults ...string) *house {
	t.Helper()
	h := &house{faults: map[string]bool{}, sessions: map[string]string{}, clients: map[string][]string{}, keys: map[string]bool{}}
	for _, f := range faults {
		h.faults[f] = true
	}
	var err error
	if h.signing, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	h.server = httptest.NewUnstartedServer(h.changing(h.ServeHTTP))
	if h.faults["TLS 1.0"] {
		h.server.TLS = &tls.Config{MinVersion: tls.VersionTLS10}
	}
	if h.faults["TLS 1.1"] {
		h.server.TLS = &tls.Config{MinVersion: tls.VersionTLS11}
	}
	if h.faults["TLS 1.2"] {
		h.server.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	}
	h.server.Config.ErrorLog = quiet()
	h.server.StartTLS()
	h.plain = httptest.NewServer(h.changing(h.overPlain))
	h.behind = httptest.NewServer(h.changing(h.past))
	for _, s := range []*httptest.Server{h.server, h.plain, h.behind} {
		t.Cleanup(s.Close)
	}
	return h
}

// options look at the house.
func (h *house) options() Options {
	roots := x509.NewCertPool()
	roots.AddCert(h.server.Certificate())
	to := map[string]string{"443": h.server.Listener.Addr().String(), "80": h.plain.Listener.Addr().String(), "3000": h.behind.Listener.Addr().String()}
	return Options{
		URL: houseURL, Roots: roots, Pace: time.Nanosecond, Wait: 5 * time.Second,
		Transport: func(way *http.Transport) {
			way.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				_, port, _ := net.SplitHostPort(addr)
				if a := to[port]; a != "" {
					addr = a
				}
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}
		},
	}
}

// changing has answers changed on their way out.
func (h *house) changing(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.after == nil {
			next(w, r)
			return
		}
		a := httptest.NewRecorder()
		next(a, r)
		h.after(r, a)
		maps.Copy(w.Header(), a.Header())
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes())
	})
}

// past is the server behind, which asks for nothing.
func (h *house) past(w http.ResponseWriter, r *http.Request) {
	if !h.faults["upstream open"] {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.mcp(w, r, "")
}

func (h *house) overPlain(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.faults["plain served"]:
		h.ServeHTTP(w, r)
	case r.Method == http.MethodGet:
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusPermanentRedirect)
	default:
		w.WriteHeader(http.StatusForbidden)
	}
}

// ServeHTTP is the house's front.
func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.faults["no hsts"] {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case h.faults["bot protection"]:
		w.Header().Set("Cf-Mitigated", "challenge")
		w.WriteHeader(http.StatusForbidden)
	case r.Host != "example.com" && !h.faults["any host"]:
		w.WriteHeader(http.StatusMisdirectedRequest)
	case strings.HasPrefix(path, "/.well-known/"):
		h.wellKnown(w, r, path)
	case path == "/authorize" || path == "/token" || path == "/register" || strings.HasPrefix(path, "/register/"):
		h.authorizationServer(w, r, path)
	case h.faults["debug shown"] && path == "/debug/vars":
		writeJSON(w, 200, map[string]any{"memstats": map[string]int{"Alloc": 1}})
	case h.faults["slash to SSO"] && r.URL.Path == "/mcp/":
		http.Redirect(w, r, "https://sso.example.com/login", http.StatusFound)
	case h.faults["sse open"] && path == "/sse":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: endpoint\ndata: /messages?session=1\n\n"))
	case h.faults["websocket open"] && r.Header.Get("Upgrade") == "websocket":
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	case h.faults["exact guard"] && r.URL.Path != "/mcp" && strings.HasSuffix(path, "/mcp"):
		h.mcp(w, r, "") // the guard compares "/mcp", the router cleans
	case path != "/mcp":
		w.WriteHeader(http.StatusNotFound)
	default:
		h.door(w, r)
	}
}

// door asks for the credential.
func (h *house) door(w http.ResponseWriter, r *http.Request) {
	if o := r.Header.Get("Origin"); o != "" && !h.origin(w, r, o) {
		return
	}
	if h.faults["GET open"] && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(": open\n\n"))
		return
	}
	who := h.who(r)
	open := h.faults["open"] || h.faults["list open"] && strings.Contains(r.Header.Get("Mcp-Method"), "tools/list")
	if who == "" && !open && !(h.faults["session is enough"] && r.Header.Get("Mcp-Session-Id") == "session-1") {
		h.refuse(w, r)
		return
	}
	h.mu.Lock()
	h.calls++
	calls := h.calls
	h.mu.Unlock()
	if calls > 60 && !h.faults["no limit"] {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	h.mcp(w, r, who)
}

func (h *house) origin(w http.ResponseWriter, r *http.Request, o string) bool {
	head := w.Header()
	switch {
	case h.faults["cors with cookies"]:
		head.Set("Access-Control-Allow-Origin", o)
		head.Set("Access-Control-Allow-Credentials", "true")
	case o == corsOrigin:
		head.Set("Access-Control-Allow-Origin", o)
		head.Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	case h.faults["any origin"]:
		return true
	default:
		w.WriteHeader(http.StatusForbidden)
		return false
	}
	if r.Method == http.MethodOptions {
		allowed := "authorization, content-type, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id"
		if h.faults["cors forgets"] {
			allowed = "authorization, content-type"
		}
		head.Set("Access-Control-Allow-Headers", allowed)
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	return true
}

// refuse answers whoever has no credential that does.
func (h *house) refuse(w http.ResponseWriter, r *http.Request) {
	sent := r.Header.Get("Authorization") != "" || r.Header.Get("X-API-Key") != ""
	h.mu.Lock()
	if sent {
		h.failures++
	}
	tooMany := h.failures > 25
	h.mu.Unlock()
	if tooMany && sent && !h.faults["no ban"] {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	challenge := `Bearer resource_metadata="https://example.com/.well-known/oauth-protected-resource/mcp", scope="read"`
	if sent || h.faults["error without credential"] {
		challenge += `, error="invalid_token"`
	}
	if !h.faults["no challenge"] {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	text := "unauthorized"
	if h.faults["tells revoked"] && strings.Contains(r.Header.Get("Authorization"), "revoked") {
		text = "this key was revoked"
	}
	if h.faults["echoes"] {
		text = r.Header.Get("Authorization") + r.Header.Get("X-API-Key") + r.URL.RawQuery
	}
	if h.faults["stack trace"] {
		text = "Traceback (most recent call last):\n  File \"/usr/src/app/server.py\", line 3"
	}
	status := http.StatusUnauthorized
	if h.faults["403"] {
		status = http.StatusForbidden
	}
	writeJSON(w, status, map[string]string{"error": text, "request_id": rand.Text()[:16]})
}

// jwk is the house's public key.
func (h *house) jwk() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.signing.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
