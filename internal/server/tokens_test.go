package server

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

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
