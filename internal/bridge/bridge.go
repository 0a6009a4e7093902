// Package bridge carries a client that speaks MCP on standard input and output to
// a server that is elsewhere and protected: of any revision and transport, with
// access that is got on the way.
//
// Each request of the client gets one answer, and each call reaches the server
// once at most: what may have arrived is not sent a second time.
package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// Access is how requests get through. Credential returns what the server is to
// be asked with, nil for nothing; Renew another one after a refusal, or why there
// is none.
type Access interface {
	Credential(ctx context.Context) (*signin.Credential, error)
	Renew(ctx context.Context, r signin.Refusal) (*signin.Credential, error)
}

// DefaultMax is how long a message may be, in bytes.
const DefaultMax = 16 << 20

// Bridge carries one client's conversation.
type Bridge struct {
	Server    string            // required: the server's URL
	Access    Access            // required
	In        io.Reader         // required: from the client, a message on each line
	Out       io.Writer         // required: to the client, likewise; nobody else writes there
	Header    http.Header       // sent along with every request; nil: nothing
	Proxy     *proxy.Settings   // which proxy leads where; nil: none. A Transport that is given has its own
	Transport http.RoundTripper // nil: a transport of its own. It must follow no redirect and decompress nothing
	Max       int               // bytes of a message; 0: DefaultMax
	Patience  time.Duration     // how long a server that cannot be reached is tried; 0: 30 s
	Log       *slog.Logger      // required
	Now       func() time.Time  // of the wall; nil: time.Now

	remote *remote
	out    sync.Mutex

	mu      sync.Mutex
	pending map[string]*call // by the raw id
	asked   map[string]chan<- mcp.Envelope
	open    sync.WaitGroup
	posts   posts

	questions questions
}

// call is a request of the client that waits for its answer.
type call struct {
	id     []byte
	method string
	cancel context.CancelCauseFunc
}

const (
	inFlight = 256             // requests at once
	farewell = 5 * time.Second // for answers that are on their way when the client leaves
)

var errCancelled = errors.New("the client cancelled the request")

// Run carries messages until the client closes its side, or ctx ends. The error is
// of the client's side; what goes wrong at the server's is told to the client.
func (b *Bridge) Run(ctx context.Context) error {
	b.pending, b.asked = map[string]*call{}, map[string]chan<- mcp.Envelope{}
	base, stop := context.WithCancel(ctx)
	defer stop()
	b.remote = newRemote(b, base)
	b.posts = newPosts(b)
	err := b.read(base, func() { time.AfterFunc(farewell, stop) })
	close(b.posts.queue)
	done := make(chan struct{})
	go func() { b.open.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(farewell):
	case <-ctx.Done():
	}
	b.remote.leave()
	stop()
	ended := make(chan struct{})
	go func() { <-done; b.remote.wait(); close(ended) }() // everybody heeds the context
	select {
	case <-ended:
	case <-time.After(farewell): // but for a write to a client that does not read, and does not go
		b.Log.Warn("the bridge ends with something left undone")
	}
	return err
}

