package bridge

import (
	"context"
	"sync"
	"time"
)

// limit bounds how long something is at work. The time in which somebody signs in
// does not count: nothing is sent meanwhile, and people take longer than machines.
type limit struct {
	mu    sync.Mutex
	left  time.Duration
	since time.Time   // when it went on last
	stops int         // waits for access that hold it up
	timer *time.Timer // ends the context; nil: it only tells
}

type limitKey struct{}

func newLimit(d time.Duration) *limit { return &limit{left: d, since: time.Now()} }

// withLimit returns a context that ends after so much time of work.
func withLimit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	l := newLimit(d)
	l.timer = time.AfterFunc(d, cancel)
	return context.WithValue(ctx, limitKey{}, l), func() { l.timer.Stop(); cancel() }
}

// over says whether the time is up.
func (l *limit) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stops == 0 && time.Since(l.since) >= l.left
}

// hold has the time stand still until it is let go.
func (l *limit) hold() (letGo func()) {
	if l == nil {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stops++; l.stops == 1 {
		l.left -= time.Since(l.since)
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	return l.letGo
}

func (l *limit) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stops--; l.stops > 0 {
		return
	}
	l.since = time.Now()
	if l.timer != nil {
		l.timer.Reset(max(l.left, 0))
	}
}

// limitOf is the limit that a context has; nil: none.
func limitOf(ctx context.Context) *limit {
	l, _ := ctx.Value(limitKey{}).(*limit)
	return l
}
