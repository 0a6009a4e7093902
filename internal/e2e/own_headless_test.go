package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// toApprove is what mcp-remote says when it has no browser.
var toApprove = regexp.MustCompile(`(https://\S+/device\?\S+)`)

// TestProgramsSignInWithoutABrowser has mcp-remote get its tokens as a device
// whose user is elsewhere, and as a program that speaks for itself. Both go on
// when their token is revoked.
func TestProgramsSignInWithoutABrowser(t *testing.T) {
	t.Parallel()
	f := reserved(t)
	f.openOwn(t, goServer(t, true))
	ci := f.makes(t, "client_secret_basic", "--scope", "tools:read")
	t.Run("device", func(t *testing.T) {
		t.Parallel()
		user := settle(t, f, "ada")
		token := f.headless(t, known{}, "--device-code", func(said *output) {
			var at []string
			eventually(t, "it says where to go", func() bool {
				at = toApprove.FindStringSubmatch(said.String())
				return at != nil
			})
			if _, err := user.visit(t.Context(), at[1]); err != nil {
				t.Error(err)
			}
		})
		if _, claims := peek(t, token); claims["sub"] != user.id || claims["aud"] != f.url || user.told("refresh", "ok") != 1 {
			t.Errorf("got a token of %v after %d refreshes, want one of %s after one", claims, user.told("refresh", "ok"), user.id)
		}
	})
	t.Run("client credentials", func(t *testing.T) {
		t.Parallel()
		token := f.headless(t, ci, "--client-credentials", func(*output) {})
		if _, claims := peek(t, token); claims["sub"] != "client:"+ci.id || claims["aud"] != f.url || claims["scope"] != "tools:read" {
			t.Errorf("got a token of %v", claims)
		}
	})
}

// headless has mcp-remote call a tool, and again when its token is revoked. It
// returns the last token.
func (f *front) headless(t *testing.T, k known, how string, meanwhile func(said *output)) (token string) {
	t.Helper()
	w := openWindow(t, func(_ *window, at string) { t.Errorf("a browser was opened for %s", at) })
	cmd, said := w.remote(t, f, k, how)
	type connection struct {
		*mcp.ClientSession
		err error
	}
	up := make(chan connection, 1)
	go func() {
		s, err := mcp.NewClient(&mcp.Implementation{Name: "gatehouse-e2e", Version: "1"}, nil).Connect(w.ctx, &mcp.CommandTransport{Command: cmd}, nil)
		up <- connection{s, err}
	}()
	meanwhile(said)
	s := <-up
	if s.err != nil {
		t.Fatal(s.err)
	}
	defer func() { _ = s.Close() }()
	var none atomic.Int64
	for range 2 {
		if r := goStep(w.ctx, s.ClientSession, reading, &none); r.Error != "" || r.Text == "" {
			t.Errorf("got %+v, want an answer", r)
		}
		if token != "" {
			break
		}
		token = w.keeps(t, remoteKept)
		_, claims := peek(t, token)
		f.run("token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"]), "--yes")
		eventually(t, "the token is refused", func() bool { return f.call(token, reading).status == http.StatusUnauthorized })
	}
	return w.keeps(t, remoteKept)
}
