package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// body is the body of an answer. At its end the connection is free for the
// next request; closed before, the connection is closed.
type body struct {
	src  io.Reader // net/http's: it knows where the body ends
	conn *conn
	idle *pool
	ctx  context.Context
	stop func() bool // of what closes the connection when ctx ends
	keep bool        // the connection outlives the answer

	over atomic.Int32 // one of the states below
}

const (
	running int32 = iota
	complete
	abandoned
)

// Read returns what has come, as soon as something has.
func (b *body) Read(p []byte) (int, error) {
	switch b.over.Load() {
	case complete:
		return 0, io.EOF
	case abandoned: // the buffer may hold more, but it is nobody's now
		return 0, b.reason(http.ErrBodyReadAfterClose)
	}
	n, err := b.src.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.finish(true)
	case err != nil:
		b.finish(false)
		err = b.reason(err)
	}
	return n, err
}

// Close ends the exchange. It waits for nothing.
func (b *body) Close() error {
	b.finish(false)
	return nil
}

func (b *body) reason(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}

// finish lets go of the connection, once. It must not be touched afterwards:
// it may be at work for somebody else.
func (b *body) finish(whole bool) {
	state := abandoned
	if whole {
		state = complete
	}
	if !b.over.CompareAndSwap(running, state) {
		return
	}
	// When stop comes too late, the connection is being closed. What lies
	// in the buffer belongs to no request: whoever sent it is not trusted
	// with another.
	if b.stop() && whole && b.keep && b.conn.in.Buffered() == 0 {
		b.idle.put(b.conn)
		return
	}
	b.conn.Close()
}
