// Package fresh keeps a process's copy of what a store says up to date, and
// knows how old it is: what is too old is not judged by.
package fresh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

// How old a copy may be.
const (
	PollEvery = 500 * time.Millisecond // how often a store is asked for changes
	MaxStale  = 10 * time.Second       // without an answer for so long nothing is accepted
)

// Copy is a process's copy of what a store says. It is at most a second old
// while Run runs; without Run it asks whether anything changed whenever half a
// second has passed and somebody wants to know.
type Copy struct {
	Store string // required: what is asked, for people: "key"

	// Ask brings the copy up to date, given the revision that it has, zero when
	// it has none, and returns the one that it has then. It is never called
	// twice at a time. Required.
	Ask func(ctx context.Context, since int64) (revision int64, err error)

	Wait time.Duration    // for an answer; zero: 2 s
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: slog.Default

	fresh   atomic.Pointer[time.Time] // when the last answered question was asked
	running atomic.Bool

	mu       sync.Mutex // held while asking and applying; guards:
	revision int64
	silent   bool // the last question was not answered
}

// Update asks now. When it returns, every change that was reported as done has
// been applied; else failed, if there is one, is called with the reason, before
// anybody else asks.
func (c *Copy) Update(ctx context.Context, failed func(error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.ask(ctx)
	if err != nil && failed != nil {
		failed(err)
	}
	return err
}

// Distrust has nobody judged by the copy until it has been brought up to date:
// for the function that Update calls.
func (c *Copy) Distrust() { c.fresh.Store(nil) }

// Run keeps the copy fresh until ctx ends.
func (c *Copy) Run(ctx context.Context) {
	c.running.Store(true)
	defer c.running.Store(false)
	Every(ctx, PollEvery, func() { _ = c.Update(ctx, nil) }) // it has logged it; time decides what follows
}

// Every calls fn at once and then in intervals until ctx ends.
func Every(ctx context.Context, interval time.Duration, fn func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for ctx.Err() == nil {
		fn()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// Ready returns an error, an *gatehouse.Error GH-1902, when the copy is too old
// to judge by. When nobody else keeps it fresh it does so itself.
func (c *Copy) Ready(ctx context.Context, now time.Time) error {
	fresh := c.fresh.Load()
	if fresh != nil && (now.Sub(*fresh) < PollEvery || c.running.Load() && now.Sub(*fresh) <= MaxStale) {
		return nil
	}
	if fresh == nil || !c.running.Load() {
		c.mu.Lock()
		if c.fresh.Load() == fresh { // else somebody did it while we waited
			_ = c.ask(ctx) // it has logged it; Stale judges
		}
		c.mu.Unlock()
	}
	if err := c.Stale(now); err != nil {
		return err
	}
	return nil
}

// Stale is the refusal of everybody when the copy is too old; nil: it is not.
func (c *Copy) Stale(now time.Time) *gatehouse.Error {
	fresh := c.fresh.Load()
	if fresh != nil && now.Sub(*fresh) <= MaxStale {
		return nil
	}
	return c.Away(errors.New("the store has not been answering"))
}

// Away is the refusal of whoever cannot be judged because the store is away.
func (c *Copy) Away(cause error) *gatehouse.Error {
	return &gatehouse.Error{
		Code: "GH-1902", Status: 503, Description: fmt.Sprintf("The %s store cannot be reached. Try again.", c.Store), Cause: cause,
	}
}

// ask is called with mu locked.
func (c *Copy) ask(ctx context.Context) error {
	// Whoever asks may leave: what was begun for everybody is carried through.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.wait())
	defer cancel()
	asked := c.now()
	revision, err := c.Ask(ctx, c.revision)
	if err != nil {
		if !c.silent {
			c.silent = true
			c.log().Error("the "+c.Store+" store does not answer", "error", err, "accepting_until", asked.Add(MaxStale))
		}
		return fmt.Errorf("ask the %s store for changes: %w", c.Store, err)
	}
	if c.silent {
		c.silent = false
		c.log().Info("the " + c.Store + " store answers again")
	}
	c.revision = revision
	c.fresh.Store(&asked)
	return nil
}

func (c *Copy) wait() time.Duration {
	if c.Wait > 0 {
		return c.Wait
	}
	return 4 * PollEvery
}

func (c *Copy) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Copy) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}
