package grant_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

func TestACodeIsRedeemedForWhatWasAllowed(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	g, err := s.Redeem(t.Context(), redemption(h.code(s)))
	if err != nil {
		t.Fatal(err)
	}
	want := h.authorization().Grant
	if g.Tenant != h.def || g.Client != "cli" || g.Subject != "usr_ada" || g.Resource != resource || len(g.Scopes) != 2 || g.Identity != want.Identity ||
		!g.AuthTime.Equal(want.AuthTime) || g.Flow != "flow1" || g.Generation != 1 || g.State(h.now()) != grant.Active {
		t.Errorf("got %+v", g)
	}
	if !g.Expires.Equal(h.now().Add(30*24*time.Hour)) || !g.Idle.Equal(h.now().Add(24*time.Hour)) {
		t.Errorf("got %v and %v, want the lives of the settings", g.Expires, g.Idle)
	}
}

func TestA001ACodeThatComesAgainEndsItsGrant(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	code := h.code(s)
	g, err := s.Redeem(t.Context(), redemption(code))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.service().Redeem(t.Context(), redemption(code)); !errors.Is(err, grant.ErrSpent) {
		t.Errorf("got %v, want ErrSpent", err)
	}
	if !h.accessEnded(g.ID) {
		t.Error("its access tokens are accepted")
	}
	if _, _, err := s.Refresh(t.Context(), refresh(s.RefreshTokenOf(g))); !errors.Is(err, grant.ErrRevoked) {
		t.Errorf("refresh: got %v, want ErrRevoked", err)
	}
}

// A code that was used tells of a theft for as long as its grant lives, not only
// while it could have been redeemed. RFC 6749 §4.1.2
func TestA001ACodeThatComesAgainLateEndsItsGrant(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	code := h.code(s)
	g, err := s.Redeem(t.Context(), redemption(code))
	if err != nil {
		t.Fatal(err)
	}
	h.pass(time.Hour)
	if _, err := s.Redeem(t.Context(), redemption(code)); !errors.Is(err, grant.ErrSpent) {
		t.Errorf("got %v, want ErrSpent", err)
	}
	if !h.accessEnded(g.ID) {
		t.Error("its access tokens are accepted")
	}
}

// Whoever has only the code can neither use it nor do harm by it, before it is
// redeemed or afterwards.
func TestA002A004AWrongRequestSpendsAndEndsNothing(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	code := h.code(s)
	other := keytext.Compose(keytext.Code, idOf(t, keytext.Code, code), keytext.NewSecret())
	wrong := map[string]struct {
		edit func(*grant.Redemption)
		want error
	}{
		"another verifier":   {func(q *grant.Redemption) { q.Verifier = strings.Repeat("x", 43) }, grant.ErrMismatch},
		"no verifier":        {func(q *grant.Redemption) { q.Verifier = "" }, grant.ErrMismatch},
		"the challenge":      {func(q *grant.Redemption) { q.Verifier = challenge }, grant.ErrMismatch},
		"another client":     {func(q *grant.Redemption) { q.Client = "evil" }, grant.ErrMismatch},
		"another redirect":   {func(q *grant.Redemption) { q.Redirect = "http://127.0.0.1:9/callback" }, grant.ErrMismatch},
		"another resource":   {func(q *grant.Redemption) { q.Resource = "https://mcp.acme.test/other" }, grant.ErrTarget},
		"a made-up secret":   {func(q *grant.Redemption) { q.Code = other }, grant.ErrNotFound},
		"a code that is cut": {func(q *grant.Redemption) { q.Code = code[:60] }, grant.ErrNotFound},
	}
	try := func(when string) {
		for name, w := range wrong {
			q := redemption(code)
			w.edit(&q)
			if _, err := s.Redeem(t.Context(), q); !errors.Is(err, w.want) {
				t.Errorf("%s, %s: got %v, want %v", when, name, err, w.want)
			}
		}
	}
	try("before")
	g, err := s.Redeem(t.Context(), redemption(code))
	if err != nil {
		t.Fatalf("got %v, want the code still good", err)
	}
	try("afterwards")
	if h.accessEnded(g.ID) {
		t.Error("access tokens were revoked by whoever has only the code")
	}
	h.refreshed(s, s.RefreshTokenOf(g))
}

func TestACodeLivesForAMinute(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	code := h.code(s)
	h.pass(time.Minute)
	if _, err := s.Redeem(t.Context(), redemption(code)); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("got %v, want ErrExpired", err)
	}
	if n, err := h.db.Grants().Sweep(t.Context(), h.now().Add(time.Second), h.now().Add(-time.Hour)); err != nil || n != 1 {
		t.Errorf("got %d, %v, want it swept", n, err)
	}
}

func TestACodeCanBeForOneKey(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	a := h.authorization()
	a.Bound = "jkt1"
	code, err := s.Authorize(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	q := redemption(code)
	if _, err := s.Redeem(t.Context(), q); !errors.Is(err, grant.ErrMismatch) {
		t.Errorf("got %v, want ErrMismatch", err)
	}
	q.Key = "jkt1"
	g, err := s.Redeem(t.Context(), q)
	if err != nil || g.Key != "jkt1" {
		t.Errorf("got %+v, %v, want it bound", g, err)
	}
}

// A code that was made for another's challenge is worth nothing to who has been
// handed it.
func TestA005AnotherPersonsCodeIsNotRedeemed(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	attackers := h.authorization()
	attackers.Subject, attackers.Challenge = "usr_eve", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
	code, err := s.Authorize(t.Context(), attackers)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), redemption(code)); !errors.Is(err, grant.ErrMismatch) { // with the victim's verifier
		t.Errorf("got %v, want ErrMismatch", err)
	}
}

// There is no code without a challenge, so no verifier can be brought for one.
func TestA009EveryCodeHasAChallenge(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	a := h.authorization()
	a.Challenge = ""
	if code, err := s.Authorize(t.Context(), a); err == nil {
		t.Errorf("got %s", code)
	}
}