// read reads lines until the client's end, and says so at once: the client may be
// gone while a request of it waits for somebody to sign in.
func (b *Bridge) read(ctx context.Context, gone func()) error {
	type line struct {
		text []byte
		err  error
	}
	lines := make(chan line)
	go func() { // a read of standard input cannot be ended
		r := newLineReader(b.In, b.max())
		for {
			text, err := r.next()
			if err != nil && !errors.Is(err, errLineTooLong) {
				gone()
			}
			select {
			case lines <- line{bytes.Clone(text), err}:
			case <-ctx.Done():
				return
			}
			if err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
		}
	}()
	for {
		select {
		case l := <-lines:
			switch {
			case errors.Is(l.err, errLineTooLong):
				b.fail(nil, mcp.CodeInvalidRequest, "GH-2234 The message is too long.")
			case errors.Is(l.err, io.EOF):
				return nil
			case l.err != nil:
				return l.err
			case len(bytes.TrimSpace(l.text)) > 0:
				b.incoming(ctx, l.text)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// incoming handles one line of the client, and waits for nobody. Notifications and
// responses are sent in their order, requests side by side, after what came before.
func (b *Bridge) incoming(ctx context.Context, line []byte) {
	parts, err := mcp.Split(line) // a batch, which 2025-03-26 has
	if err != nil {
		b.fail(nil, mcp.CodeParseError, "The message is not JSON that all readers understand alike.")
		return
	}
	for _, raw := range parts {
		m, err := readMessage(raw)
		if err != nil {
			b.fail(nil, mcp.CodeInvalidRequest, "The message is no JSON-RPC message of MCP.")
			continue
		}
		switch m.Kind {
		case mcp.Request:
			b.request(ctx, m)
		case mcp.Notification:
			b.notification(m)
		case mcp.Response:
			b.response(m)
		}
	}
}

func (b *Bridge) request(ctx context.Context, m *message) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{id: m.ID, method: m.Method, cancel: cancel}
	b.mu.Lock()
	_, taken := b.pending[string(m.ID)]
	full := len(b.pending) >= inFlight
	if !taken && !full {
		b.pending[string(m.ID)] = c
	}
	b.mu.Unlock()
	switch {
	case taken:
		b.Log.Warn("the client uses an id twice", "id", string(m.ID))
		cancel(nil)
		return // the first one's answer answers it
	case full:
		cancel(nil)
		b.fail(m.ID, mcp.CodeInternalError, "GH-2234 Too many requests wait for an answer.")
		return
	}
	turn := b.posts.turn(m)
	b.open.Go(func() {
		defer cancel(nil)
		defer turn.done()
		err := turn.wait(ctx)
		if err == nil {
			err = b.remote.request(ctx, m)
		}
		if context.Cause(ctx) == errCancelled { //nolint:errorlint // it is this one, never wrapped
			b.drop(c)
			return
		}
		if err != nil {
			b.refuse(c, err)
		}
	})
}

func (b *Bridge) notification(m *message) {
	if m.Method == "notifications/cancelled" {
		b.cancelled(m)
		return
	}
	b.posts.add(m, b.remote.notify)
}

// cancelled ends a request, at once. Over HTTP of 2026-07-28 the end of its stream
// says so; before, a message does.
func (b *Bridge) cancelled(m *message) {
	b.mu.Lock()
	c := b.pending[string(m.RequestID)]
	b.mu.Unlock()
	if c == nil {
		return // it was answered already
	}
	c.cancel(errCancelled)
	b.posts.add(m, b.remote.cancel)
}

// response passes the client's answer on to who asked: the server, or the bridge
// on its behalf.
func (b *Bridge) response(m *message) {
	b.mu.Lock()
	waits := b.asked[string(m.ID)]
	delete(b.asked, string(m.ID))
	b.mu.Unlock()
	if waits != nil {
		waits <- m.Envelope
		return
	}
	m, err := b.questions.answered(m)
	if err != nil { // nobody can say which server it is for
		b.Log.Warn("an answer of the client cannot be passed on", "error", err)
		return
	}
	b.posts.add(m, b.remote.notify)
}

// take ends the wait for an answer: the first one to come takes it, and true is
// returned to nobody else.
func (b *Bridge) take(id []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.pending[string(id)]
	delete(b.pending, string(id))
	return ok
}

func (b *Bridge) drop(c *call) { b.take(c.id) }

func (b *Bridge) refuse(c *call, err error) {
	if b.take(c.id) {
		code, text, data := explain(err)
		b.Log.Warn("a request got no answer of the server", "method", c.method, "error", text)
		b.write((&mcp.Error{Code: code, Message: text, ID: c.id, Data: data}).JSON())
	}
}

func (b *Bridge) fail(id []byte, code int, text string) {
	b.write((&mcp.Error{Code: code, Message: text, ID: id}).JSON())
}

// deliver is deliverOf for what comes in no session.
func (b *Bridge) deliver(raw, id []byte) (answered bool) {
	return b.deliverOf(raw, id, b.remote.which())
}

// deliverOf passes a message of the server on to the client, when it is one. It says
// whether that was the answer to id. session is the one in which the message came,
// which may have ended since.
func (b *Bridge) deliverOf(raw, id []byte, session int) (answered bool) {
	e, err := mcp.Peek(raw)
	if err != nil {
		b.Log.Warn("the server sent what is no message", "error", err)
		return false
	}
	if e.Kind == mcp.Response {
		if e.ID == nil || !b.take(e.ID) {
			b.Log.Warn("the server answered what nobody asked, or twice", "id", string(e.ID))
			return false
		}
		b.line(raw)
		return bytes.Equal(e.ID, id)
	}
	if e.Kind == mcp.Request && b.remote.modern() {
		b.Log.Warn("the server asks, which this revision does not allow", "method", e.Method)
		return false
	}
	if e.Kind == mcp.Request {
		if raw, err = b.questions.ask(raw, e, session); err != nil {
			b.Log.Warn("the server asks what cannot be passed on", "error", err)
			return false
		}
	}
	if e.Method == "notifications/tools/list_changed" {
		b.remote.tool.doubt()
	}
	b.line(raw)
	return false
}

// line writes a message of the server. What cannot be on one line is not written.
func (b *Bridge) line(raw []byte) {
	one, err := mcp.Line(raw)
	if err != nil {
		b.Log.Warn("the server sent what cannot be passed on", "error", err)
		return
	}
	b.write(one)
}

func (b *Bridge) write(one []byte) {
	b.out.Lock()
	defer b.out.Unlock()
	if _, err := b.Out.Write(append(one, '\n')); err != nil {
		b.Log.Warn("the client does not read any more", "error", err)
	}
}

func (b *Bridge) max() int {
	if b.Max > 0 {
		return b.Max
	}
	return DefaultMax
}

func (b *Bridge) patience() time.Duration {
	if b.Patience > 0 {
		return b.Patience
	}
	return 30 * time.Second
}
