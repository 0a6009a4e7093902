package upstream

import (
	"sync"
	"time"
)

// sweep is how often idle connections are looked through. One that nobody
// needed between two sweeps is closed, so none is idle for longer than two:
// less than the 2 s after which gunicorn hangs up, or the 5 s of Node and
// uvicorn. A tool call that meets the hanging up may be lost, for it must not
// be sent twice; a new connection costs little.
const sweep = 750 * time.Millisecond

// pool keeps idle connections. The last one in is the first one out, so that
// the same few are at work and the rest fall to the sweep.
type pool struct {
	mu     sync.Mutex
	conns  []*conn
	low    int         // the fewest conns since the last sweep
	timer  *time.Timer // runs while there are conns
	closed bool
}

// take returns a connection on which the upstream has sent nothing and which
// it has not ended, or nil.
func (p *pool) take() *conn {
	for {
		c := p.pop()
		if c == nil || c.quiet() {
			return c
		}
		c.Close()
	}
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	if last < 0 {
		return nil
	}
	c := p.conns[last]
	p.conns[last] = nil
	p.conns = p.conns[:last]
	p.low = min(p.low, last)
	return c
}

// put keeps c for later.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.conns) >= maxIdle {
		c.Close()
		return
	}
	p.conns = append(p.conns, c)
	switch {
	case p.timer == nil:
		p.timer = time.AfterFunc(sweep, p.sweep)
	case len(p.conns) == 1 && p.low < 0:
		p.timer.Reset(sweep)
		p.low = 0
	}
}

// sweep closes the connections that nobody needed since the last one.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns[:p.low] {
		c.Close()
	}
	n := copy(p.conns, p.conns[p.low:])
	clear(p.conns[n:])
	p.conns = p.conns[:n]
	p.low = n
	if n > 0 {
		p.timer.Reset(sweep)
		return
	}
	p.low = -1 // put starts the timer again
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, c := range p.conns {
		c.Close()
	}
	p.conns, p.low = nil, 0
}
