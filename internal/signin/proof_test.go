package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// bank is what an authorization server sees of the proofs that it is shown, and
// what it wants in them.
type bank struct {
	w      *world
	proofs []*jws.Proof // of token requests; nil: there was none
	jkt    string       // of the code
	nonce  string       // that proofs have to have; empty: any
	says   string       // of the token's type; empty: as the proof has it
	next   func() string
}

// binds has an authorization server bind its tokens to keys, and its server know of it.
func (w *world) binds() *bank {
	b := &bank{w: w}
	w.asm["dpop_signing_alg_values_supported"] = []string{"ES256"}
	w.prm["dpop_signing_alg_values_supported"] = []string{"ES256", "EdDSA"}
	w.before = b.before
	return b
}

func (b *bank) before(rw http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/authorize" {
		b.jkt = r.URL.Query().Get("dpop_jkt")
	}
	if r.URL.Path != "/token" {
		return false
	}
	if b.next != nil {
		b.nonce = b.next()
	}
	if b.nonce != "" {
		rw.Header().Set("DPoP-Nonce", b.nonce)
	}
	var p *jws.Proof
	kind := "Bearer"
	if shown := r.Header.Values("DPoP"); len(shown) > 0 {
		var err error
		if p, err = jws.ReadProof(shown[0], jws.Algorithms()); err != nil || len(shown) > 1 {
			b.w.t.Errorf("proofs %q: %v", shown, err)
		}
		kind = "DPoP"
	}
	b.proofs = append(b.proofs, p)
	if p != nil && p.Nonce != b.nonce && b.nonce != "" {
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(rw, `{"error":"use_dpop_nonce"}`)
		return true
	}
	if b.says != "" {
		kind = b.says
	}
	n := len(b.proofs)
	b.w.token = func(url.Values) (int, string) {
		return 200, fmt.Sprintf(`{"access_token":"at-%d","token_type":"%s","expires_in":3600,"refresh_token":"rt-%d"}`, n, kind, n)
	}
	return false
}

// sends has a credential put on a request, and returns the proof that it shows.
func (w *world) sends(cred *Credential, method, to string) *jws.Proof {
	w.t.Helper()
	r, err := http.NewRequest(method, to, http.NoBody)
	if err == nil {
		err = cred.Apply(r)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); got != "DPoP "+cred.text || len(r.Header.Values("DPoP")) != 1 {
		w.t.Fatalf("got %q with the proofs %q", got, r.Header.Values("DPoP"))
	}
	p, err := jws.ReadProof(r.Header.Get("DPoP"), jws.Algorithms())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// answered is the answer to a request with a credential.
func answered(to string, status int, header ...string) *http.Response {
	u, _ := url.Parse(to)
	res := &http.Response{StatusCode: status, Header: http.Header{}, Request: &http.Request{URL: u}}
	for i := 0; i < len(header); i += 2 {
		res.Header.Add(header[i], header[i+1])
	}
	return res
}

func TestTokensAreBoundToAKeyWhereBothKnowHow(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	cred, err := w.first(w.client())
	if err != nil {
		t.Fatal(err)
	}
	asked := b.proofs[0]
	if asked == nil || asked.Thumbprint != b.jkt || asked.Method != "POST" || asked.URL != w.url+"/token" || asked.Hash != "" || asked.Nonce != "" {
		t.Fatalf("the token was asked for with %+v, the code with %q", asked, b.jkt)
	}
	sum := sha256.Sum256([]byte(cred.text))
	first, second := w.sends(cred, http.MethodPost, w.url+"/mcp?x=1#y"), w.sends(cred, http.MethodGet, w.url)
	if first.Thumbprint != b.jkt || first.Method != "POST" || first.URL != w.url+"/mcp" || first.Hash != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("the request was proved by %+v", first)
	}
	if second.Method != "GET" || second.URL != w.url+"/" || second.ID == first.ID {
		t.Errorf("another one by %+v", second)
	}
	if since := time.Since(time.Unix(int64(first.Issued), 0)); since < -2*time.Second || since > time.Minute {
		t.Errorf("it was made %s ago", since)
	}
	all, err := Accounts(t.Context(), w.store)
	if err != nil || len(all) != 1 || !all[0].Bound {
		t.Errorf("status: %+v, %v", all, err)
	}
}

