package ratelimit

import (
	"hash/maphash"
	"sync"
)

// Gauge counts how many of something each name holds at once. A name is in
// memory only while it holds something. The zero value is ready to use.
type Gauge struct {
	once   sync.Once
	seed   maphash.Seed
	shards [gauges]gauge
}

const gauges = 64

type gauge struct {
	mu   sync.Mutex
	held map[string]int
	_    [48]byte // no two shards' locks in one cache line
}

// Hold is one thing that is held. Release it once; more often does nothing,
// but not at the same time.
type Hold struct {
	gauge *gauge
	name  string
}

// Release gives it back.
func (h *Hold) Release() {
	g := h.gauge
	if g == nil {
		return
	}
	h.gauge = nil
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.held[h.name]; n > 1 {
		g.held[h.name] = n - 1
	} else {
		delete(g.held, h.name)
	}
}

// Hold takes one for a name, unless it holds as many as limit already; zero: no
// limit. They are counted in any case, so that a limit that is set later holds
// from the start. It allocates nothing.
func (g *Gauge) Hold(name string, limit int) (Hold, bool) {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	s := &g.shards[maphash.String(g.seed, name)%gauges]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.held[name]
	if limit != 0 && n >= limit {
		return Hold{}, false
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.held[name] = n + 1
	return Hold{gauge: s, name: name}, true
}

// Take is [Gauge.Hold] for whoever wants a function to defer; it may be called
// more than once and by anybody.
func (g *Gauge) Take(name string, limit int) (release func(), ok bool) {
	h, ok := g.Hold(name, limit)
	if !ok {
		return nil, false
	}
	r := &struct {
		sync.Once
		Hold
	}{Hold: h}
	return func() { r.Do(r.Release) }, true
}

// Held says how many a name holds.
func (g *Gauge) Held(name string) int {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	s := &g.shards[maphash.String(g.seed, name)%gauges]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[name]
}
