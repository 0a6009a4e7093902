package access_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// tokens knows one token, or refuses.
type tokens struct {
	active token.Active
	err    error
}

func (k *tokens) Verify(context.Context, *gatehouse.Credential) (*token.Active, error) {
	if k.err != nil {
		return nil, k.err
	}
	return &k.active, nil
}

func (k *tokens) Watch(ctx context.Context, _ *token.Active) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// TestNoIssuerSpeaksForAKey has an issuer name subjects that could be taken for
// somebody else's.
func TestNoIssuerSpeaksForAKey(t *testing.T) {
	for name, id := range map[string]gatehouse.Identity{
		"a key's":                   {Issuer: "https://i.test", Subject: "key:7Qm2Vx9KtB4c"},
		"one that ends early":       {Issuer: "https://i.test", Subject: "ada\x00eve"},
		"a client that joins texts": {Issuer: "https://i.test", Subject: "ada", Client: "c\x00https://i.test\x00eve"},
		"nobody's":                  {Issuer: "https://i.test"},
		"of no issuer":              {Subject: "ada"},
	} {
		g := &access.Guard{Tokens: &tokens{active: token.Active{Identity: id}}}
		c, err := g.Admit(t.Context(), &gatehouse.Credential{Text: "a token"})
		if e, ok := errors.AsType[*gatehouse.Error](err); c != nil || !ok || e.Code != "GH-1117" {
			t.Errorf("%s: got %v, %v, want GH-1117", name, c, err)
		}
	}
	good := &access.Guard{Tokens: &tokens{active: token.Active{Identity: gatehouse.Identity{Issuer: "https://i.test", Subject: "ada"}}}}
	if _, err := good.Admit(t.Context(), &gatehouse.Credential{Text: "a token"}); err != nil {
		t.Errorf("got %v for a plain subject", err)
	}
}

// noKeys knows no text as a key.
type noKeys struct{ access.Keys }

func (noKeys) Verify(context.Context, *gatehouse.Credential) (*apikey.Active, error) {
	return nil, gatehouse.ErrNotMine
}

// TestWhatIsNoKeyIsNotCalledOne: somebody who sends another service's token is not
// told of a key, and who sends a key is told the same.
func TestWhatIsNoKeyIsNotCalledOne(t *testing.T) {
	foreign, key := "sk-somebody-elses", "gthk_7Qm2Vx9KtB4c"
	for name, g := range map[string]*access.Guard{
		"keys": {Keys: noKeys{}}, "tokens": {Tokens: &tokens{err: gatehouse.ErrNotMine}}, "both": {Keys: noKeys{}, Tokens: &tokens{err: gatehouse.ErrNotMine}}, "neither": {},
	} {
		for _, text := range []string{foreign, key} {
			_, err := g.Admit(t.Context(), &gatehouse.Credential{Text: text})
			e, ok := errors.AsType[*gatehouse.Error](err)
			if !ok || e.Code != "GH-1011" || e.Status != 401 || e.Description != "Credential not accepted." {
				t.Errorf("%s: %s: got %v, want GH-1011 that speaks of no key", name, text, err)
			}
		}
	}
}

// TestGenuineTokensDoNotBan refuses the same address many times.
func TestGenuineTokensDoNotBan(t *testing.T) {
	for code, banned := range map[string]bool{"GH-1109": false, "GH-1104": false, "GH-1112": false, "GH-1115": false, "GH-1102": true, "GH-1101": true} {
		k := &tokens{err: gatehouse.Refuse(code, "Refused.", nil)}
		g := &access.Guard{Tokens: k, Limits: &access.Limits{Counters: access.NewCounters()}}
		g.Limits.Counters.Bans.Set(perMinute(5), time.Minute)
		var last error
		for range 20 {
			_, last = g.Admit(t.Context(), &gatehouse.Credential{Text: "a token", From: netip.MustParseAddr("198.51.100.7")})
		}
		e, _ := errors.AsType[*gatehouse.Error](last)
		if got := e != nil && e.Code == "GH-1502"; got != banned {
			t.Errorf("%s: got %v, want a ban: %v", code, last, banned)
		}
	}
}
