package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// parcel is one message on its way to a client.
type parcel struct {
	message []byte
	final   *pending // the call that this answers; nil: some other message
	status  int      // of the HTTP answer, should this be all of it
	fault   bool     // the answer is an error
	tells   bool     // of a resource or a task: not for everybody
}

// inbox holds what a client has not taken yet, within bounds: a child that
// serves many must not wait for the slowest.
type inbox struct {
	owner  string
	ready  chan struct{} // has an element when there is something to see
	single bool          // takes answers only: its client wants no stream

	mu      sync.Mutex
	queue   []parcel
	size    int    // bytes in queue
	answers int    // still to come; below zero: any number
	err     error  // why nothing more comes
	sever   func() // frees a client's writer that waits for it; nil: there is none
}

const (
	maxQueued = 1 << 20 // bytes waiting for a client, unless it is one message
	maxHeld   = 256     // messages waiting for a client
)

var (
	errSlow     = errors.New("the client reads too slowly")
	errReplaced = errors.New("the client has opened another stream")
	errEnded    = errors.New("the session has ended")
)

// sever ends a stream whose client reads too slowly, in the middle of a write.
func (s *stream) sever() { _ = s.control.SetWriteDeadline(time.Unix(1, 0)) }

func newInbox(owner string, answers int) *inbox {
	return &inbox{owner: owner, ready: make(chan struct{}, 1), answers: answers}
}

// put adds a parcel; false when it will not reach anybody.
func (b *inbox) put(p parcel) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.answers == 0 || b.single && p.final == nil {
		return false
	}
	if len(b.queue) > 0 && b.size+len(p.message) > maxQueued && p.final == nil || len(b.queue) >= maxHeld {
		b.err = errSlow
		if b.sever != nil {
			b.sever()
		}
		b.wake()
		return false
	}
	if p.final != nil && b.answers > 0 {
		b.answers--
	}
	b.queue = append(b.queue, p)
	b.size += len(p.message)
	b.wake()
	return true
}

// wake is called with the lock held.
func (b *inbox) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns all there is, and why no more will come.
func (b *inbox) take() ([]parcel, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queue
	b.queue, b.size = nil, 0
	return queue, b.err
}

// slow says what to do about a client that takes nothing. It must not block.
func (b *inbox) slow(sever func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sever = sever
}

// fail says that nothing more will come, and returns what was not taken. The
// first reason stays.
func (b *inbox) fail(err error) []parcel {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.wake()
	queue := b.queue
	b.queue, b.size = nil, 0
	return queue
}

// statusOf returns the HTTP status under which a response travels. Only the
// newer era has others than 200, and only for what concerns the protocol: an
// error of the method itself is an answer. MCP 2026-07-28 transports
func statusOf(era mcp.Era, e *mcp.Envelope) int {
	if era == mcp.Legacy || e.Error == nil {
		return http.StatusOK
	}
	var fault struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(e.Error, &fault) != nil {
		return http.StatusOK
	}
	switch fault.Code {
	case mcp.CodeMethodNotFound:
		return http.StatusNotFound
	case mcp.CodeParseError, mcp.CodeInvalidRequest, mcp.CodeHeaderMismatch, mcp.CodeUnsupportedVersion, codeMissingCapability:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

const codeMissingCapability = -32021 // MCP 2026-07-28
