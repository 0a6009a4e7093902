package server

import (
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// A revocation ends by itself only if no token can be left that it means: so no
// token is accepted then that does not say when it was issued.
func TestARevocationEndsOnlyWhereTokensAreDated(t *testing.T) {
	for name, life := range map[string]time.Duration{"no max_life": 0, "an hour": time.Hour} {
		u := config.Issuer{
			Name: "idp", Issuer: "https://idp.test", MaxLife: life, Audience: config.Audience{Mode: config.AudienceExact},
			Introspect: &config.Introspect{URL: "https://idp.test/introspect"},
		}
		var i Installation
		i.SetIssuers(&config.Config{Auth: config.Auth{Issuers: []config.Issuer{u}}})
		ends := i.knownIssuers()[0].Lives > 0
		signed, opaque := JWTVerifier(&u, "https://mcp.test/mcp", nil), introspection(&u, "https://mcp.test/mcp")
		if want := life > 0; ends != want || signed.RequireIssued != want || opaque.RequireIssued != want {
			t.Errorf("%s: a revocation ends by itself: %v, tokens have to be dated: %v and %v, want %v", name, ends, signed.RequireIssued, opaque.RequireIssued, want)
		}
	}
}

// Health is asked while a reload takes issuers away.
func TestIssuersGoWhileTheyAreAskedAbout(t *testing.T) {
	r := &Running{keys: &keySets{}}
	none, many := &current{config: &config.Config{}}, &current{config: &config.Config{Auth: config.Auth{Issuers: make([]config.Issuer, 50)}}}
	r.current.Store(many)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				r.current.Store(none)
				r.current.Store(many)
			}
		}
	}()
	for range 500 {
		if got := r.issuerProblems(); len(got) != 0 {
			t.Errorf("got %q, want none: their keys are not in use", got)
		}
	}
	close(stop)
	<-done
}
