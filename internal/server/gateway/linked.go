package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// A peer is a server at the other end of a link: a child and its standard
// streams, or an event stream of 2024-11-05 and what is posted beside it.
type peer interface {
	// Send delivers one message of one line, on behalf of an exchange; nil: our
	// own. process.ErrEnded says that there is nobody any more.
	Send(ctx context.Context, from *exchange, message []byte) error
	// Stop ends the peer; it returns when it is gone.
	Stop()
	// Done is closed when it is gone, and nothing more will be received.
	Done() <-chan struct{}
	// Err says how it ended, for operators; nil until Done is closed.
	Err() error
	// Began returns when it was started.
	Began() time.Time
	// PID returns the number of its process; zero: it is none of ours.
	PID() int
}

// dialer makes the other end of a link, for whom from is; nil: for ourselves.
// receive gets each message of the server's, its own to keep, one at a time and
// never after the peer's Done is closed. The context bounds only the start.
type dialer func(ctx context.Context, from *exchange, receive func(message []byte)) (peer, error)

// linked is the backend of a server that is spoken to over links. Callers of
// the newer era share one; each session of the older has its own.
type linked struct {
	name         string
	code         string // of errors that are the server's fault
	dial         dialer
	older        bool // it cannot speak the newer era, and is not asked
	perTenant    bool // what is shared is shared within a tenant
	maxLinks     int
	maxPerTenant int
	maxPerCaller int // sessions
	idle         time.Duration
	probeWait    time.Duration
	backoff      time.Duration // pause after the first failure
	log          *slog.Logger
	now          func() time.Time
	events       *eventDialer // of a server that speaks HTTP+SSE; nil: of another

	ctx  context.Context // ends when the backend closes
	stop context.CancelFunc
	work sync.WaitGroup // everything that runs on its own

	mu       sync.Mutex
	shared   map[string]*shared // by tenant; all are "" unless perTenant
	count    int                // of links, also those that are being made
	held     map[string]int     // of them, by tenant
	links    map[*link]struct{}
	sessions map[string]*session
}

// init makes what is not configured. No link is made yet.
func (s *linked) init() *linked {
	s.shared, s.held = map[string]*shared{}, map[string]int{}
	s.links, s.sessions = map[*link]struct{}{}, map[string]*session{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// post carries what a client says to a child of its era.
func (s *linked) post(x *exchange) error {
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
func (s *linked) get(x *exchange) error {
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
func (s *linked) delete(x *exchange) error {
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
func (s *linked) close() {
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
	if s.events != nil {
		s.events.client.Close()
	}
}

// later does something that close waits for; false when it is too late.
func (s *linked) later(do func()) bool {
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

// launch makes one more link, for whom from is; nil: for ourselves. route gets
// what belongs to no call; over is called once the other end is gone.
func (s *linked) launch(ctx context.Context, from *exchange, era mcp.Era, route router, over func(*link)) (*link, error) {
	tenant := tenantOf(from)
	if err := s.reserve(tenant); err != nil {
		return nil, err
	}
	l := &link{log: s.log, name: s.name, code: s.code, era: era, route: route, calls: map[string]*pending{}, up: make(chan struct{}), over: make(chan struct{})}
	p, err := s.dial(ctx, from, l.receive)
	if err != nil {
		s.free(tenant)
		s.work.Done()
		return nil, err
	}
	l.peer = p
	close(l.up)
	s.mu.Lock()
	s.links[l] = struct{}{}
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		l.watch()
		s.mu.Lock()
		delete(s.links, l)
		s.mu.Unlock()
		s.free(tenant)
		over(l)
		close(l.over)
	}()
	if s.ctx.Err() != nil { // close may have missed it
		l.stop()
		return nil, errClosing
	}
	return l, nil
}

// tenantOf is who counts for a link.
func tenantOf(x *exchange) string {
	if x == nil {
		return ""
	}
	return x.caller.Tenant
}

// reserve counts one more link, of a tenant's, or refuses. Whoever it lets
// through calls free and s.work.Done in the end.
func (s *linked) reserve(tenant string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return errClosing
	case s.count >= s.maxLinks:
		return tooMany("Too many sessions are open on this server. Retry later.")
	case tenant != "" && s.held[tenant] >= s.maxPerTenant:
		return tooMany("Too many sessions are open for this tenant. End some, or retry later.")
	}
	s.count++
	s.held[tenant]++
	s.work.Add(1)
	return nil
}

func (s *linked) free(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.held[tenant]--; s.held[tenant] == 0 {
		delete(s.held, tenant)
	}
}

func tooMany(description string) error {
	return &gatehouse.Error{Code: "GH-1503", Status: http.StatusServiceUnavailable, Description: description}
}

// broken tells a caller that the server is at fault. Why is in the log: it may
// contain what a child wrote.
func broken(id []byte, message, code string) *mcp.Error {
	return &mcp.Error{Status: http.StatusBadGateway, Code: mcp.CodeInternalError, ID: id, Message: message, Data: map[string]string{"code": code}}
}

const (
	textEnded      = "The server behind the gateway ended before it answered."
	textNotStarted = "The server behind the gateway could not be started."
	textUnreadable = "The server behind the gateway answered something that is not MCP."
)

// owner is whom a session belongs to, and who may not meet another.
func owner(x *exchange) string {
	c := x.caller
	return c.Tenant + "\x00" + c.Client + "\x00" + c.Issuer + "\x00" + c.Subject // no part has a control character: see Guard.Admit
}
