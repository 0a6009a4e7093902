package grant_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

func TestA064AnOldRefreshTokenEndsItsFamily(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	g, first := h.granted(s)
	other, others := h.granted(s)
	second := h.refreshed(s, first)
	third := h.refreshed(s, second)
	if _, _, err := h.service().Refresh(t.Context(), refresh(first)); !errors.Is(err, grant.ErrReused) {
		t.Errorf("got %v, want ErrReused", err)
	}
	for name, text := range map[string]string{"the first": first, "the second": second, "the latest": third} {
		if _, _, err := s.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrRevoked) {
			t.Errorf("%s: got %v, want ErrRevoked", name, err)
		}
	}
	if !h.accessEnded(g.ID) || h.accessEnded(other.ID) {
		t.Error("want the access tokens of this family, and of no other, revoked")
	}
	h.refreshed(s, others)
	if got, err := s.Get(t.Context(), g.ID); err != nil || got.State(h.now()) != grant.Revoked || got.Reason == "" || got.By != "gatehouse" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestA066ALostAnswerIsGivenAgain(t *testing.T) {
	h := newHouse(t)
	s, other := h.service(), h.service()
	_, first := h.granted(s)
	second := h.refreshed(s, first)
	h.pass(29 * time.Second)
	if again := h.refreshed(other, first); again != second {
		t.Error("got another successor, want the same byte for byte")
	}
	third := h.refreshed(other, second) // the successor is as good as ever
	if third == second || third == first {
		t.Error("got a token again that was used")
	}
	// The predecessor's predecessor is late, whatever the time.
	if _, _, err := s.Refresh(t.Context(), refresh(first)); !errors.Is(err, grant.ErrReused) {
		t.Errorf("got %v, want ErrReused", err)
	}
}

func TestA066AfterTheGraceItIsTheft(t *testing.T) {
	for name, edit := range map[string]func(*house, *grant.Service, *grant.RefreshRequest){
		"late":                      func(h *house, _ *grant.Service, _ *grant.RefreshRequest) { h.pass(30 * time.Second) },
		"no grace":                  func(_ *house, s *grant.Service, _ *grant.RefreshRequest) { s.RefreshGrace = 0 },
		"another client, in time":   func(_ *house, _ *grant.Service, q *grant.RefreshRequest) { q.Client = "evil" },
		"a clock that was set back": func(h *house, s *grant.Service, _ *grant.RefreshRequest) { s.RefreshGrace = 0; h.pass(-time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			s := h.service()
			g, first := h.granted(s)
			second := h.refreshed(s, first)
			q := refresh(first)
			edit(h, s, &q)
			if _, _, err := s.Refresh(t.Context(), q); !errors.Is(err, grant.ErrReused) {
				t.Errorf("got %v, want ErrReused", err)
			}
			if _, _, err := s.Refresh(t.Context(), refresh(second)); !errors.Is(err, grant.ErrRevoked) || !h.accessEnded(g.ID) {
				t.Errorf("got %v, want the family revoked", err)
			}
		})
	}
}

