package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// reads has a bridge call a tool, as a client of 2025-11-25 does.
func (l *talker) reads(id int) {
	l.t.Helper()
	m, err := l.ask(id, "tools/call", `{"name":"`+reading+`","arguments":{}}`)
	if err == nil && m.Error != nil {
		err = fmt.Errorf("%s", m.Error.Message)
	}
	if err != nil {
		l.t.Error(err)
	}
}

// TestBridgesShareOneSignIn starts bridges at once: one window opens. When their
// token is revoked, one of them renews it. When the authorization server has lost
// everything, one registers anew and one window opens.
func TestBridgesShareOneSignIn(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")
	d := newDesktop(t, f, ada)
	bridges := make([]*talker, 4)
	all := func(does func(*talker)) {
		var busy sync.WaitGroup
		for _, l := range bridges {
			busy.Go(func() { does(l) })
		}
		busy.Wait()
	}
	for i := range bridges {
		bridges[i] = talk(t, d.env, d.bridge(f.url)...)
	}
	all(func(l *talker) { l.hello(); l.reads(1) })
	if n := d.visits.Load(); n != 1 {
		t.Errorf("%d windows opened, want one", n)
	}
	first := d.token()
	_, claims := peek(t, first)
	f.run("token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"]), "--yes")
	all(func(l *talker) { l.reads(2) })
	if n := ada.told("refresh", "ok"); n != 1 || d.visits.Load() != 1 {
		t.Errorf("%d renewed the token, %d windows opened, want one and one", n, d.visits.Load())
	}
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "state")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.dir, "kek"), strings.Repeat("l", 40))
	f.launch(t)
	*ada = *settle(t, f, "ada")
	all(func(l *talker) { l.reads(3) })
	if n := d.visits.Load(); n != 2 {
		t.Errorf("%d windows opened, want a second one", n)
	}
	if _, now := peek(t, d.token()); now["client_id"] == claims["client_id"] {
		t.Error("it has the client id from before")
	}
	all((*talker).bye)
}

// vouches is a company's identity provider that makes an identity assertion of an
// ID token. draft-ietf-oauth-identity-assertion-authz-grant §4
func vouches(t *testing.T) (issuer string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("oauth-id-jag+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(nil)
	t.Cleanup(s.Close)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var said any
		switch r.URL.Path {
		case "/keys":
			said = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
		case "/token":
			if r.FormValue("subject_token") != "the ID token" || r.FormValue("requested_token_type") != "urn:ietf:params:oauth:token-type:id-jag" {
				http.Error(w, "{}", http.StatusBadRequest)
				return
			}
			now := time.Now().Unix()
			text, err := jwt.Signed(signer).Claims(map[string]any{
				"iss": s.URL, "sub": "ada@acme", "aud": r.FormValue("audience"), "resource": r.FormValue("resource"), "client_id": "desk",
				"jti": rand.Text(), "iat": now, "exp": now + 60, "scope": "tools:read",
			}).Serialize()
			if err != nil {
				t.Error(err)
			}
			said = map[string]any{"access_token": text, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A", "expires_in": 60}
		default:
			said = map[string]any{"issuer": s.URL, "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/keys"}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(said)
	})
	return s.URL
}

// through signs in by a grant, calls a tool, and again when the token was revoked. It
// returns the claims of the first token.
func through(t *testing.T, f *front, ada *resident, env []string, args ...string) map[string]any {
	t.Helper()
	d := newDesktop(t, f, ada)
	if args[0] == "login" {
		d.login(f, ada, args...)
		args = nil
	}
	l := talk(t, append(d.env, env...), d.bridge(append(args, f.url)...)...)
	l.hello()
	l.reads(1)
	first := d.token()
	_, claims := peek(t, first)
	f.run("token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"]), "--yes")
	l.reads(2)
	l.bye()
	if n := d.visits.Load(); n != 0 {
		t.Errorf("%d windows opened", n)
	}
	if d.token() == first || claims["aud"] != f.url || claims["cnf"] == nil {
		t.Errorf("got a token of %v, want another one after it was revoked, both for a key", claims)
	}
	return claims
}

// login signs in on a machine without a browser.
func (d *desktop) login(f *front, ada *resident, args ...string) {
	d.t.Helper()
	cmd := exec.Command(d.bridge()[0], append(d.bridge(args...)[1:], f.url)...)
	cmd.Env = d.env
	p := start(d.t, cmd)
	var at []string
	eventually(d.t, "it says where to go", func() bool {
		at = toApprove.FindStringSubmatch(p.stdout.String() + p.stderr.String())
		return at != nil
	})
	if _, err := ada.visit(d.t.Context(), at[1]); err != nil {
		d.t.Fatal(err)
	}
	err := <-p.done
	p.done <- err
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestBridgesWithoutABrowser sign in by each other grant at our own authorization
// server, in the words of docs/how-to/bridge.md.
func TestBridgesWithoutABrowser(t *testing.T) {
	t.Parallel()
	f, acme := reserved(t), vouches(t)
	f.embedded = `accounts: true, assertions: [{issuer: "` + acme + `", private: [127.0.0.1]}]`
	f.openOwn(t, goServer(t, true))
	ada := settle(t, f, "ada")
	ci := f.makes(t, "client_secret_basic", "--scope", "tools:read")
	desk := f.makes(t, "client_secret_basic", "--id", "desk", "--redirect-uri", "http://127.0.0.1/callback", "--grant", "urn:ietf:params:oauth:grant-type:jwt-bearer")
	t.Run("device", func(t *testing.T) {
		t.Parallel()
		if claims := through(t, f, ada, nil, "login", "--grant", "device"); claims["sub"] != ada.id || ada.told("refresh", "ok") != 1 {
			t.Errorf("got a token of %v", claims)
		}
	})
	t.Run("client-credentials", func(t *testing.T) {
		t.Parallel()
		claims := through(t, f, ada, []string{"SECRET=" + ci.secret}, "--grant", "client-credentials", "--client-id", ci.id, "--client-secret-from", "env:SECRET")
		if claims["sub"] != "client:"+ci.id {
			t.Errorf("got a token of %v", claims)
		}
	})
	t.Run("enterprise", func(t *testing.T) {
		t.Parallel()
		claims := through(t, f, ada, []string{"SECRET=" + desk.secret, "ID_TOKEN=the ID token"}, "--grant", "enterprise", "--client-id", desk.id, "--client-secret-from", "env:SECRET",
			"--idp-issuer", acme, "--idp-client-id", "desk-at-acme", "--id-token-from", "env:ID_TOKEN")
		if claims["client_id"] != "desk" || claims["scope"] != "tools:read" {
			t.Errorf("got a token of %v", claims)
		}
	})
}
