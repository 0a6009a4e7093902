package ratelimit

import "sync"

// shard is a part of a table: open addressing with linear probing, without a
// pointer in it, so that the garbage collector has nothing to look at.
type shard struct {
	mu     sync.Mutex
	slots  []slot // a power of two of them, at most three quarters used
	used   int
	limit  int         // of used
	hand   int         // where the search for an idle slot goes on
	shared [kinds]slot // for names that found no room
	_      [64]byte    // no two shards' locks in one cache line
}

// glance is how many slots are looked at for one to evict. The next in need of
// one goes on from there.
const glance = 64

// full says whether a name that is not here would find no room.
func (s *shard) full() bool { return s.used >= s.limit }

// find returns the slot of a name, or nil.
func (s *shard) find(hash uint64) *slot {
	if len(s.slots) == 0 {
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := hash >> 1 & mask; ; i = (i + 1) & mask {
		switch s.slots[i].hash {
		case hash:
			return &s.slots[i]
		case 0:
			return nil
		}
	}
}

// claim returns the slot of a name, a new one, or that which all share who
// found no room. It is good until the next claim in this shard.
func (s *shard) claim(hash uint64, kind Kind, now int64) *slot {
	if e := s.find(hash); e != nil {
		return e
	}
	if s.full() && !s.evict(now) {
		return &s.shared[kind]
	}
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	s.used++
	e := s.place(hash)
	*e = slot{hash: hash, tat: now}
	return e
}

// restore makes a charge undone. Its slot is there: it was not replenished.
func (s *shard) restore(c *charge) {
	if c.before.hash == 0 {
		s.shared[c.kind] = c.before
		return
	}
	*s.find(c.hash) = c.before
}

// place returns the empty slot where a name that is not here belongs.
func (s *shard) place(hash uint64) *slot {
	mask := uint64(len(s.slots) - 1)
	i := hash >> 1 & mask
	for s.slots[i].hash != 0 {
		i = (i + 1) & mask
	}
	return &s.slots[i]
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]slot, max(8, 2*len(old)))
	for i := range old {
		if old[i].hash != 0 {
			*s.place(old[i].hash) = old[i]
		}
	}
}

// evict forgets a name that is wholly replenished, if it sees one.
func (s *shard) evict(now int64) bool {
	for range min(glance, len(s.slots)) {
		s.hand = (s.hand + 1) & (len(s.slots) - 1)
		if e := &s.slots[s.hand]; e.hash != 0 && e.debt(now, e.capacity) == 0 {
			s.remove(s.hand)
			return true
		}
	}
	return false
}

// remove empties a slot, and moves up those that stand behind it only because
// it was taken.
func (s *shard) remove(i int) {
	mask := len(s.slots) - 1
	s.used--
	for {
		s.slots[i] = slot{}
		j := i
		for {
			j = (j + 1) & mask
			if s.slots[j].hash == 0 {
				return
			}
			home := int(s.slots[j].hash>>1) & mask
			if (j-home)&mask >= (j-i)&mask {
				break // i is between its home and where it stands
			}
		}
		s.slots[i] = s.slots[j]
		i = j
	}
}
