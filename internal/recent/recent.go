// Package recent remembers what was asked for lately, up to a limit.
package recent

import "sync"

const shards = 64

// Key names what is remembered. A key without a pointer in it makes a map of a
// million nothing for the garbage collector to look at twice.
type Key interface {
	comparable
	// Spread returns a number that spreads keys evenly, also those which
	// somebody chose.
	Spread() uint
}

// Memory keeps values by key, up to a limit, and forgets those that were not
// asked for in the time it took to fill half of it. The zero value is empty.
type Memory[K Key, V comparable] struct{ shards [shards]shard[K, V] }

// shard has two generations: a value that is asked for moves to the young one;
// when that is full, the old one is dropped whole. It costs nothing per read.
type shard[K Key, V comparable] struct {
	mu         sync.RWMutex
	young, old map[K]V
}

func (m *Memory[K, V]) shard(k K) *shard[K, V] { return &m.shards[k.Spread()%shards] }

// Get returns the value of k.
func (m *Memory[K, V]) Get(k K) (v V, ok bool) {
	s := m.shard(k)
	s.mu.RLock()
	v, ok = s.young[k]
	old := !ok && s.old != nil
	if old {
		v, ok = s.old[k]
	}
	s.mu.RUnlock()
	if old && ok {
		s.rejuvenate(k, v)
	}
	return v, ok
}

// rejuvenate moves a value to the young generation, unless it was removed
// since it was seen: what is removed stays so.
func (s *shard[K, V]) rejuvenate(k K, v V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.old[k]; ok && now == v {
		delete(s.old, k)
		if s.young == nil {
			s.young = map[K]V{}
		}
		s.young[k] = v
	}
}

// Put keeps v if it is still true once nobody can remove anything meanwhile;
// nil: it is. At most limit values are kept, give or take a few per shard.
func (m *Memory[K, V]) Put(k K, v V, limit int, still func() bool) {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if still != nil && !still() {
		return
	}
	if len(s.young) >= max(1, limit/(2*shards)) {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = map[K]V{}
	}
	delete(s.old, k)
	s.young[k] = v
}

// Remove forgets one key.
func (m *Memory[K, V]) Remove(k K) {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, k)
	delete(s.old, k)
}

// RemoveIf forgets every value for which gone is true.
func (m *Memory[K, V]) RemoveIf(gone func(K, V) bool) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for _, generation := range [...]map[K]V{s.young, s.old} {
			for k, v := range generation {
				if gone(k, v) {
					delete(generation, k)
				}
			}
		}
		s.mu.Unlock()
	}
}

// Len returns how many values are kept.
func (m *Memory[K, V]) Len() (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
