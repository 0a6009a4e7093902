package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// RFC 6238 Appendix B, SHA-1, of which the last six digits are shown here.
func TestCodesOfRFC6238(t *testing.T) {
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := login.CodeAt([]byte("12345678901234567890"), time.Unix(at, 0)); got != want {
			t.Errorf("at %d: got %s, want %s", at, got, want)
		}
	}
}

func TestOffer(t *testing.T) {
	h := newHouse(t)
	o, err := h.OfferCodes(h.user(t, "ada"))
	must(t, err)
	if !strings.HasPrefix(o.URL, "otpauth://totp/Acme%20Notes:ada?") || !strings.Contains(o.URL, "issuer=Acme%20Notes") || len(strings.ReplaceAll(o.Text, " ", "")) != 32 {
		t.Errorf("got %+v", o)
	}
	if strings.Contains(o.Sealed, strings.ReplaceAll(o.Text, " ", "")) || len(take(t, o)) != 20 {
		t.Errorf("got %+v", o)
	}
}
