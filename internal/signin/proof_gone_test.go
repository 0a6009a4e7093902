package signin

import (
	"net/http"
	"testing"
	"time"
)

// TestATokenThatIsBoundEndsWithTheServersProofs: a server that takes none any more gets
// another one from a person, who sees it, and not from a renewal, which would be bound as well.
func TestATokenThatIsBoundEndsWithTheServersProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.binds()
	c := w.client()
	now := time.Now()
	c.Now = func() time.Time { return now }
	cred := w.begun(c)
	now = now.Add(2 * tooSoon)
	for _, still := range []string{`Bearer, DPoP algs="ES256"`, "Bearer"} { // it says so in one place yet
		renewed, err := c.Renew(t.Context(), refusal(401, still, cred))
		if err != nil || renewed.Scheme != schemeDPoP || w.visits != 1 {
			t.Fatalf("%s: got %+v, %v, after %d sign-ins", still, renewed, err, w.visits)
		}
		cred = renewed
	}
	delete(w.prm, "dpop_signing_alg_values_supported")
	cred.Worked()
	for _, want := range []struct {
		scheme string
		visits int
	}{
		{schemeDPoP, 1}, // it was let through, so it may have ended
		{schemeBearer, 2},
	} {
		got, err := c.Renew(t.Context(), refusal(401, "Bearer", cred))
		if err != nil || got.Scheme != want.scheme || w.visits != want.visits {
			t.Fatalf("got %+v, %v, after %d sign-ins, want %+v", got, err, w.visits, want)
		}
		cred = got
	}
}

// TestABoundTokenIsNotGotAgainAndAgain: the authorization server may give nothing else.
func TestABoundTokenIsNotGotAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.binds()
	c := w.client()
	cred := w.begun(c)
	delete(w.prm, "dpop_signing_alg_values_supported")
	if _, err := c.Renew(t.Context(), refusal(401, "Bearer", cred)); code(err) != CodeRefused || w.visits != 1 {
		t.Errorf("got %v, after %d sign-ins", err, w.visits)
	}
}

// TestAnAuthorizationServerThatIsBusyHasMetadata: its endpoints are not guessed.
func TestAnAuthorizationServerThatIsBusyHasMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.prm = nil // as before there was any
	w.over = map[string]http.HandlerFunc{"/.well-known/oauth-authorization-server": func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusTooManyRequests)
	}}
	if _, err := w.first(w.client()); code(err) != CodeMetadata || w.visits != 0 {
		t.Errorf("got %v, after %d sign-ins", err, w.visits)
	}
}
