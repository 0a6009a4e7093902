package gateway

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// Line is the way to one MCP server, and the exchanges that are under way on
// it. It outlives the gateway that opened it: when the configuration changes,
// the next gateway takes it over, so that no stream ends and no child restarts
// because a limit was raised.
type Line struct {
	backend
	events eventDoor // clients of HTTP+SSE
	tasks  owned     // whose is which

	current atomic.Pointer[Gateway]      // which uses it, and says what the server is told
	rules   atomic.Pointer[access.Guard] // that hold now; of a server that has moved, those of its new place

	mu    sync.Mutex
	first *exchange
	count int
	gone  *gatehouse.Error // why nobody can come any more; nil: they can
	empty chan struct{}    // closed when count falls to zero; nil: nobody waits
}

// enter notes an exchange that is under way; leave is called when it is over.
// It says why there is no way any more.
func (l *Line) enter(x *exchange) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return l.gone
	}
	l.count++
	x.next = l.first
	if l.first != nil {
		l.first.prev = x
	}
	l.first = x
	return nil
}

func (l *Line) leave(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		l.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.prev, x.next = nil, nil
	if l.count--; l.count == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

// cut ends the exchanges under way for which why returns a reason.
func (l *Line) cut(why func(*exchange) *gatehouse.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutHeld(why)
}

// shut is Gateway.Shut.
func (l *Line) shut(cause *gatehouse.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = cause
	l.cutHeld(func(*exchange) *gatehouse.Error { return cause })
}

// cutHeld is cut, called with mu held.
func (l *Line) cutHeld(why func(*exchange) *gatehouse.Error) {
	for x := l.first; x != nil; x = x.next {
		if e := why(x); e != nil {
			x.end(e)
		}
	}
}

// end ends every session and child; it returns when they are gone.
func (l *Line) end() {
	l.events.close()
	l.close()
}

// drain returns when nothing is under way, or ctx has ended.
func (l *Line) drain(ctx context.Context) {
	l.mu.Lock()
	if l.count == 0 {
		l.mu.Unlock()
		return
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	l.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// Activate has the rules of g hold for everything on its line, streams that are
// open included: callers whom g does not know are cut off. Only a gateway with
// an Earlier needs it, once everything else that changes with it is sound.
func (g *Gateway) Activate() {
	g.line.current.Store(g)
	g.govern(g.line)
}

// Govern has the rules of g hold for what is still under way at an earlier
// gateway of the same server, which was reached in another way. What the server
// is told there stays as it was: our credential for the new place is not for the old.
func (g *Gateway) Govern(earlier *Gateway) { g.govern(earlier.line) }

func (g *Gateway) govern(l *Line) {
	before := l.rules.Swap(g.Guard)
	same := before != nil && g.Guard.SameRules(before)
	l.cut(func(x *exchange) *gatehouse.Error { return x.outlived(g.Guard, same) })
}

// letThrough notes what rules have let an exchange through for.
func (x *exchange) letThrough() {
	if x.call != nil {
		x.several = len(x.call.Messages) > 1
		m := &x.call.Messages[0]
		x.method = m.Method
		for i, about := range m.About() {
			x.about, x.several = about, x.several || i > 0
		}
	}
	x.through.Store(true)
}

// outlived says why rules would not let an exchange go on; same says that they
// decide as those did that let it through. A stream that was asked for nothing in
// particular goes on: each message on it is held against the rules of its moment.
func (x *exchange) outlived(rules *access.Guard, same bool) *gatehouse.Error {
	why := rules.Welcome(x.caller)
	switch {
	case why != nil || same:
		return why
	case !x.through.Load():
		return nil // it is still to be judged
	case !x.several && (x.about == mcp.Subject{} || rules.Remains(x.caller, x.method, x.about)):
		return nil
	}
	return &gatehouse.Error{Code: "GH-1014", Status: http.StatusServiceUnavailable, Description: "The rules have changed. Try again."}
}

// guard decides by the rules that hold now: a request may have come in before a change of them.
func (g *Gateway) guard() *access.Guard { return g.line.rules.Load() }

// Shares says whether two gateways have one way to one server.
func (g *Gateway) Shares(other *Gateway) bool { return g.line == other.line }

// Retire ends a gateway whose server is no longer reached in its way: every
// exchange under way ends with cause, or with nil goes on until ctx ends; then
// the way itself.
func (g *Gateway) Retire(ctx context.Context, cause *gatehouse.Error) {
	if cause == nil {
		g.line.drain(ctx)
		cause = &gatehouse.Error{Code: "GH-1605", Status: http.StatusServiceUnavailable, Description: "This server was taken out of service."}
	}
	g.Shut(cause)
	g.line.end()
}

// Shut ends every exchange under way with a cause, and lets no other begin: a
// request may have come in before, and get to the way to the server after it.
func (g *Gateway) Shut(cause *gatehouse.Error) { g.line.shut(cause) }

// Cut ends the streams that never end by themselves.
func (g *Gateway) Cut(cause *gatehouse.Error) {
	g.line.cut(func(x *exchange) *gatehouse.Error {
		if x.endless.Load() {
			return cause
		}
		return nil
	})
}

// UnderWay returns how many exchanges are open now.
func (g *Gateway) UnderWay() int {
	g.line.mu.Lock()
	defer g.line.mu.Unlock()
	return g.line.count
}
