package bridge

import (
	"context"
	"time"
)

// posts are the messages that nobody answers, notifications and responses. They are
// sent one after the other, while the client goes on: one of them may wait for
// somebody to sign in, or for a server that does not answer it.
type posts struct {
	b     *Bridge
	queue chan post
	// As the reader of the client's lines has it:
	last  chan struct{} // closed when the last one was sent; nil: there was none
	begun chan struct{} // closed when initialize was answered; nil: nobody asked
}

type post struct {
	m     *message
	send  func(context.Context, *message) error
	after <-chan struct{}
	done  chan struct{}
}

const (
	queued = 256             // posts that wait
	behind = 2 * time.Second // how long a request waits for the posts before it
)

// newPosts starts to send what is added, until the queue is closed. They are bounded
// by the context of the bridge.
func newPosts(b *Bridge) posts {
	p := posts{b: b, queue: make(chan post, queued)}
	go func() {
		for one := range p.queue {
			p.send(one)
		}
	}()
	return p
}

// add has a message sent after those before it. When too many wait, it is dropped.
func (p *posts) add(m *message, send func(context.Context, *message) error) {
	one := post{m: m, send: send, after: p.begun, done: make(chan struct{})}
	p.b.open.Add(1)
	select {
	case p.queue <- one:
		p.last = one.done
	default:
		p.b.open.Done()
		p.b.Log.Warn("a message is dropped: too many wait for the server", "method", m.Method)
	}
}

func (p *posts) send(one post) {
	defer p.b.open.Done()
	defer close(one.done)
	err := until(p.b.remote.base, one.after)
	if err == nil {
		// What is unreachable is tried for as long as our patience; then an answer may take its time.
		ctx, stop := withLimit(p.b.remote.base, p.b.patience()+p.b.patience())
		defer stop()
		err = one.send(ctx, one.m)
	}
	if err != nil {
		p.b.Log.Warn("a message did not reach the server", "method", one.m.Method, "error", err)
	}
}

// turn is when a request may be sent.
type turn struct {
	begun, last <-chan struct{}
	done        func() // the request has ended
}

// turn returns that of the request which came now.
func (p *posts) turn(m *message) turn {
	t := turn{begun: p.begun, last: p.last, done: func() {}}
	if m.Method == "initialize" {
		begun := make(chan struct{})
		p.begun = begun
		t.done = func() { close(begun) }
	}
	return t
}

// wait waits for initialize, since a request needs what it settles, and for the posts
// that came before, unless they wait themselves.
func (t turn) wait(ctx context.Context) error {
	if err := until(ctx, t.begun); err != nil {
		return err
	}
	short, stop := context.WithTimeout(ctx, behind)
	defer stop()
	_ = until(short, t.last)
	return ctx.Err()
}

// until waits until a channel is closed; nil: it is.
func until(ctx context.Context, closed <-chan struct{}) error {
	if closed == nil {
		return ctx.Err()
	}
	select {
	case <-closed:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