func TestTheKeyIsKeptWithTheTokenAndRenewsIt(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	if _, err := w.first(w.client()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 { // as many bridges
		all.Go(func() {
			c := w.client()
			c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
			cred, err := c.Credential(t.Context())
			if err != nil || cred.text != "at-2" || w.sends(cred, "POST", w.url+"/mcp").Thumbprint != b.jkt {
				t.Errorf("got %+v, %v", cred, err)
			}
		})
	}
	all.Wait()
	if len(b.proofs) != 2 || b.proofs[1] == nil || b.proofs[1].Thumbprint != b.jkt {
		t.Errorf("it was renewed with %+v", b.proofs)
	}
	if _, err := w.client().Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.proofs[2].Thumbprint == b.proofs[0].Thumbprint {
		t.Error("another sign-in has the same key")
	}
}

// TestA054WhichTokensAreBound: a token is bound where both servers know how, and where one
// insists; one that should be bound and is not, is not used.
func TestA054WhichTokensAreBound(t *testing.T) {
	tests := []struct {
		name      string
		is        func(w *world, b *bank)
		challenge string
		bound     bool
		want      string // code; empty: signed in
	}{
		{"the server knows nothing of it", func(w *world, _ *bank) { delete(w.prm, "dpop_signing_alg_values_supported") }, "Bearer", false, ""},
		{"the authorization server knows nothing of it", func(w *world, _ *bank) { delete(w.asm, "dpop_signing_alg_values_supported") }, "Bearer", false, ""},
		{"the challenge offers it", func(w *world, _ *bank) { delete(w.prm, "dpop_signing_alg_values_supported") }, `Bearer, DPoP algs="ES256"`, true, ""},
		{"the challenge asks for nothing else", func(w *world, _ *bank) { delete(w.asm, "dpop_signing_alg_values_supported") }, `DPoP algs="ES256"`, true, ""},
		{"the server insists", func(w *world, _ *bank) {
			delete(w.asm, "dpop_signing_alg_values_supported")
			w.prm["dpop_bound_access_tokens_required"] = true
		}, "Bearer", true, ""},
		{"no algorithm in common", func(w *world, _ *bank) { w.asm["dpop_signing_alg_values_supported"] = []string{"ES384"} }, "Bearer", false, ""},
		{"no algorithm that we have", func(w *world, _ *bank) {
			w.asm["dpop_signing_alg_values_supported"] = []string{"none", "HS256", "ES256K"}
			delete(w.prm, "dpop_signing_alg_values_supported")
		}, "DPoP", false, CodeProof},
		{"no algorithm in common with the challenge", func(*world, *bank) {}, `DPoP algs="EdDSA"`, false, CodeProof},
		{"it is not bound, and need not be", func(_ *world, b *bank) { b.says = "bearer" }, "Bearer", false, ""},
		{"it is not bound, and has to be", func(w *world, b *bank) { b.says = "Bearer"; w.prm["dpop_bound_access_tokens_required"] = true }, "Bearer", false, CodeProof},
		{"it is not bound, and the challenge wants nothing else", func(_ *world, b *bank) { b.says = "Bearer" }, "DPoP", false, CodeProof},
		{"it is bound, to whom nobody knows", func(w *world, b *bank) { delete(w.asm, "dpop_signing_alg_values_supported"); b.says = "DPoP" }, "Bearer", false, CodeProof},
		{"it is of another type", func(_ *world, b *bank) { b.says = "mac" }, "Bearer", false, CodeToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.is(w, w.binds())
			cred, err := w.client().Renew(t.Context(), refusal(401, tt.challenge, nil))
			if tt.want != "" {
				if code(err) != tt.want {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if kept, err := w.client().Credential(t.Context()); kept != nil || err != nil {
					t.Errorf("it is kept: %v, %v", kept, err)
				}
				return
			}
			if err != nil || (cred.key != nil) != tt.bound {
				t.Fatalf("got %v, bound: %v, want %v", err, cred != nil && cred.key != nil, tt.bound)
			}
			r, _ := http.NewRequest(http.MethodPost, w.url+"/mcp", http.NoBody)
			if err := cred.Apply(r); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]string{true: "DPoP ", false: "Bearer "}[tt.bound] + cred.text; r.Header.Get("Authorization") != want || (r.Header.Get("DPoP") != "") != tt.bound {
				t.Errorf("sent as %v", r.Header)
			}
		})
	}
}

