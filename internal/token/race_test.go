package token_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

// callers are many with one token at full speed, and what they have open.
type callers struct {
	current *atomic.Pointer[token.Verifier]
	text    string
	revoked atomic.Bool // the revocation has returned

	mu   sync.Mutex
	open []context.Context // watches that are never stopped
}

// call verifies and watches until it is refused. Whoever keeps leaves the first watch open.
func (c *callers) call(ctx context.Context, t *testing.T, keeps bool) {
	for n := 0; ; n++ {
		late, v := c.revoked.Load(), c.current.Load()
		a, err := v.Verify(ctx, &gatehouse.Credential{Text: c.text})
		if err != nil {
			if e, ok := errors.AsType[*gatehouse.Error](err); !ok || e.Code != "GH-1130" {
				t.Errorf("got %v, want GH-1130", err)
			}
			return
		}
		if late {
			t.Error("accepted after the revocation returned")
			return
		}
		w, stop := v.Watch(ctx, a)
		if n == 0 && keeps {
			c.mu.Lock()
			c.open = append(c.open, w)
			c.mu.Unlock()
			continue
		}
		stop(nil)
	}
}

// While 64 verify and watch at full speed, and a reload comes by, a revocation
// that returned is a revocation: nobody gets in after it, and nobody stays.
func TestA068ConcurrentRevocations(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var background sync.WaitGroup
	background.Go(func() { h.rights.Run(ctx) })
	var current atomic.Pointer[token.Verifier]
	small := func(v *token.Verifier) { v.Capacity = 128 } // eviction is in the game
	current.Store(h.verifier(t, small))
	for round := range 12 {
		c := &callers{current: &current, text: jwt(t, claims{
			Sub: fmt.Sprint("s", round), Jti: fmt.Sprint(round), Iat: h.clock().Unix() - 5, Exp: h.clock().Unix() + 3600,
		})}
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() { c.call(ctx, t, i%2 == 0) })
		}
		wg.Go(func() {
			next := h.verifier(t, small)
			next.Succeed(current.Swap(next))
		})
		time.Sleep(5 * time.Millisecond)
		s := mark(token.KindSubject, acmeIDP, fmt.Sprint("s", round), time.Time{})
		if round%2 == 0 {
			s = mark(token.KindID, acmeIDP, fmt.Sprint(round), time.Time{})
		}
		h.revoke(t, s)
		c.revoked.Store(true)
		c.mu.Lock()
		for _, w := range c.open {
			if w.Err() == nil {
				t.Error("still open after the revocation returned")
			}
		}
		c.mu.Unlock()
		wg.Wait()
	}
	cancel()
	background.Wait()
}
