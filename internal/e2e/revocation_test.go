package e2e

import (
	"net/http"
	"testing"
	"time"
)

// TestA068RevokedTokensStayRevokedOverAKill revokes a real provider's tokens in
// every way, kills the program the moment that each is acknowledged, and tries
// them at the next one. What was not revoked, and what is issued afterwards, is good.
func TestA068RevokedTokensStayRevokedOverAKill(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	good := func(token string) bool { return e.call(token, "get_a").status == http.StatusOK }
	for _, tt := range []struct {
		name   string
		revoke func(token string) []string
	}{
		{"by itself", func(token string) []string { return []string{token} }},
		{"with its subject", func(string) []string { return []string{"--issuer", "shared", "--subject", "bob"} }},
		{"with its tenant", func(string) []string { return []string{"--tenant", "beta"} }},
	} {
		time.Sleep(1100 * time.Millisecond) // iat has seconds: what was revoked in this one would include the next token
		token := e.token(e.shared, "bob")
		eventually(t, "the token is good", func() bool { return good(token) })
		e.run(append([]string{"token", "revoke", "--yes"}, tt.revoke(token)...)...)
		e.kill(t)
		e.launch(t)
		for range 3 {
			got := e.call(token, "get_a")
			got.wantRefusal(t, "a token that was revoked "+tt.name, http.StatusUnauthorized, "GH-1130", "")
		}
		if !good(e.ada) {
			t.Errorf("%s: somebody else's token is refused too", tt.name)
		}
	}
	time.Sleep(1100 * time.Millisecond)
	if token := e.token(e.shared, "bob"); !good(token) {
		t.Error("who signs in anew is not let in")
	}
}