// TestA054BoundStaysBound: what was bound to a key never goes out as what anybody could use.
func TestA054BoundStaysBound(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	cred, err := w.first(w.client())
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"http://127.0.0.1:1/mcp", "https" + strings.TrimPrefix(w.url, "http") + "/mcp"} {
		r, _ := http.NewRequest(http.MethodPost, to, http.NoBody)
		if err := cred.Apply(r); err != nil || r.Header.Get("Authorization") != "" || r.Header.Get("DPoP") != "" {
			t.Errorf("%s gets %v, %v", to, r.Header, err)
		}
	}
	b.says = "Bearer" // the authorization server does not bind any more
	c := w.client()
	c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	got, err := c.Credential(t.Context())
	if err != nil || got.text != cred.text || got.key == nil {
		t.Errorf("got %+v, %v: want the one that ends", got, err)
	}
	w.sends(got, "POST", w.url+"/mcp")
	got, err = c.Renew(t.Context(), refusal(401, `DPoP error="invalid_token", Bearer`, got)) // by another sign-in, as both are now
	if err != nil || got.text != "at-3" || got.key != nil || w.visits != 2 {
		t.Errorf("got %+v, %v after %d visits", got, err, w.visits)
	}
}

func TestAServerThatInsistsOnBoundTokensSinceTheSignIn(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	delete(w.prm, "dpop_signing_alg_values_supported")
	c := w.client()
	cred, err := w.first(c)
	if err != nil || cred.key != nil {
		t.Fatalf("got %+v, %v", cred, err)
	}
	w.prm["dpop_bound_access_tokens_required"] = true
	cred, err = c.Renew(t.Context(), refusal(401, `DPoP error="invalid_token", algs="ES256"`, cred))
	if err != nil || cred.key == nil || w.visits != 2 || w.forms[1].Get("grant_type") != "authorization_code" {
		t.Fatalf("got %+v, %v after %d visits", cred, err, w.visits)
	}
	w.sends(cred, "POST", w.url+"/mcp")
	if len(b.proofs) != 2 || b.proofs[0] != nil || b.proofs[1] == nil {
		t.Errorf("the tokens were asked for with %+v", b.proofs)
	}
	w.token = nil
	b.says = "Bearer"
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := c.Renew(t.Context(), refusal(401, `DPoP error="invalid_token"`, cred)); code(err) != CodeProof {
		t.Errorf("got %v", err)
	}
}

func TestAnAuthorizationServerThatAsksForProofsWithoutSayingSo(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	delete(w.asm, "dpop_signing_alg_values_supported")
	delete(w.prm, "dpop_signing_alg_values_supported")
	then := w.before
	b.nonce = "n-1" // and then for a nonce in them
	w.before = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" && r.Header.Get("DPoP") == "" {
			b.proofs = append(b.proofs, nil)
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(rw, `{"error":"invalid_dpop_proof"}`)
			return true
		}
		return then(rw, r)
	}
	cred, err := w.first(w.client())
	if err != nil || len(b.proofs) != 3 || w.visits != 1 {
		t.Fatalf("got %v after %d requests and %d visits", err, len(b.proofs), w.visits)
	}
	if w.sends(cred, "POST", w.url+"/mcp").Thumbprint != b.proofs[2].Thumbprint {
		t.Error("it is used with another key")
	}
}

func TestNoncesOfTheAuthorizationServer(t *testing.T) {
	w := newWorld(t)
	b := w.binds()
	b.nonce = "n-1"
	c := w.client()
	cred, err := w.first(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := c.Credential(t.Context()); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, p := range b.proofs {
		said = append(said, p.Nonce)
	}
	if !slices.Equal(said, []string{"", "n-1", "n-1"}) {
		t.Errorf("the proofs had the nonces %q", said)
	}
	if p := w.sends(cred, "POST", w.url+"/mcp"); p.Nonce != "" {
		t.Errorf("the server, at the same origin, gets the nonce %q of another role", p.Nonce)
	}
	n := 10
	b.next = func() string { n++; return fmt.Sprintf("n-%d", n) } // which nobody can know
	c.Now = func() time.Time { return time.Now().Add(4 * time.Hour) }
	if _, err := c.Credential(t.Context()); code(err) != CodeToken || n != 12 {
		t.Errorf("got %v after %d requests, want two", err, n-10)
	}
}
