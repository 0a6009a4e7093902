package upstream

import (
	"bufio"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// fake returns n connections that go nowhere, and says which of them were closed.
func fake(n int) ([]*conn, func() []bool) {
	var conns []*conn
	var ends []net.Conn
	for range n {
		here, there := net.Pipe()
		conns = append(conns, &conn{Conn: here, in: bufio.NewReader(here)})
		ends = append(ends, there)
	}
	return conns, func() []bool {
		var closed []bool
		for _, e := range ends {
			e.SetReadDeadline(time.Now().Add(time.Nanosecond))
			_, err := e.Read(make([]byte, 1))
			closed = append(closed, !errors.Is(err, os.ErrDeadlineExceeded))
		}
		return closed
	}
}

func TestPoolClosesWhatNobodyNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		conns, closed := fake(3)
		for _, c := range conns {
			p.put(c)
		}
		for range 10 { // one caller: the last one in is at work, two are not needed
			time.Sleep(sweep / 2)
			c := p.pop()
			if c != conns[2] {
				t.Fatal("got another connection, want the last one in")
			}
			p.put(c)
		}
		if got, want := closed(), []bool{true, true, false}; !slices.Equal(got, want) {
			t.Errorf("got closed %v, want %v", got, want)
		}
		time.Sleep(2 * sweep)
		if got := closed(); !got[2] || p.pop() != nil {
			t.Error("got an open connection, want it closed after two sweeps")
		}

		conns, closed = fake(1) // and so again after the pool was empty
		p.put(conns[0])
		time.Sleep(2*sweep + 1)
		if got := closed(); !got[0] || p.pop() != nil {
			t.Error("got an open connection, want it closed after two sweeps")
		}
	})
}

func TestPoolIsBounded(t *testing.T) {
	var p pool
	defer p.close()
	conns, closed := fake(maxIdle + 1)
	for _, c := range conns {
		p.put(c)
	}
	if got := closed(); got[0] || !got[maxIdle] {
		t.Errorf("got the first closed: %v, the last: %v; want the one too many closed", got[0], got[maxIdle])
	}
}

func TestPoolClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		conns, closed := fake(3)
		p.put(conns[0])
		p.put(conns[1])
		p.pop()
		p.close()
		p.put(conns[1])
		p.put(conns[2])
		if got, want := closed(), []bool{true, true, true}; !slices.Equal(got, want) {
			t.Errorf("got closed %v, want %v", got, want)
		}
		time.Sleep(3 * sweep) // the timer of a closed pool does no harm
		p.close()
	})
}
