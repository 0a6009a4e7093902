package fresh_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/fresh"
)

func TestACopyThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var away atomic.Bool
		c := &fresh.Copy{Store: "test", Ask: func(_ context.Context, since int64) (int64, error) {
			if since != asked.Load() {
				t.Errorf("asked since %d, want %d", since, asked.Load())
			}
			if away.Load() {
				return 0, errors.New("gone")
			}
			return asked.Add(1), nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.Run(ctx)
		time.Sleep(5*time.Second + time.Millisecond)
		if n := asked.Load(); n != 11 {
			t.Errorf("asked %d times in 5 s, want 11", n)
		}
		away.Store(true)
		for at, want := range map[time.Duration]bool{0: true, 9 * time.Second: true} {
			time.Sleep(at)
			if err := c.Ready(ctx, time.Now()); (err == nil) != want {
				t.Errorf("%s without an answer: got %v", at, err)
			}
		}
		time.Sleep(2 * time.Second)
		err := c.Ready(ctx, time.Now())
		if e, ok := errors.AsType[*gatehouse.Error](err); !ok || e.Code != "GH-1902" || e.Status != 503 {
			t.Errorf("after 11 s without an answer: got %v, want GH-1902", err)
		}
		told := false
		if err := c.Update(ctx, func(error) { told = true }); err == nil || !told {
			t.Errorf("an update that failed: got %v, told: %v", err, told)
		}
		away.Store(false)
		time.Sleep(time.Second)
		if err := c.Ready(ctx, time.Now()); err != nil {
			t.Errorf("the store is back: got %v", err)
		}
	})
}

// Without Run whoever wants to know has it asked.
func TestACopyThatDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, err := 0, error(nil)
		c := &fresh.Copy{Store: "test", Ask: func(context.Context, int64) (int64, error) { asked++; return 1, err }}
		for range 10 {
			if err := c.Ready(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		_ = c.Ready(t.Context(), time.Now())
		if asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
		err = errors.New("gone")
		time.Sleep(fresh.MaxStale + time.Second)
		if c.Ready(t.Context(), time.Now()) == nil {
			t.Error("what is too old is judged by")
		}
	})
}
