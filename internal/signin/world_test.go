package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// memory is a store in memory.
type memory struct {
	mu    sync.Mutex
	has   map[string][]byte
	locks map[string]chan struct{}
}

func newMemory() *memory {
	return &memory{has: map[string][]byte{}, locks: map[string]chan struct{}{}}
}

func (m *memory) Load(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.has[name], nil
}

func (m *memory) Save(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.has[name] = value
	return nil
}

func (m *memory) Names(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.has)), nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.has, name)
	return nil
}

func (m *memory) Lock(ctx context.Context, name string) (func(), error) {
	m.mu.Lock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	l := m.locks[name]
	m.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// world is a server and its authorization server, on one origin. What each says
// can be changed by a test.
type world struct {
	t     *testing.T
	url   string // of the origin
	store *memory

	mu       sync.Mutex
	asked    []string                                      // METHOD path, in order
	forms    []url.Values                                  // of token requests
	regs     []map[string]any                              // registrations
	prm, asm map[string]any                                // metadata; nil: 404
	iss      string                                        // in answers; empty: none
	extra    url.Values                                    // in answers, in the place of what would be there
	token    func(url.Values) (int, string)                // nil: issues
	visits   int                                           // of the authorization endpoint
	lost     string                                        // a client that it does not know any more
	page     string                                        // what the browser saw at last
	over     map[string]http.HandlerFunc                   // in the place of what it does, by path
	before   func(http.ResponseWriter, *http.Request) bool // answers instead, or says something beside; nil: nothing
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: newMemory()}
	s := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(s.Close)
	w.at(s.URL)
	return w
}

// at has the world be at an origin.
func (w *world) at(origin string) {
	w.url = origin
	w.prm = map[string]any{"resource": origin + "/mcp", "authorization_servers": []string{origin}}
	w.asm = map[string]any{
		"issuer": origin, "authorization_endpoint": origin + "/authorize", "token_endpoint": origin + "/token", "registration_endpoint": origin + "/register",
		"revocation_endpoint": origin + "/revoke", "code_challenge_methods_supported": []string{"S256"}, "device_authorization_endpoint": origin + "/device",
	}
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.Method+" "+r.URL.Path)
	if instead := w.over[r.URL.Path]; instead != nil {
		instead(rw, r)
		return
	}
	say := func(doc any) {
		if doc, ok := doc.(map[string]any); ok && doc == nil {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(doc)
	}
	if w.before != nil && w.before(rw, r) {
		return
	}
	switch r.URL.Path {
	case "/mcp":
		rw.Header().Set("WWW-Authenticate", "Bearer")
		rw.WriteHeader(http.StatusUnauthorized)
	case "/.well-known/oauth-protected-resource/mcp":
		say(w.prm)
	case "/.well-known/oauth-authorization-server":
		say(w.asm)
	case "/register":
		var said map[string]any
		_ = json.NewDecoder(r.Body).Decode(&said)
		w.regs = append(w.regs, said)
		rw.WriteHeader(http.StatusCreated)
		say(map[string]any{"client_id": fmt.Sprintf("client-%d", len(w.regs))})
	case "/authorize":
		w.authorize(rw, r)
	case "/token", "/revoke":
		_ = r.ParseForm()
		w.forms = append(w.forms, r.PostForm)
		status, body := http.StatusOK, fmt.Sprintf(`{"access_token":"at-%d","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-%d"}`, len(w.forms), len(w.forms))
		if w.token != nil {
			status, body = w.token(r.PostForm)
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) authorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if w.lost != "" && q.Get("client_id") == w.lost {
		http.Error(rw, "Who is that?", http.StatusBadRequest)
		return
	}
	if r.UserAgent() == "gatehouse" { // no browser: it looks first
		return
	}
	w.visits++
	back := url.Values{"code": {"the-code"}, "state": {q.Get("state")}}
	if w.iss != "" {
		back.Set("iss", w.iss)
	}
	for name, v := range w.extra {
		back[name] = v
	}
	http.Redirect(rw, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// browse is a browser whose user agrees.
func (w *world) browse(_ context.Context, at string) error {
	go func() {
		res, err := http.Get(at)
		if err != nil {
			return
		}
		defer func() { _ = res.Body.Close() }()
		page, _ := io.ReadAll(res.Body)
		w.mu.Lock()
		w.page = string(page)
		w.mu.Unlock()
	}()
	return nil
}

func (w *world) client() *Client {
	return &Client{Server: w.url + "/mcp", Store: w.store, Open: w.browse}
}

// refusal is the answer to a request without a credential.
func refusal(status int, challenge string, with *Credential) Refusal {
	return Refusal{Status: status, Header: http.Header{"Www-Authenticate": {challenge}}, With: with}
}

func (w *world) first(c *Client) (*Credential, error) {
	return c.Renew(w.t.Context(), refusal(401, "Bearer", nil))
}

// begun is first, which has to work.
func (w *world) begun(c *Client) *Credential {
	w.t.Helper()
	cred, err := w.first(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return cred
}

// ended has the authorization server refuse to renew, and give another token for
// a new sign-in.
func (w *world) ended() {
	w.token = func(f url.Values) (int, string) {
		if f.Get("grant_type") == "refresh_token" {
			return 400, `{"error":"invalid_grant"}`
		}
		return 200, `{"access_token":"new","token_type":"bearer"}`
	}
}

// code returns the code of a refusal.
func code(err error) string {
	if e, ok := err.(*Error); ok { //nolint:errorlint // the tests want it bare
		return e.Code
	}
	return fmt.Sprint(err)
}

// spent says whether a code or a secret went to the token endpoint.
func (w *world) spent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.forms) > 0
}
