package gateway

import (
	"sync"
	"time"
)

// lease ends something that nobody has held for a while.
type lease struct {
	after time.Duration
	end   func() // called once, on a goroutine of its own

	mu    sync.Mutex
	held  int
	ended bool
	timer *time.Timer
}

// take holds the thing; false when it has ended.
func (l *lease) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.held++
	if l.timer != nil {
		l.timer.Stop()
	}
	return true
}

// give lets go of it.
func (l *lease) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	if l.held > 0 || l.ended {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(l.after, l.expire)
		return
	}
	l.timer.Reset(l.after)
}

func (l *lease) expire() {
	l.mu.Lock()
	if l.held > 0 || l.ended {
		l.mu.Unlock()
		return
	}
	l.ended = true
	l.mu.Unlock()
	l.end()
}

// cancel keeps it from being taken or ended.
func (l *lease) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
}
