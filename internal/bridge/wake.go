package bridge

import (
	"sync"
	"time"
)

// sleeper notices that the machine was asleep. The wall clock went on and the other
// one, by which time is measured, did not; nor did whatever looks whether connections
// are alive. A clock that somebody set forward looks the same, and does no harm.
type sleeper struct {
	now func() time.Time // of the wall

	mu     sync.Mutex // held until what follows from it is done: nobody else may be told that it was not
	wall   time.Time
	steady time.Time
}

// nap is how far the clocks may be apart: time servers move the one of the wall.
const nap = 10 * time.Second

// slept says whether the machine was asleep since it was asked last. The one who asks
// holds mu.
func (s *sleeper) slept() bool {
	wall, steady := s.now().Round(0), time.Now() // rounded, it is of the wall alone
	apart := wall.Sub(s.wall) - steady.Sub(s.steady)
	was := !s.wall.IsZero() && apart > nap
	s.wall, s.steady = wall, steady
	return was
}

// wake gives up the connections from before the machine slept. They are dead as often
// as not, and nobody says so: what is sent by them waits for many minutes.
func (r *remote) wake() {
	if !r.own {
		return
	}
	r.sleeper.mu.Lock()
	defer r.sleeper.mu.Unlock()
	if !r.sleeper.slept() {
		return
	}
	r.b.Log.Info("the machine has slept, or its clock was set: connecting anew")
	r.wire.Swap(newClient(newTransport(r.b.Proxy))).CloseIdleConnections()
	r.mu.Lock()
	stir := r.stir
	r.mu.Unlock()
	if stir != nil {
		stir() // the server's own stream
	}
}
