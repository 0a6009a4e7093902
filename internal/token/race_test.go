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

// While 64 verify and watch at full speed, and a reload comes now and then, a
// revocation that returned is a revocation: nobody gets in after it, and nobody stays.
func TestA068ConcurrentRevocations(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var background sync.WaitGroup
	background.Go(func() { h.rights.Run(ctx) })
	var current atomic.Pointer[token.Verifier]
	small := func(v *token.Verifier) { v.Capacity = 128 } // eviction is in the game
	current.Store(h.verifier(t, small))

	const rounds, callers = 12, 64
	for round := range rounds {
		text := jwt(t, claims{Sub: fmt.Sprint("s", round), Jti: fmt.Sprint(round), Iat: h.clock().Unix() - 5, Exp: h.clock().Unix() + 3600})
		var revoked atomic.Bool
		var mu sync.Mutex
		var open []context.Context
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for n := 0; ; n++ {
					late := revoked.Load()
					v := current.Load()
					a, err := v.Verify(ctx, &gatehouse.Credential{Text: text})
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
					if n == 0 && i%2 == 0 {
						mu.Lock()
						open = append(open, w)
						mu.Unlock()
						continue
					}
					stop(nil)
				}
			})
		}
		wg.Go(func() {
			before := current.Load()
			next := h.verifier(t, small)
			current.Store(next)
			next.Succeed(before)
		})
		time.Sleep(5 * time.Millisecond)
		s := mark(token.KindSubject, acmeIDP, fmt.Sprint("s", round), time.Time{})
		if round%2 == 0 {
			s = mark(token.KindID, acmeIDP, fmt.Sprint(round), time.Time{})
		}
		h.revoke(t, s)
		revoked.Store(true)
		mu.Lock()
		for _, w := range open {
			if w.Err() == nil {
				t.Error("still open after the revocation returned")
			}
		}
		mu.Unlock()
		wg.Wait()
	}
	cancel()
	background.Wait()
}