func TestA067ARefreshTokenIsForWhomItWasGiven(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	a := h.authorization()
	code, err := s.Authorize(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	q := redemption(code)
	q.Key = "jkt1"
	g, err := s.Redeem(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	first := s.RefreshTokenOf(g)
	good := grant.RefreshRequest{Token: first, Client: "cli", Key: "jkt1"}
	for name, tt := range map[string]struct {
		edit func(*grant.RefreshRequest)
		want error
	}{
		"another client":   {func(q *grant.RefreshRequest) { q.Client = "evil" }, grant.ErrMismatch},
		"another key":      {func(q *grant.RefreshRequest) { q.Key = "jkt2" }, grant.ErrMismatch},
		"no key":           {func(q *grant.RefreshRequest) { q.Key = "" }, grant.ErrMismatch},
		"more scopes":      {func(q *grant.RefreshRequest) { q.Scopes = []string{"notes:read", "admin"} }, grant.ErrScope},
		"another resource": {func(q *grant.RefreshRequest) { q.Resource = "https://mcp.acme.test/other" }, grant.ErrTarget},
		"made up": {func(q *grant.RefreshRequest) {
			q.Token = keytext.Compose(keytext.Refresh, g.ID, keytext.NewSecret())
		}, grant.ErrNotFound},
		"of another kind": {func(q *grant.RefreshRequest) { q.Token = code }, grant.ErrNotFound},
	} {
		q := good
		tt.edit(&q)
		if _, _, err := s.Refresh(t.Context(), q); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	narrow := good
	narrow.Scopes, narrow.Resource = []string{"notes:read"}, resource
	got, next, err := s.Refresh(t.Context(), narrow)
	if err != nil || len(got.Scopes) != 1 {
		t.Fatalf("got %+v, %v, want less granted, and nothing spent before", got, err)
	}
	wide := good
	wide.Token = next
	if got, _, err := s.Refresh(t.Context(), wide); err != nil || len(got.Scopes) != 2 {
		t.Errorf("got %+v, %v, want all scopes of the grant when none is named", got, err)
	}
}

func TestAGrantEndsByAgeAndIdleness(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	_, text := h.granted(s)
	for range 29 { // it is used every day, almost
		h.pass(24*time.Hour - time.Second)
		text = h.refreshed(s, text)
	}
	h.pass(24 * time.Hour)
	if _, _, err := s.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("idle: got %v, want ErrExpired", err)
	}
	_, text = h.granted(s)
	s.RefreshIdle = 0
	text = h.refreshed(s, text)
	h.pass(30 * 24 * time.Hour)
	if _, _, err := s.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("old: got %v, want ErrExpired", err)
	}
}

// The newest mark wins, whatever it is about: nothing younger than it is had for
// what is older.
func TestA076AMarkEndsWhatIsOlder(t *testing.T) {
	for name, target := range map[string]token.Target{
		"the user":   {Kind: token.KindSubject, Issuer: issuer, Value: "usr_ada"},
		"the client": {Kind: token.KindClient, Value: "cli"},
		"all of us":  {Kind: token.KindIssuer, Issuer: issuer},
		"the tenant": {Kind: token.KindTenant},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			s := h.service()
			if target.Kind == token.KindTenant {
				target.Value = string(h.def)
			}
			code := h.code(s)
			_, text := h.granted(s)
			h.pass(time.Second)
			revoke := &token.Service{Store: h.db.Revocations(), Now: h.now, Changed: s.Changed}
			if _, err := revoke.Revoke(t.Context(), token.Spec{Target: target}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrRevoked) {
				t.Errorf("refresh: got %v, want ErrRevoked", err)
			}
			if _, err := s.Redeem(t.Context(), redemption(code)); !errors.Is(err, grant.ErrRevoked) {
				t.Errorf("code: got %v, want ErrRevoked", err)
			}
			h.pass(time.Second)
			_, text = h.granted(s)
			h.refreshed(s, text)
		})
	}
}

func TestEveryGrantOfAUserEnds(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	var texts []string
	for range 5 {
		_, text := h.granted(s)
		texts = append(texts, text)
	}
	if n, err := s.RevokeUser(t.Context(), h.def, "usr_bob", "ada", "left"); err != nil || n != 0 {
		t.Errorf("got %d, %v, want none of another's", n, err)
	}
	if n, err := s.RevokeUser(t.Context(), h.def, "usr_ada", "ada", "left"); err != nil || n != 5 {
		t.Errorf("got %d, %v, want 5", n, err)
	}
	for _, text := range texts {
		if _, _, err := s.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrRevoked) {
			t.Errorf("got %v, want ErrRevoked", err)
		}
	}
	if _, err := s.RevokeOf(t.Context(), grant.Filter{}, "", ""); err == nil {
		t.Error("want everything of everybody refused")
	}
}

// What was reported as revoked is so for whoever starts next.
func TestA068RevocationsOutliveAProcess(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	g, text := h.granted(s)
	if _, err := s.Revoke(t.Context(), g.ID, "lost laptop", "ada"); err != nil {
		t.Fatal(err)
	}
	h.pass(-time.Hour)
	next := h.service()
	if _, _, err := next.Refresh(t.Context(), refresh(text)); !errors.Is(err, grant.ErrRevoked) || !h.accessEnded(g.ID) {
		t.Errorf("got %v, want ErrRevoked", err)
	}
}

// Whoever knows a grant's id, which stands in access tokens, and writes a number
// beside it has no token, and ends nothing.
func TestA064AMadeUpRefreshTokenEndsNothing(t *testing.T) {
	h := newHouse(t)
	s := h.service()
	g, first := h.granted(s)
	text := h.refreshed(s, h.refreshed(s, first))
	for generation := range byte(5) {
		_, mac, err := keytext.Read(keytext.Refresh, text)
		if err != nil {
			t.Fatal(err)
		}
		if mac[3] = generation; generation == 3 { // the right number, another MAC
			mac[31] ^= 1
		}
		if _, _, err := s.Refresh(t.Context(), refresh(keytext.Compose(keytext.Refresh, g.ID, mac))); !errors.Is(err, grant.ErrNotFound) {
			t.Errorf("number %d: got %v, want ErrNotFound", generation, err)
		}
	}
	h.refreshed(s, text)
}
