package authserver

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
	"github.com/gatehouse-mcp/gatehouse/internal/store"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// notebook is a trail in memory.
type notebook struct {
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (n *notebook) Durable(ctx context.Context, e *audit.Event) error { return n.Write(ctx, e) }

func (n *notebook) Write(_ context.Context, e *audit.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.events = append(n.events, *e)
	}
	return n.err
}

// registering is a server where clients can register themselves.
func registering(t *testing.T) (*Server, *notebook) {
	t.Helper()
	d, err := store.Open(t.Context(), store.Config{SQLite: filepath.Join(t.TempDir(), "state", "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s, trail := newServer(t), &notebook{}
	s.Trail, s.Limiter, s.Log = trail, &ratelimit.Limiter{}, slog.New(slog.DiscardHandler)
	s.Address = func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("192.0.2.1"), false }
	s.Settings.RegistrationRate = unit.Rate{Count: 30, Per: time.Hour}
	s.Registrar = &client.Registry{
		Store: d.Clients(), Secret: make([]byte, 32), Issuer: s.Issuer, Settings: client.Settings{Registration: true, Unused: 30 * 24 * time.Hour},
	}
	return s, trail
}

// send sends a request, with headers in pairs.
func send(s *Server, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

const asksForSecret = `{"redirect_uris":["https://a.test/cb","javascript:x"],"client_name":"App"}`

func TestRegistrationAtTheDoor(t *testing.T) {
	s, trail := registering(t)
	w := send(s, "POST", "/register", asksForSecret, "Content-Type", "application/json", "Origin", "https://inspector.test")
	var out struct {
		ID        string   `json:"client_id"`
		Secret    string   `json:"client_secret"`
		Expires   *int64   `json:"client_secret_expires_at"`
		Redirects []string `json:"redirect_uris"`
		Token     string   `json:"registration_access_token"`
		URI       string   `json:"registration_client_uri"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	if out.Secret == "" || out.Expires == nil || len(out.Redirects) != 1 || out.URI != s.Issuer+"/register/"+out.ID {
		t.Errorf("got %s", w.Body)
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got headers %v", h)
	}
	e := trail.events[0]
	if e.Action != "register" || e.Outcome != audit.OK || e.ClientID != out.ID || e.Detail["dropped_1"] == "" || strings.Contains(fmt.Sprint(e), out.Secret) || strings.Contains(fmt.Sprint(e), out.Token) {
		t.Errorf("wrote down %+v", e)
	}

	at := "/register/" + out.ID
	if w := send(s, "GET", at, "", "Authorization", "Bearer "+out.Token); w.Code != 200 || !strings.Contains(w.Body.String(), out.Secret) {
		t.Errorf("read: got %d %s", w.Code, w.Body)
	}
	change := fmt.Sprintf(`{"client_id":%q,"redirect_uris":["https://a.test/other"],"token_endpoint_auth_method":"client_secret_basic"}`, out.ID)
	if w := send(s, "PUT", at, change, "Authorization", "Bearer "+out.Token, "Content-Type", "application/json"); w.Code != 200 || !strings.Contains(w.Body.String(), "/other") {
		t.Errorf("changed: got %d %s", w.Code, w.Body)
	}
	for _, headers := range [][]string{{}, {"Authorization", "Bearer x"}, {"Authorization", "Basic " + out.Token}, {"Authorization", out.Token}} {
		w := send(s, "GET", at, "", headers...)
		if w.Code != 401 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("with %v: got %d, challenge %q", headers, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	if w := send(s, "DELETE", at, "", "Authorization", "Bearer "+out.Token); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("deleted: got %d %s", w.Code, w.Body)
	}
	if w := send(s, "GET", at, "", "Authorization", "Bearer "+out.Token); w.Code != 401 {
		t.Errorf("read when it is gone: got %d", w.Code)
	}
	if w := send(s, "OPTIONS", "/register", ""); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: got %d", w.Code)
	}
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	s, trail := registering(t)
	var counted []string
	s.Failed = func(_ *http.Request, code string) { counted = append(counted, code) }
	for what, w := range map[string]*httptest.ResponseRecorder{
		"a form":     send(s, "POST", "/register", "redirect_uris=x", "Content-Type", "application/x-www-form-urlencoded"),
		"no JSON":    send(s, "POST", "/register", "x", "Content-Type", "application/json"),
		"a bad URI":  send(s, "POST", "/register", `{"redirect_uris":["javascript:x"]}`, "Content-Type", "application/json"),
		"too large":  send(s, "POST", "/register", `{"x":"`+strings.Repeat("x", 70<<10)+`"}`, "Content-Type", "application/json"),
		"no body":    send(s, "POST", "/register", "", "Content-Type", "application/json"),
		"a wrong id": send(s, "GET", "/register/dcr_x", "", "Authorization", "Bearer x"),
	} {
		var out refused
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code < 400 || w.Code >= 500 || out.Error == "" || out.Code == "" {
			t.Errorf("%s: got %d %s", what, w.Code, w.Body)
		}
	}
	if len(trail.events) != 6 {
		t.Errorf("wrote down %d refusals", len(trail.events))
	}
	if len(counted) != 1 || counted[0] != "GH-1409" {
		t.Errorf("counted %v", counted)
	}
	trail.err = audit.ErrUnwritable
	if w := send(s, "POST", "/register", asksForSecret, "Content-Type", "application/json"); w.Code < 500 || strings.Contains(w.Body.String(), "client_secret") {
		t.Errorf("without a trail: got %d %s", w.Code, w.Body)
	}
	s.Registrar = nil
	if w := send(s, "POST", "/register", asksForSecret); w.Code != 404 && w.Code != 405 {
		t.Errorf("when there is none: got %d", w.Code)
	}
}

// TestA079RegistrationRate has one address register so often and no oftener, and
// writes nothing down of what is too much.
func TestA079RegistrationRate(t *testing.T) {
	s, trail := registering(t)
	from := netip.MustParseAddr("2001:db8::1")
	s.Address = func(r *http.Request) (netip.Addr, bool) { return from, false }
	register := func() int {
		return send(s, "POST", "/register", asksForSecret, "Content-Type", "application/json", "X-Forwarded-For", "198.51.100.7").Code
	}
	for range 30 {
		if code := register(); code != http.StatusCreated {
			t.Fatalf("got %d", code)
		}
	}
	for i := range 200 { // of the same /64
		from = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+2))
		if code := register(); code != http.StatusTooManyRequests {
			t.Fatalf("got %d", code)
		}
	}
	w := send(s, "POST", "/register", asksForSecret)
	if w.Header().Get("Retry-After") == "" {
		t.Error("nobody says when to come back")
	}
	if len(trail.events) != 30 {
		t.Errorf("wrote down %d events", len(trail.events))
	}
	from = netip.MustParseAddr("2001:db8:0:1::1")
	if code := register(); code != http.StatusCreated {
		t.Errorf("another address: got %d", code)
	}
}
