package bridge

import (
	"net/http/httptest"
	"os"
	"runtime"
	"testing"
	"time"
)

// holds is what a process holds.
type holds struct {
	goroutines, files int
	heap              uint64
}

// nowHolds returns what this one holds, when it has come to rest: at most so much, if it can be.
func nowHolds(most holds, patience int) (h holds) {
	for range patience {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		files, _ := os.ReadDir("/proc/self/fd") // there is none on other systems
		h = holds{runtime.NumGoroutine(), len(files), m.HeapAlloc}
		if h.within(most) {
			return h
		}
		time.Sleep(50 * time.Millisecond)
	}
	return h
}

func (h holds) within(most holds) bool {
	return h.goroutines <= most.goroutines && h.files <= most.files && h.heap <= most.heap
}

// TestALongRunHoldsNothing: a thousand sessions, connections and streams later a bridge holds what it held at first.
func TestALongRunHoldsNothing(t *testing.T) {
	f, s := newForgetful(), newStreams()
	sessions, events := httptest.NewServer(f), httptest.NewServer(s.handler())
	t.Cleanup(sessions.CloseClientConnections)
	t.Cleanup(events.CloseClientConnections)
	for name, run := range map[string]struct {
		at     string
		breaks func(i int)
	}{
		"sessions": {sessions.URL, func(i int) {
			f.mu.Lock()
			f.asked, f.told = nil, nil
			f.mu.Unlock()
			if i%50 == 0 {
				sessions.CloseClientConnections()
			}
			f.forget()
		}},
		"HTTP+SSE": {events.URL, func(int) {
			s.mu.Lock()
			s.watched = nil
			s.mu.Unlock()
			s.cut()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := sit(t, run.at, nil)
			d.hello()
			id := 0
			ask := func(rest string) {
				id++
				d.say(`{"jsonrpc":"2.0","id":%d,"method":%s}`, id, rest)
				for got := d.hear(); got.Method != ""; got = d.hear() { // what may have changed
				}
			}
			ask(`"resources/subscribe","params":{"uri":"file:///x"}`)
			ask(`"logging/setLevel","params":{"level":"info"}`)
			again := func(times int) {
				for i := range times {
					run.breaks(i)
					for range 3 {
						ask(`"tools/list"`)
					}
				}
			}
			again(100)
			at := nowHolds(holds{}, 20)
			at = holds{at.goroutines + 10, at.files + 6, at.heap + 1<<20}
			again(1000)
			if h := nowHolds(at, 400); !h.within(at) {
				buf := make([]byte, 1<<20)
				t.Errorf("it holds %+v, want %+v at most\n%s", h, at, buf[:runtime.Stack(buf, true)])
			} else {
				t.Logf("%d requests, it holds %+v", id, h)
			}
		})
	}
}
