package bridge

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/jws"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	words "github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// vault is a server that takes only tokens that are bound to a key, each with a
// proof that has a nonce of the server's, and the authorization server that gives
// them out. The server's half is the library's.
type vault struct {
	url  string           // of the server
	now  func() time.Time // by which it judges
	date func() time.Time // that it says
	keys []jose.JSONWebKey

	mu     sync.Mutex
	tokens int      // given out
	seen   []string // "401 POST": what the server answered to what
}

// Keys are those of the authorization server.
func (v *vault) Keys(context.Context, string, string) ([]crypto.PublicKey, error) {
	return []crypto.PublicKey{v.keys[0].Public().Key}, nil
}

// locks protects a server. Beside its door there is one that leads to it.
func locks(t *testing.T, real http.Handler) *vault {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{now: time.Now, date: time.Now, keys: []jose.JSONWebKey{{Key: key, KeyID: "k", Algorithm: "ES256"}}}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	v.url = s.URL + "/mcp"
	door, err := gatehouse.Protect(real,
		gatehouse.Resource{URL: v.url, AuthorizationServers: []string{s.URL}, RequireDPoP: true, DPoPAlgorithms: []string{"ES256"}},
		&gatehouse.JWTVerifier{
			Issuer: s.URL, Audience: v.url, Keys: v, RequireDPoP: true, CacheSize: -1,
			DPoP: &gatehouse.DPoP{RequireNonce: true}, Now: func() time.Time { return v.now() },
		})
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		noted := &status{ResponseWriter: w}
		w.Header().Set("Date", v.date().UTC().Format(http.TimeFormat))
		door.ServeHTTP(noted, r)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.seen = append(v.seen, strings.TrimSpace(http.StatusText(noted.is)+" "+r.Method))
	})
	mux.Handle("/moved", http.RedirectHandler("/mcp", http.StatusPermanentRedirect))
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": s.URL, "token_endpoint": s.URL + "/token", "dpop_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("/token", v.token)
	return v
}

// status is an answer's status.
type status struct {
	http.ResponseWriter
	is int
}

func (s *status) WriteHeader(is int) {
	s.is = is
	s.ResponseWriter.WriteHeader(is)
}

func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush has an event stream be one.
func (s *status) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// token gives out a token that is bound to the key of the proof.
func (v *vault) token(w http.ResponseWriter, r *http.Request) {
	p, err := jws.ReadProof(r.Header.Get("DPoP"), jws.Algorithms())
	if err != nil {
		http.Error(w, `{"error":"invalid_dpop_proof"}`, http.StatusBadRequest)
		return
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: v.keys[0]}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	now := time.Now().Unix()
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": strings.TrimSuffix(v.url, "/mcp"), "aud": v.url, "sub": "ada", "client_id": "desk", "jti": rand.Text(), "iat": now, "exp": now + 6*3600,
		"cnf": map[string]string{"jkt": p.Thumbprint},
	}).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	v.mu.Lock()
	v.tokens++
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": text, "token_type": "DPoP", "expires_in": 6 * 3600})
}

// told is what the server answered, since it was asked last.
func (v *vault) told() (seen []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seen, v.seen = v.seen, nil
	return seen
}

// machine signs in to a server by itself.
func machine(t *testing.T, server string) *signin.Client {
	t.Helper()
	kept, err := keychain.Open(t.Context(), keychain.Options{Dir: t.TempDir(), NoRing: true})
	if err != nil {
		t.Fatal(err)
	}
	return &signin.Client{
		Server: server, Store: kept, Grant: signin.ClientCredentials, Registered: &signin.Registered{ID: "desk", Secret: "very-secret"}, Log: slog.New(slog.DiscardHandler),
	}
}

// TestA054EveryRequestIsProved: by every transport each request has a proof of its own.
func TestA054EveryRequestIsProved(t *testing.T) {
	streamable := func(stateless bool) http.Handler {
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return everything() }, &mcp.StreamableHTTPOptions{Stateless: stateless})
	}
	tests := map[string]struct {
		server  http.Handler
		version string
	}{
		"sessions":   {streamable(false), words.Version20251125},
		"2026-07-28": {streamable(true), words.Version20260728},
		"HTTP+SSE":   {mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return everything() }, nil), words.Version20251125},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := locks(t, tt.server)
			s := clientBy(t, machine(t, v.url), v.url, tt.version)
			for range 3 {
				if got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]int{"A": 1, "B": 2}}); err != nil || got.IsError {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
			refused := slices.DeleteFunc(v.told(), func(one string) bool { return !strings.HasPrefix(one, "Unauthorized") })
			if v.tokens != 1 || len(refused) != 2 { // without a credential, and without a nonce
				t.Errorf("%d tokens were given out, refused were %q", v.tokens, refused)
			}
		})
	}
}

func TestANonceThatChangesCostsNoCall(t *testing.T) {
	calls := 0
	o := &old{call: func(w http.ResponseWriter, _ *http.Request, q asked) { calls++; answer(w, q.ID, `{}`) }}
	v := locks(t, o)
	ahead := time.Duration(0)
	var mu sync.Mutex
	v.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(ahead)
	}
	v.date = v.now
	at := strings.TrimSuffix(v.url, "/mcp") + "/moved" // by a redirect within the origin, where another URL is proved
	for _, to := range []string{v.url, at} {
		t.Run(to, func(t *testing.T) {
			calls = 0
			d := sit(t, to, func(b *Bridge) { b.Access = machine(t, v.url) })
			if got := d.hello(); len(got.Result) == 0 {
				t.Fatalf("got %+v", got)
			}
			for i := 1; i < 4; i++ {
				mu.Lock()
				ahead += 20 * time.Minute // the nonce is another one then, and the machine's clock wrong
				mu.Unlock()
				d.say(callLine, i)
				if got := d.hear(); len(got.Result) == 0 {
					t.Errorf("got %+v", got)
				}
			}
			if calls != 3 {
				t.Errorf("it was called %d times", calls)
			}
		})
	}
}

// TestA054AServerThatNeverHasEnough: a proof is made once more, and then no window, token or loop helps.
func TestA054AServerThatNeverHasEnough(t *testing.T) {
	v := locks(t, http.NotFoundHandler())
	v.now = func() time.Time { return time.Now().Add(time.Hour) } // and says another
	d := sit(t, v.url, func(b *Bridge) { b.Access = machine(t, v.url) })
	d.say(callLine, 1)
	if got := d.hear(); !strings.HasPrefix(got.Error.Message, signin.CodeProof) {
		t.Errorf("got %+v", got)
	}
	if seen := v.told(); len(seen) > 6 || v.tokens != 1 {
		t.Errorf("%d tokens were given out, it said %q", v.tokens, seen)
	}
}
