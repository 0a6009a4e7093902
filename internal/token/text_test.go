package token_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func TestRead(t *testing.T) {
	h := newHouse(t)
	text := jwt(t, claims{Jti: "1", Iat: 100, Exp: 200})
	p, err := token.Read(" " + text + "\n")
	if err != nil || p.Target != (token.Target{Kind: token.KindID, Issuer: acmeIDP, Value: "1"}) || p.Subject != "ada" || p.Expires.Unix() != 200 || p.Issued.Unix() != 100 {
		t.Errorf("got %+v, %v", p, err)
	}
	// Without a jti its fingerprint does, whatever its signature is rewritten to.
	nameless := jwt(t, claims{Exp: h.clock().Unix() + 99})
	p, err = token.Read(nameless)
	must(t, err)
	if p.Kind != token.KindToken || len(p.Value) != 64 {
		t.Fatalf("got %+v, want a fingerprint", p)
	}
	h.in(t, nameless)
	h.revoke(t, token.Spec{Target: p.Target})
	h.out(t, nameless, "GH-1130")
	if q, err := token.Read(strings.TrimSuffix(nameless, "good") + "malleable"); err != nil || q.Target != p.Target {
		t.Errorf("got %+v, %v for another signature", q, err)
	}
	if p, err := token.Read("opaque-token"); err != nil || p.Kind != token.KindToken {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, bad := range []string{"", " ", "a b", "ü", strings.Repeat("a", 20000), "eyJhbGciOiJub25lIn0.!!.x"} {
		if _, err := token.Read(bad); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("%.20q: got %v, want ErrInvalid", bad, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(jwt(f, claims{Jti: "1", Iat: 100, Exp: 200}))
	f.Add("opaque")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIiwiSVNTIjoiYiJ9.x")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := token.Read(text)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
