package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// Tokens are bound to the certificate of a client that asks for it and proves who
// it is; it is told when they are not. RFC 8705 §3.4
func TestBoundTokensAreAskedFor(t *testing.T) {
	h := newHouse(t)
	with := func(method, bound string) string {
		return `{"redirect_uris":["https://a.test/cb"],"token_endpoint_auth_method":"` + method + `","tls_client_certificate_bound_access_tokens":` + bound + `}`
	}
	for _, tt := range []struct {
		method, bound string
		want          bool
	}{{oauth.AuthSecretBasic, "true", true}, {oauth.AuthSecretBasic, "false", false}, {oauth.AuthSecretBasic, "null", false}, {oauth.AuthNone, "true", false}} {
		r := h.register(t, with(tt.method, tt.bound))
		if c := h.find(t, r.ID); c.Bound != tt.want || r.Bound != tt.want || strings.Contains(strings.Join(r.Dropped, " "), "certificate") != (tt.method == oauth.AuthNone) {
			t.Errorf("%s, %s: got %v, told %v, dropped %q", tt.method, tt.bound, c.Bound, r.Bound, r.Dropped)
		}
	}
	_, err := h.Register(t.Context(), []byte(with(oauth.AuthSecretBasic, `"true"`)))
	wantCode(t, "a text", err, oauth.InvalidMetadata, "GH-1408")
	made, _, err := h.Create(t.Context(), &client.Spec{Name: "CI", Bound: true, By: "ada"})
	if err != nil || !h.find(t, made.ID).Bound {
		t.Errorf("got %+v, %v, want one whose tokens are bound", made, err)
	}
	if _, _, err := h.Create(t.Context(), &client.Spec{Name: "CI", Bound: true, Method: oauth.AuthNone, Redirects: []string{"https://a.test/cb"}}); !errors.Is(err, client.ErrWrong) {
		t.Errorf("a public one: got %v", err)
	}
}
