package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// router takes what a child says on its own account, and says whether it could
// be delivered.
type router func(message []byte, e *mcp.Envelope) bool

// link is one connection to a server, such as a running child, and the calls that wait for it. Towards the server
// every call has an id that we gave, which is also its progress token: so two
// callers can never be taken for one another.
type link struct {
	peer  peer
	log   *slog.Logger
	name  string
	code  string // of errors that are the server's fault
	era   mcp.Era
	route router        // nil: nothing can be delivered
	up    chan struct{} // closed when peer is set
	over  chan struct{} // closed when all is cleared away

	stopping atomic.Bool // we ended it

	mu      sync.Mutex
	last    uint64              // id given last
	calls   map[string]*pending // by the id that we gave
	ended   bool
	sole    string // the only caller so far
	mixed   bool   // there were several
	dropped int    // messages that belonged to nobody
}

// pending is a call that waits for its answer.
type pending struct {
	id      []byte // that we gave
	seq     uint64
	message *mcp.Message // as the client sent it
	box     *inbox       // of the answer that it is a part of
}

const (
	maxPending = 1000                   // calls of one child at once
	maxShare   = 250                    // of one caller, once half of them are taken
	cancelWait = 500 * time.Millisecond // for a child to take a cancellation
	refuseWait = 100 * time.Millisecond
)

// begin sends a request on. What comes back goes to the box: one answer for
// certain, that the child has ended if need be. An error means that nothing was
// sent: process.ErrEnded that there is no child to send it to.
func (l *link) begin(ctx context.Context, from *exchange, m *mcp.Message, box *inbox) (*pending, error) {
	owner := box.owner
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return nil, process.ErrEnded
	}
	if l.full(owner) {
		l.mu.Unlock()
		return nil, tooMany("Too many calls are waiting for this server. Retry later.")
	}
	l.last++
	p := &pending{id: strconv.AppendUint(nil, l.last, 10), seq: l.last, message: m, box: box}
	l.calls[string(p.id)] = p
	if owner != "" {
		l.mixed = l.mixed || l.sole != "" && l.sole != owner
		l.sole = owner
	}
	l.mu.Unlock()
	edit := mcp.Edit{ID: p.id}
	if m.ProgressToken != nil {
		edit.ProgressToken = p.id
	}
	line, err := edit.Line(m.Raw)
	if err == nil {
		err = l.peer.Send(ctx, from, line)
	}
	if err == nil {
		return p, nil
	}
	if !l.forget(p) {
		return p, nil // its answer, that the child has ended, is in the box
	}
	return nil, err
}

// full says whether the child takes no more calls of an owner. In a crowd nobody
// has more than a share, so that one caller cannot shut out the others. It is
// called with the lock held.
func (l *link) full(owner string) bool {
	if len(l.calls) < maxPending/2 || len(l.calls) >= maxPending {
		return len(l.calls) >= maxPending
	}
	held := 0
	for _, p := range l.calls {
		if p.box.owner == owner {
			held++
		}
	}
	return held >= maxShare
}

// forget stops waiting for an answer; false when it has come.
func (l *link) forget(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, waiting := l.calls[string(p.id)]
	delete(l.calls, string(p.id))
	return waiting
}

