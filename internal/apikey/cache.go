package apikey

import (
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// cacheKey is a key's id without a pointer, so that maps of a million are
// nothing for the garbage collector to look at twice.
type cacheKey [keytext.IDLen]byte

// keyOf returns the cache's key of a valid id.
func keyOf(id string) (k cacheKey) {
	copy(k[:], id)
	return k
}

const shards = 64

// cache keeps entries by id, up to a limit, and forgets those that were not
// asked for in the time it took to fill half of it. The zero value is empty.
type cache struct{ shards [shards]shard }

// shard has two generations: an entry that is asked for moves to the young one;
// when that is full, the old one is dropped whole. It costs nothing per read.
type shard struct {
	mu         sync.RWMutex
	young, old map[cacheKey]*entry
}

// shard spreads ids by two of their random characters.
func (c *cache) shard(k cacheKey) *shard {
	return &c.shards[(uint(k[0])*61+uint(k[1]))%shards]
}

// get returns the entry of k or nil.
func (c *cache) get(k cacheKey) *entry {
	s := c.shard(k)
	s.mu.RLock()
	e := s.young[k]
	old := e == nil && s.old != nil
	if old {
		e = s.old[k]
	}
	s.mu.RUnlock()
	if old && e != nil {
		s.rejuvenate(e)
	}
	return e
}

// rejuvenate moves an entry to the young generation, unless it was removed
// since it was seen: what is removed stays so.
func (s *shard) rejuvenate(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.old[e.id] == e {
		delete(s.old, e.id)
		if s.young == nil {
			s.young = map[cacheKey]*entry{}
		}
		s.young[e.id] = e
	}
}

// put keeps e if it is still true once nobody can remove anything meanwhile.
// The cache holds at most limit entries, give or take a few per shard.
func (c *cache) put(e *entry, limit int, still func() bool) {
	s := c.shard(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !still() {
		return
	}
	if len(s.young) >= max(1, limit/(2*shards)) {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = map[cacheKey]*entry{}
	}
	delete(s.old, e.id)
	s.young[e.id] = e
}

// remove forgets one id.
func (c *cache) remove(k cacheKey) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.young, k)
	delete(s.old, k)
}

// removeIf forgets every entry for which gone is true.
func (c *cache) removeIf(gone func(*entry) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, m := range [...]map[cacheKey]*entry{s.young, s.old} {
			for k, e := range m {
				if gone(e) {
					delete(m, k)
				}
			}
		}
		s.mu.Unlock()
	}
}

// len returns how many entries are kept.
func (c *cache) len() (n int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
