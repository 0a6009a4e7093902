package gatehouse

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// jwtCache keeps what is known of verified tokens, under the SHA-256 of the
// whole token. Each verifier has its own: what one has verified says nothing to
// another. A nil cache keeps nothing.
type jwtCache struct {
	shards [64]jwtShard
}

// jwtShard is a part of the cache with a lock of its own. The index has no
// pointers, so the garbage collector need not look at it.
type jwtShard struct {
	mu    sync.Mutex
	index map[[sha256.Size]byte]uint32 // → place in slots
	slots []jwtSlot
	free  []uint32 // places whose tokens have ended
	hand  uint32   // which slot is looked at next when one is needed
	most  int
}

type jwtSlot struct {
	hash  [sha256.Size]byte
	facts *jwtFacts // nil: free
	used  bool      // since the hand came by
}

func newJWTCache(size int) *jwtCache {
	switch {
	case size < 0:
		return nil
	case size == 0:
		size = defaultCache
	}
	c := &jwtCache{}
	for i := range c.shards {
		c.shards[i].most = (size + len(c.shards) - 1) / len(c.shards)
	}
	return c
}

func (c *jwtCache) shard(hash [sha256.Size]byte) *jwtShard {
	return &c.shards[binary.LittleEndian.Uint64(hash[:])%uint64(len(c.shards))]
}

// get returns what is known of a token that has not ended; nil for nothing.
func (c *jwtCache) get(hash [sha256.Size]byte, now time.Time) *jwtFacts {
	if c == nil {
		return nil
	}
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, there := s.index[hash]
	if !there {
		return nil
	}
	slot := &s.slots[at]
	if seconds(now) >= slot.facts.times.exp {
		s.clear(at)
		return nil
	}
	slot.used = true
	return slot.facts
}

// put keeps what is known of a token. If there is no room, a token that was not
// asked for lately makes some.
func (c *jwtCache) put(hash [sha256.Size]byte, facts *jwtFacts, now time.Time) {
	if c == nil || seconds(now) >= facts.times.exp {
		return
	}
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index == nil {
		s.index = map[[sha256.Size]byte]uint32{}
	}
	at, there := s.index[hash]
	if !there {
		at = s.room(now)
	}
	s.index[hash] = at
	s.slots[at] = jwtSlot{hash: hash, facts: facts}
}

// room returns a free place.
func (s *jwtShard) room(now time.Time) uint32 {
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		return at
	}
	if len(s.slots) < s.most {
		s.slots = append(s.slots, jwtSlot{})
		return uint32(len(s.slots) - 1)
	}
	for { // at most twice around: each look takes a mark away
		at := s.hand
		s.hand = (s.hand + 1) % uint32(len(s.slots))
		slot := &s.slots[at]
		if !slot.used || seconds(now) >= slot.facts.times.exp {
			delete(s.index, slot.hash)
			return at
		}
		slot.used = false
	}
}

// clear forgets the token at a place.
func (s *jwtShard) clear(at uint32) {
	delete(s.index, s.slots[at].hash)
	s.slots[at] = jwtSlot{}
	s.free = append(s.free, at)
}
