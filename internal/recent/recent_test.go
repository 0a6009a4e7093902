package recent_test

import (
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/recent"
)

type key uint32

func (k key) Spread() uint { return uint(k) }

func TestWhatIsAskedForStays(t *testing.T) {
	var m recent.Memory[key, int]
	const limit = 64 * 20
	m.Put(7, 7, limit, nil)
	for i := range 50 * limit {
		m.Put(key(1000+i), i, limit, nil)
		if v, ok := m.Get(7); !ok || v != 7 {
			t.Fatalf("got %d, %v after %d others", v, ok, i)
		}
	}
	if n := m.Len(); n == 0 || n > limit+limit/10 {
		t.Errorf("got %d values, want about %d", n, limit)
	}
	if _, ok := m.Get(1000); ok {
		t.Error("what nobody asked for is still there")
	}
}

func TestWhatIsRemovedStaysSo(t *testing.T) {
	var m recent.Memory[key, int]
	for i := range 1000 {
		m.Put(key(i), i, 1<<20, nil)
	}
	m.Remove(3)
	m.RemoveIf(func(k key, v int) bool { return v%2 == 0 })
	for i := range 1000 {
		if _, ok := m.Get(key(i)); ok != (i%2 == 1 && i != 3) {
			t.Fatalf("%d: got %v", i, ok)
		}
	}
	m.Put(4, 4, 10, func() bool { return false })
	if _, ok := m.Get(4); ok {
		t.Error("kept although it was no longer true")
	}
}

func TestConcurrentUse(t *testing.T) {
	var m recent.Memory[key, int]
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				k := key(i*8+w) % 512
				m.Put(k, int(k), 128, nil)
				if v, ok := m.Get(k); ok && v != int(k) {
					t.Errorf("got %d for %d", v, k)
				}
				if i%3 == 0 {
					m.Remove(k)
				}
			}
		})
	}
	wg.Wait()
}
