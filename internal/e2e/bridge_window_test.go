package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// halfOpen is a server that tells everybody what tools it has, and demands a sign-in
// for a call and for its own stream; with an authorization server that says yes.
type halfOpen struct {
	*httptest.Server
	mu         sync.Mutex
	challenges map[string]string // by code
	given      int               // tokens
	refused    int               // token requests
	calls      int
}

func newHalfOpen(t *testing.T) *halfOpen {
	t.Helper()
	h := &halfOpen{challenges: map[string]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h
}

func (h *halfOpen) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/oauth-protected-resource/mcp":
		_, _ = fmt.Fprintf(w, `{"resource":"%[1]s/mcp","authorization_servers":["%[1]s"]}`, h.URL)
	case "/.well-known/oauth-authorization-server":
		_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token","registration_endpoint":"%[1]s/register","code_challenge_methods_supported":["S256"]}`, h.URL)
	case "/register":
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"client_id":"c"}`)
	case "/authorize":
		code, q := rand.Text(), r.URL.Query()
		h.challenges[code] = q.Get("code_challenge")
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if h.challenges[r.PostFormValue("code")] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			h.refused++
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		h.given++
		_, _ = io.WriteString(w, `{"access_token":"at","token_type":"Bearer","expires_in":3600}`)
	default:
		h.answer(w, r)
	}
}

func (h *halfOpen) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	call := strings.Contains(string(body), `"tools/call"`)
	switch {
	case (call || r.Method == http.MethodGet) && r.Header.Get("Authorization") != "Bearer at":
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !strings.Contains(string(body), `"id"`):
		w.WriteHeader(http.StatusAccepted)
	default:
		_, id, _ := strings.Cut(string(body), `"id":`)
		id, _, _ = strings.Cut(id, ",")
		if call {
			h.calls++
		}
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"},"content":[]}}`, id)
	}
}

// deskOf is a desk whose browser does what visit says with what is opened.
func deskOf(t *testing.T, visit func(at string) error) (d *desktop) {
	t.Helper()
	d = &desktop{t: t, state: t.TempDir()}
	browser := posted(t, func(at string) (string, error) { d.visits.Add(1); return "", visit(at) })
	d.env = append(os.Environ(), "BROWSER_BY="+browser, "PATH="+filepath.Dir(mcpCommand(t))+string(os.PathListSeparator)+os.Getenv("PATH"))
	return d
}

func open(at string) error {
	res, err := http.Get(at)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// TestRefusalsAtOnceOpenOneWindow: a call and the server's own stream are refused side by side, and the sign-ins of both must not
// spoil one another.
func TestRefusalsAtOnceOpenOneWindow(t *testing.T) {
	t.Parallel()
	h := newHalfOpen(t)
	d := deskOf(t, open)
	l := talk(t, d.env, d.bridge(h.URL+"/mcp")...)
	l.hello()
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			if m, err := l.ask(i+1, "tools/call", `{"name":"x","arguments":{}}`); err != nil || m.Error != nil {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
	all.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.visits.Load() != 1 || h.given != 1 || h.refused != 0 || h.calls != 5 {
		t.Errorf("%d windows, %d tokens, %d refused, %d calls", d.visits.Load(), h.given, h.refused, h.calls)
	}
}

// TestABridgeThatDiesInItsSignInHoldsUpNobody: some clients start two, and end the first at once. The other one opens a window of
// its own; that of the dead one leads nowhere.
func TestABridgeThatDiesInItsSignInHoldsUpNobody(t *testing.T) {
	t.Parallel()
	h := newHalfOpen(t)
	opened := make(chan string, 2)
	d := deskOf(t, func(at string) error { opened <- at; return nil })
	first := talk(t, d.env, d.bridge(h.URL+"/mcp")...)
	first.hello()
	lost := <-opened
	second := talk(t, d.env, d.bridge(h.URL+"/mcp")...)
	second.hello()
	answered := make(chan error, 1)
	go func() {
		m, err := second.ask(1, "tools/call", `{"name":"x","arguments":{}}`)
		if err == nil && m.Error != nil {
			err = fmt.Errorf("%s", m.Error.Message)
		}
		answered <- err
	}()
	_ = first.cmd.Process.Kill()
	now := <-opened
	_ = open(lost) // the user finds the wrong one first
	if err := open(now); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
