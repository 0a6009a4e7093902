package token_test

import (
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// Whose token was revoked is known, whether it is remembered or new.
func TestARevokedTokenTellsOperatorsWhoseItIs(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Iat: h.clock().Unix(), Exp: h.clock().Unix() + 3600})
	h.in(t, text)
	h.pass(time.Second)
	h.revoke(t, mark(token.KindSubject, acmeIDP, "ada", time.Time{}))
	for range 2 {
		_, err := h.sees(t, text)
		wantCode(t, err, "GH-1130")
		wantWhose(t, err, acmeIDP)
		h.v = h.verifier(t, nil)
	}
}
