package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

const (
	farewellTime = 500 * time.Millisecond // for callers to leave connections that are kept
	hangUpTime   = 500 * time.Millisecond // for requests to end that were told to
	childTime    = time.Second            // for a child to end by itself
	recordTime   = 2 * time.Second        // for the trail to take an event whose cause is over
)

// Close stops in order: no new work, calls that are under way may end within
// the grace that the configuration gives, streams are told at once; then every
// child ends, the last uses of keys and the trail are on disk, and the state is
// given back.
func (r *Running) Close() (err error) {
	r.once.Do(func() { err = r.close() })
	return err
}

func (r *Running) close() error {
	var errs []error
	r.draining.Store(true)
	if r.hangUp != nil {
		errs = append(errs, r.drain())
	}
	r.reloading.Lock() // a reload that is under way has ended, and none follows
	if now := r.current.Load(); now != nil {
		for _, v := range now.ways {
			v.gateway.Close()
		}
	}
	r.reloading.Unlock()
	r.leaving.work.Wait()
	if r.edge != nil {
		errs = append(errs, r.edge.Close())
	}
	if r.stop != nil {
		r.stop() // after the last request: its use of a key is written down too
	}
	r.work.Wait()
	if r.Installation != nil {
		if r.current.Load() != nil {
			errs = append(errs, r.told(context.Background(), "server.stop"))
		}
		errs = append(errs, r.Installation.Close())
	}
	if r.release != nil {
		r.release()
	}
	return errors.Join(errs...)
}

// Grace is how long calls and streams may go on once a stop was asked for.
func (r *Running) Grace() time.Duration { return r.current.Load().config.Server.ShutdownGrace }

// drain lets calls be answered, then ends what is left.
func (r *Running) drain() error {
	cut := func(v *served) {
		v.gateway.Cut(&gatehouse.Error{Code: "GH-1606", Status: http.StatusServiceUnavailable, Description: "This server is being stopped. Come back in a moment."})
	}
	streams := func() {
		r.leaving.each(cut)
		for _, v := range r.current.Load().ways {
			cut(v)
		}
	}
	streams()
	// A connection that seems idle may have a call on the way, which closing it
	// would lose. So for a moment callers are still answered, and told not to come
	// back on the same one.
	time.Sleep(min(r.Grace()/20, farewellTime))
	streams() // those that were opened meanwhile
	errs := []error{r.shutdown(r.Grace())}
	r.hangUp()
	errs = append(errs, r.shutdown(hangUpTime), r.private.Close())
	if r.ops != nil {
		errs = append(errs, r.ops.Close())
	}
	return errors.Join(errs...)
}

// shutdown stops listening for callers and commands, and waits for their
// requests to end. Operators may ask to the end.
func (r *Running) shutdown(limit time.Duration) error {
	ctx, done := context.WithTimeout(context.Background(), limit)
	defer done()
	var work sync.WaitGroup
	var private error
	work.Go(func() { private = r.private.Shutdown(ctx) })
	err := r.edge.Shutdown(ctx)
	work.Wait()
	return errors.Join(ignoreDeadline(err), ignoreDeadline(private))
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
