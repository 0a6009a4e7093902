package gatehouse

import (
	"context"
	"errors"
	"sync"
	"time"
)

// seen remembers ids in memory. An id stays until its time is over, or the half
// of the memory that it is in was put aside and is over as a whole.
//
// Whoever has one token can make as many proofs as they like with its key. So that
// nobody fills the memory for all others, a key may have as many ids in a half as
// there is room left in it: one key gets half of it at most, two get a third each,
// and there is room for one that comes later.
type seen struct {
	now func() time.Time

	mu       sync.Mutex
	old, new map[proofID]int64  // id → until, in seconds since 1970
	held     map[proofKey]int32 // how many of new are of a key
	oldEnds  int64              // when the last id of old is over
	newEnds  int64
}

// The halves of an id that [Replays] is asked about: 128 bits of a hash, and of the
// key's as many as leave the memory no larger. Who made two keys that count as one
// would have less room, not more.
type (
	proofID  [16]byte
	proofKey [12]byte
)

// maxSeen bounds each half: 24 MiB if each proof is of another key, half of that if
// they are of few. Whoever would go beyond is refused, for
// what is forgotten could be used again.
const maxSeen = 1 << 18

var (
	errTooManyProofs = errors.New("more proofs are in use than can be remembered")
	errTooManyOfKey  = errors.New("more proofs of this key are in use than there is room left for those of others")
)

// Once implements Replays.
func (s *seen) Once(_ context.Context, id [32]byte, until time.Time) (bool, error) {
	key, proof := proofKey(id[:len(proofKey{})]), proofID(id[16:])
	now, end := s.now().Unix(), until.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldEnds < now { // of the older half nothing is left
		s.old, s.oldEnds = s.new, s.newEnds
		s.new, s.held, s.newEnds = map[proofID]int64{}, map[proofKey]int32{}, 0
		if s.oldEnds < now {
			s.old, s.oldEnds = nil, 0
		}
	}
	if s.old[proof] >= now && s.old[proof] > 0 || s.new[proof] >= now && s.new[proof] > 0 {
		return false, nil
	}
	switch left := maxSeen - len(s.new); {
	case left <= 0:
		return false, errTooManyProofs
	case int(s.held[key]) >= left:
		return false, errTooManyOfKey
	}
	if _, there := s.new[proof]; !there { // or it is over, and counted
		s.held[key]++
	}
	s.new[proof] = end
	s.newEnds = max(s.newEnds, end)
	return true, nil
}
