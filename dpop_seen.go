package gatehouse

import (
	"context"
	"errors"
	"sync"
	"time"
)

// seen remembers ids in memory. An id stays until its time is over, or the half
// of the memory that it is in was put aside and is over as a whole.
type seen struct {
	now func() time.Time

	mu       sync.Mutex
	old, new map[[32]byte]int64 // id → until, in seconds since 1970
	oldEnds  int64              // when the last id of old is over
	newEnds  int64
}

// maxSeen bounds each half: about 12 MiB. Whoever would go beyond is refused, for
// what is forgotten could be used again.
const maxSeen = 1 << 18

var errTooManyProofs = errors.New("more proofs are in use than can be remembered")

// Once implements Replays.
func (s *seen) Once(_ context.Context, id [32]byte, until time.Time) (bool, error) {
	now, end := s.now().Unix(), until.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldEnds < now { // of the older half nothing is left
		s.old, s.oldEnds = s.new, s.newEnds
		s.new, s.newEnds = map[[32]byte]int64{}, 0
		if s.oldEnds < now {
			s.old, s.oldEnds = nil, 0
		}
	}
	if s.old[id] >= now && s.old[id] > 0 || s.new[id] >= now && s.new[id] > 0 {
		return false, nil
	}
	if len(s.new) >= maxSeen {
		return false, errTooManyProofs
	}
	s.new[id] = end
	s.newEnds = max(s.newEnds, end)
	return true, nil
}