// cancel tells the child that nobody waits any more. MCP 2026-07-28 stdio
func (l *link) cancel(from *exchange, p *pending) {
	if !l.forget(p) {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), cancelWait)
	defer stop()
	line := append(append([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`), p.id...), `,"reason":"the client left"}}`...)
	if err := l.peer.Send(ctx, from, line); err != nil {
		l.log.Debug("cancellation not delivered", "server", l.name, "cause", err)
	}
}

// find returns the call that a caller of this box's owner knows by this id.
func (l *link) find(owner string, id []byte) *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.calls {
		if p.box.owner == owner && slices.Equal(p.message.ID, id) {
			return p
		}
	}
	return nil
}

// receive takes what the child says to whom it belongs.
func (l *link) receive(message []byte) {
	<-l.up
	defer func() { // one message must not take the gateway down with it
		if p := recover(); p != nil {
			l.log.Error("panic", "server", l.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if message[0] != '[' {
		l.one(message)
		return
	}
	elements, err := mcp.Split(message) // MCP 2025-03-26 knows batches in both directions
	if err != nil {
		l.drop("unreadable", err)
		return
	}
	for _, m := range elements {
		l.one(m)
	}
}

func (l *link) one(message []byte) {
	e, err := mcp.Peek(message)
	if err != nil {
		l.drop("unreadable", err)
		return
	}
	switch {
	case e.Kind == mcp.Response:
		l.answered(message, &e)
	case e.Kind == mcp.Notification && e.Method == "notifications/progress":
		l.progress(message, &e)
	case e.Kind == mcp.Notification && l.era == mcp.Modern:
		l.notified(message, &e)
	case l.route != nil && l.route(message, &e):
	default:
		l.drop("undeliverable "+printable(e.Method), nil)
		if e.Kind == mcp.Request {
			l.refuse(e.ID)
		}
	}
}

// answered gives a response to the call it answers, once.
func (l *link) answered(message []byte, e *mcp.Envelope) {
	l.mu.Lock()
	p := l.calls[string(e.ID)]
	delete(l.calls, string(e.ID))
	seq, err := strconv.ParseUint(string(e.ID), 10, 64)
	late := err == nil && seq <= l.last
	l.mu.Unlock()
	if p == nil {
		if !late {
			l.drop("response to nobody's request", nil)
		}
		return
	}
	edit := mcp.Edit{ID: p.message.ID}
	if e.SubscriptionID != nil {
		edit.SubscriptionID = p.message.ID
	}
	out, err := edit.Line(message)
	if err != nil {
		l.drop("unreadable", err)
		p.box.put(parcel{message: broken(p.message.ID, textUnreadable, l.code).JSON(), final: p, status: http.StatusBadGateway, fault: true})
		return
	}
	p.box.put(parcel{message: out, final: p, status: statusOf(l.era, e), fault: e.Error != nil})
}

// progress gives a progress notification to the call whose token it carries.
func (l *link) progress(message []byte, e *mcp.Envelope) {
	p := l.call(e.ProgressToken)
	if p == nil || p.message.ProgressToken == nil {
		l.drop("progress of nobody's call", nil)
		return
	}
	l.deliver(p, message, e, mcp.Edit{ProgressToken: p.message.ProgressToken})
}

// notified gives a notification of the newer era to the subscription that it
// names. What names none could be anybody's; a log message then goes to the
// only caller that this child has ever had, or to nobody.
func (l *link) notified(message []byte, e *mcp.Envelope) {
	if e.SubscriptionID != nil {
		if p := l.call(e.SubscriptionID); p != nil && p.message.Method == "subscriptions/listen" {
			l.deliver(p, message, e, mcp.Edit{SubscriptionID: p.message.ID})
			return
		}
	} else if e.Method == "notifications/message" {
		if p := l.newest(); p != nil {
			l.deliver(p, message, e, mcp.Edit{})
			return
		}
	}
	l.drop("undeliverable "+printable(e.Method), nil)
}

func (l *link) deliver(p *pending, message []byte, e *mcp.Envelope, edit mcp.Edit) {
	out, err := edit.Line(message)
	if err != nil {
		l.drop("unreadable", err)
		return
	}
	p.box.put(parcel{message: out, tells: e.Tells})
}

func (l *link) call(id []byte) *pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[string(id)]
}

// newest returns the latest call in progress, when all calls are one caller's.
func (l *link) newest() (newest *pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mixed {
		return nil
	}
	for _, p := range l.calls {
		if p.message.Method != "subscriptions/listen" && (newest == nil || p.seq > newest.seq) {
			newest = p
		}
	}
	return newest
}

// refuse answers a request of the child that nobody will answer, so that it
// does not wait. It runs where the child is read and must not wait long.
func (l *link) refuse(id []byte) {
	ctx, stop := context.WithTimeout(context.Background(), refuseWait)
	defer stop()
	answer := &mcp.Error{Code: mcp.CodeMethodNotFound, ID: id, Message: "No client takes requests here."}
	if err := l.peer.Send(ctx, nil, answer.JSON()); err != nil {
		l.log.Debug("refusal not delivered", "server", l.name, "cause", err)
	}
}

// drop notes a message that is for nobody, at each power of ten.
func (l *link) drop(what string, cause error) {
	l.mu.Lock()
	l.dropped++
	count := l.dropped
	l.mu.Unlock()
	for n := count; n > 1; n /= 10 {
		if n%10 != 0 {
			return
		}
	}
	l.log.Warn("message from server dropped", "server", l.name, "what", what, "dropped", count, "cause", cause)
}

// watch waits for the child's end, and tells every call that waits for it.
func (l *link) watch() {
	<-l.peer.Done()
	if !l.stopping.Load() {
		l.log.Error("server ended", "code", l.code, "server", l.name, "cause", l.peer.Err())
	}
	l.mu.Lock()
	l.ended = true
	calls := l.calls
	l.calls = map[string]*pending{}
	l.mu.Unlock()
	for _, p := range calls {
		e := broken(p.message.ID, textEnded, l.code)
		p.box.put(parcel{message: e.JSON(), final: p, status: e.Status, fault: true})
	}
}

// stop ends the child; it returns when all is cleared away.
func (l *link) stop() {
	l.stopping.Store(true)
	l.peer.Stop()
	<-l.over
}
