package main

import (
	"io"
	"sync"
	"time"
)

// steady gathers what is written for a moment, so that a line for every request
// does not cost a system call for every request. What it holds back is at most
// steadyWait old.
type steady struct {
	to io.Writer

	mu     sync.Mutex
	kept   []byte
	timer  *time.Timer
	closed bool
}

const (
	steadyWait = 50 * time.Millisecond
	steadySize = 64 << 10 // bytes; more is written at once
)

func newSteady(to io.Writer) *steady { return &steady{to: to} }

// Write implements io.Writer.
func (s *steady) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.to.Write(p)
	}
	s.kept = append(s.kept, p...)
	switch {
	case len(s.kept) > steadySize:
		s.flush()
	case s.timer == nil:
		s.timer = time.AfterFunc(steadyWait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.flush()
		})
	}
	return len(p), nil
}

// flush writes what was kept. Its caller holds the lock: who reads our log too
// slowly slows us down, rather than be kept in memory.
func (s *steady) flush() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.kept) > 0 {
		_, _ = s.to.Write(s.kept) // there is nowhere to say that the log cannot be written
		s.kept = s.kept[:0]
	}
}

// close writes what was kept, and from now on everything at once.
func (s *steady) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.flush()
}
