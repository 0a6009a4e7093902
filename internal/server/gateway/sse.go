package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

var errStreamClosed = errors.New("stream closed")

// stream is an answer of server-sent events. Each event is flushed at once;
// a silent stream gets comments, so that no hop takes it for dead.
type stream struct {
	x       *exchange
	control *http.ResponseController
	release func()      // gives back the caller's place among the open streams
	quiet   *time.Timer // fires when the stream has been silent
	unblock func()      // undoes what frees a blocked write when the exchange ends

	mu   sync.Mutex
	buf  []byte
	err  error // why nothing can be sent any more
	last time.Time
}

// stream begins an answer of server-sent events, or refuses when the caller
// has too many open. Its close must be called.
func (x *exchange) stream(status int) (*stream, error) {
	release, err := x.place()
	if err != nil {
		return nil, err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // MCP 2026-07-28 transports
	x.w.WriteHeader(status)
	s := &stream{x: x, control: http.NewResponseController(x.w.ResponseWriter), release: release, last: time.Now()}
	if err := s.begin(); err != nil { // the client has left: nothing may be left behind
		s.close()
		return nil, err
	}
	return s, nil
}

// begin sends the head of the answer, and starts what runs beside the handler
// until close.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unblock = s.x.breakable()
	s.quiet = time.AfterFunc(s.x.g.KeepAlive, s.comment)
	return s.write(nil)
}

// hold counts the exchange among its caller's calls under way, or among their
// open streams, or refuses. What it returns gives that back.
func (x *exchange) hold() (release func(), err error) {
	if x.lasts() {
		x.endless.Store(true)
		return x.place()
	}
	return x.g.guard().Hold(x.caller, false)
}

// lasts says whether the exchange is a stream by its nature, not a call that is
// answered by one.
func (x *exchange) lasts() bool {
	if x.call == nil {
		return x.r.Method == http.MethodGet
	}
	return !x.call.Batch && x.call.Messages[0].Method == "subscriptions/listen"
}

// place counts the exchange among its caller's open streams, or refuses. What
// it returns gives the place back; an exchange that has one needs no second.
func (x *exchange) place() (leave func(), err error) {
	if x.placed {
		return func() {}, nil
	}
	leave, err = x.g.guard().Hold(x.caller, true)
	x.placed = err == nil
	return leave, err
}

// send writes one event and flushes it.
func (s *stream) send(e mcp.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = e.AppendTo(s.buf[:0])
	s.last = time.Now()
	return s.write(s.buf)
}

// comment keeps a silent stream alive, and comes again.
func (s *stream) comment() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.contain()
	if s.err != nil {
		return
	}
	wait := s.x.g.KeepAlive - time.Since(s.last)
	if wait <= 0 {
		s.last = time.Now()
		wait = s.x.g.KeepAlive
		_ = s.write([]byte(":\n\n"))
	}
	s.quiet.Reset(wait)
}

// contain keeps what panics beside the handler from ending the process.
func (s *stream) contain() {
	if p := recover(); p != nil {
		s.err = fmt.Errorf("panic: %v", p)
		s.x.g.Log.Error("panic", "request", s.x.id, "panic", printable(fmt.Sprint(p)), "stack", string(debug.Stack()))
	}
}

// write sends bytes and flushes them. Its caller holds the lock.
func (s *stream) write(p []byte) error {
	if s.err != nil {
		return s.err
	}
	if _, s.err = s.x.w.Write(p); s.err == nil {
		s.err = s.control.Flush()
	}
	return s.err
}

// close ends the stream; nothing is written afterwards.
func (s *stream) close() {
	s.quiet.Stop()
	s.unblock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errStreamClosed
	}
	s.release()
}
