package gateway

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// Stdio is an MCP server that speaks over its standard streams. Callers of the
// newer era share one child; each session of the older has its own.
type Stdio struct {
	Process      process.Spec  // how a child is started; Receive is ours to set
	MaxChildren  int           // children at once; zero: 64
	MaxPerCaller int           // sessions of one caller at once; zero: 16
	Idle         time.Duration // a child that nobody used for so long is stopped; zero: 30 min
	ProbeWait    time.Duration // how long a child may take to say which era it speaks; zero: 30 s
	Backoff      time.Duration // pause after the first failure, doubled with each further one up to 30 s; zero: 200 ms
}

const (
	defaultMaxChildren  = 64
	defaultMaxPerCaller = 16
	defaultIdle         = 30 * time.Minute
	defaultProbeWait    = 30 * time.Second
	defaultBackoff      = 200 * time.Millisecond
)

// stdio is the backend of one such server.
type stdio struct {
	Stdio
	ctx  context.Context // ends when the backend closes
	stop context.CancelFunc
	work sync.WaitGroup // everything that runs on its own

	shared shared

	mu       sync.Mutex
	children int
	links    map[*link]struct{}
	sessions map[string]*session
	starts   backoff // of sessions' children that do not even begin
}

// newStdio fills in what was left zero. No child is started yet.
func newStdio(c Stdio) *stdio {
	c.MaxChildren = orDefault(c.MaxChildren, defaultMaxChildren)
	c.MaxPerCaller = orDefault(c.MaxPerCaller, defaultMaxPerCaller)
	c.Idle = orDefault(c.Idle, defaultIdle)
	c.ProbeWait = orDefault(c.ProbeWait, defaultProbeWait)
	c.Backoff = orDefault(c.Backoff, defaultBackoff)
	if c.Process.Now == nil {
		c.Process.Now = time.Now
	}
	s := &stdio{Stdio: c, links: map[*link]struct{}{}, sessions: map[string]*session{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.shared.backoff.first, s.starts.first = c.Backoff, c.Backoff
	return s
}

// post carries what a client says to a child of its era.
func (s *stdio) post(x *exchange) error {
	switch {
	case x.call.Era == mcp.Modern:
		return s.modern(x)
	case !x.call.Batch && x.call.Messages[0].Method == "initialize":
		return s.initialize(x)
	case x.session == "": // MCP 2025-11-25 transports
		return &mcp.Error{
			Status: http.StatusBadRequest, Code: mcp.CodeInvalidRequest, ID: x.call.Messages[0].ID,
			Message: "Mcp-Session-Id is missing: initialize a session first.",
		}
	}
	n, err := s.session(x)
	if err != nil {
		return err
	}
	defer n.lease.give()
	return n.post(x)
}

// get opens the stream on which a session's server speaks unasked.
func (s *stdio) get(x *exchange) error {
	if x.session == "" {
		return notAllowed("POST")
	}
	n, err := s.session(x)
	if err != nil {
		return err
	}
	defer n.lease.give()
	return n.listen(x)
}

// delete ends a session.
func (s *stdio) delete(x *exchange) error {
	if x.session == "" {
		return notAllowed("POST")
	}
	n, err := s.session(x)
	if err != nil {
		return err
	}
	s.remove(n)
	s.later(n.end)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

// close ends every child; it returns when they are gone.
func (s *stdio) close() {
	s.mu.Lock()
	s.stop() // from here on nothing begins
	links := make([]*link, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, l := range links {
		all.Go(l.stop)
	}
	all.Wait()
	s.work.Wait()
}

// later does something that close waits for; false when it is too late.
func (s *stdio) later(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Go(do)
	return true
}

// errClosing is the cause when there is a backend no more.
var errClosing = errors.New("the gateway is closing")

// launch starts one more child. route gets what belongs to no call; over is
// called once the child is gone.
func (s *stdio) launch(ctx context.Context, era mcp.Era, route router, over func(*link)) (*link, error) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil, errClosing
	}
	if s.children >= s.MaxChildren {
		s.mu.Unlock()
		return nil, tooMany("Too many sessions are open on this server. Retry later.")
	}
	s.children++
	s.work.Add(1)
	s.mu.Unlock()
	l := &link{log: s.Process.Log, name: s.Process.Name, era: era, route: route, calls: map[string]*pending{}, up: make(chan struct{}), over: make(chan struct{})}
	spec := s.Process
	spec.Receive = l.receive
	child, err := process.Start(ctx, spec)
	if err != nil {
		s.mu.Lock()
		s.children--
		s.mu.Unlock()
		s.work.Done()
		return nil, err
	}
	l.child = child
	close(l.up)
	s.mu.Lock()
	s.links[l] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		l.watch()
		s.mu.Lock()
		delete(s.links, l)
		s.children--
		s.mu.Unlock()
		over(l)
		close(l.over)
	}()
	if s.ctx.Err() != nil { // close may have missed it
		l.stop()
		return nil, errClosing
	}
	return l, nil
}

func tooMany(description string) error {
	return &gatehouse.Error{Code: "GH-1503", Status: http.StatusServiceUnavailable, Description: description}
}

// broken tells a caller that the child is at fault. Why is in the log: it may
// contain what the child wrote.
func broken(id []byte, message string) *mcp.Error {
	return &mcp.Error{Status: http.StatusBadGateway, Code: mcp.CodeInternalError, ID: id, Message: message, Data: map[string]string{"code": "GH-2302"}}
}

const (
	textEnded      = "The server behind the gateway ended before it answered."
	textNotStarted = "The server behind the gateway could not be started."
	textUnreadable = "The server behind the gateway answered something that is not MCP."
)

// owner is whom a session belongs to, and who may not meet another.
func owner(x *exchange) string { return x.caller.Tenant + " " + x.caller.Subject }

// lease ends something that nobody has held for a while.
type lease struct {
	after time.Duration
	end   func() // called once, on a goroutine of its own

	mu    sync.Mutex
	held  int
	ended bool
	timer *time.Timer
}

// take holds the thing; false when it has ended.
func (l *lease) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.held++
	if l.timer != nil {
		l.timer.Stop()
	}
	return true
}

// give lets go of it.
func (l *lease) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	if l.held > 0 || l.ended {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(l.after, l.expire)
		return
	}
	l.timer.Reset(l.after)
}

func (l *lease) expire() {
	l.mu.Lock()
	if l.held > 0 || l.ended {
		l.mu.Unlock()
		return
	}
	l.ended = true
	l.mu.Unlock()
	l.end()
}

// cancel keeps it from being taken or ended.
func (l *lease) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
}
