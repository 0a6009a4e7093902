package authserver

import (
	"context"
	"sync"
	"time"
)

// How long an answer is kept for somebody who presses a button twice, how long the
// second press waits for the first, and how many are kept at once.
const (
	twiceKept = 10 * time.Second
	twiceWait = 3 * time.Second
	maxTwice  = 1024
)

// twice remembers for a moment how flows ended: a browser shows the answer to the
// last press of a button only, and that the first one has won is no help to
// whoever pressed it twice. It is of this process alone, and never needed.
type twice struct {
	mu   sync.Mutex
	last map[string]*ending // by flow and session
}

type ending struct {
	began time.Time
	done  chan struct{} // closed when it is known where it led
	to    string        // the answer to the client; empty: there was none
}

// open returns the ending of a flow in a session, and whether the caller is the
// first and has to close it. Nil: there are too many.
func (t *twice) open(key string, now time.Time) (e *ending, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.last[key]; e != nil {
		return e, false
	}
	if len(t.last) >= maxTwice {
		for k, e := range t.last {
			if now.Sub(e.began) > twiceKept {
				delete(t.last, k)
			}
		}
		if len(t.last) >= maxTwice {
			return nil, true
		}
	}
	if t.last == nil {
		t.last = map[string]*ending{}
	}
	e = &ending{began: now, done: make(chan struct{})}
	t.last[key] = e
	return e, true
}

// close says where a flow led; empty: nowhere.
func (e *ending) close(to string) {
	if e != nil {
		e.to = to
		close(e.done)
	}
}

// wait returns where a flow led; empty: nowhere, or nobody knows yet, or it is too
// long ago.
func (e *ending) wait(ctx context.Context, now time.Time) string {
	ctx, stop := context.WithTimeout(ctx, twiceWait)
	defer stop()
	select {
	case <-e.done:
		if now.Sub(e.began) <= twiceKept {
			return e.to
		}
	case <-ctx.Done():
	}
	return ""
}
