package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

const (
	messagesPath    = "/messages" // below SSEPath
	maxEventCalls   = 100         // of one event stream, under way at once
	eventWriteWait  = time.Minute // for the client of an event stream to take a message
	farewellWait    = 2 * time.Second
	eventSessionTag = "sse " // before a session's id when it is sealed: it is of no other door
)

// eventDoor serves clients of HTTP+SSE, in front of any backend: each of their
// messages takes the way of one that was posted to the main path, and what comes
// back goes to their event stream. MCP 2024-11-05 transports
type eventDoor struct {
	patience time.Duration  // for a client to take a message; zero: a minute
	work     sync.WaitGroup // streams, until nothing is left of them

	mu       sync.Mutex
	sessions map[string]*eventSession
	closed   bool
}

// checkEvents says what is wrong with the path that clients are to open.
func (g *Gateway) checkEvents() error {
	p := g.SSEPath
	if p == "" {
		return nil
	}
	if !canonical(p) || strings.HasSuffix(p, "/") || p == g.Path || p+messagesPath == g.Path {
		return fmt.Errorf("gateway %q: the path %q cannot be that of the event stream", g.Name, p)
	}
	if u, err := url.Parse(g.PublicURL); err == nil {
		if prefix, ok := strings.CutSuffix(strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(g.Path, "/")); ok {
			g.base = prefix
		}
	}
	return nil
}

// eventsAt returns what serves a path of HTTP+SSE; nil: it is none of those.
func (g *Gateway) eventsAt(path string) func(*exchange, *visit) error {
	switch p := g.SSEPath; {
	case p == "":
		return nil
	case path == p, path == p+"/":
		return g.line.events.listen
	case path == p+messagesPath:
		return g.line.events.post
	}
	return nil
}

// close ends every stream; it returns when nothing is left of them.
func (d *eventDoor) close() {
	d.mu.Lock()
	d.closed = true
	for _, n := range d.sessions {
		n.end(errClosing)
	}
	d.mu.Unlock()
	d.work.Wait()
}

// listen opens a client's event stream and serves it until either leaves.
func (d *eventDoor) listen(x *exchange, v *visit) error {
	if x.r.Method != http.MethodGet {
		return notAllowed("GET")
	}
	version, err := mcp.HeaderVersion(x.r.Header)
	switch {
	case err != nil:
		return err
	case version == mcp.Version20260728:
		return olderOnly(nil, version)
	case sessionInQuery(x.r.URL.RawQuery): // the stream opens one
		return noSession()
	}
	if _, streams := accepts(x.r.Header); !streams {
		return &mcp.Error{Status: http.StatusNotAcceptable, Code: mcp.CodeInvalidRequest, Message: "Accept: text/event-stream is needed here."}
	}
	release, err := x.hold()
	if err != nil {
		return err
	}
	defer release()
	if err := x.g.check(x, v); err != nil {
		return err
	}
	out, err := x.stream(http.StatusOK)
	if err != nil {
		return err
	}
	defer out.close()
	n, err := d.open(x, out)
	if err != nil {
		return err
	}
	defer d.leave(n)
	if err := n.send(mcp.Event{Name: "endpoint", Data: []byte(d.endpoint(x, n))}); err != nil {
		return endOf(x, err)
	}
	<-n.ctx.Done()
	if cause := ended(x); cause != nil {
		return cause
	}
	if cause := context.Cause(n.ctx); errors.Is(cause, errSlow) || errors.Is(cause, errGone) {
		return cause
	}
	return nil
}

// endpoint is the URL for a session's messages, relative to the stream's own:
// clients refuse one of another origin.
func (d *eventDoor) endpoint(x *exchange, n *eventSession) string {
	return x.g.base + x.g.SSEPath + messagesPath + "?session=" + x.g.sessions.seal(x.caller, eventSessionTag+n.id)
}

// open puts a session on the list.
func (d *eventDoor) open(x *exchange, out *stream) (*eventSession, error) {
	n := &eventSession{g: x.g, id: rand.Text(), opener: x, out: out, heard: make(chan struct{})}
	n.ctx, n.end = context.WithCancelCause(x.ctx())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		n.end(errClosing)
		return nil, errClosing
	}
	if d.sessions == nil {
		d.sessions = map[string]*eventSession{}
	}
	d.sessions[n.id] = n
	d.work.Add(1)
	return n, nil
}

// leave ends a session: what runs for it first, then the backend's own.
func (d *eventDoor) leave(n *eventSession) {
	d.mu.Lock()
	delete(d.sessions, n.id)
	d.mu.Unlock()
	n.end(errStreamClosed)
	n.finish()
	go func() { // the client need not wait for it
		defer d.work.Done()
		n.farewell()
	}()
}

// find returns the session that a message is for. That of somebody else is the
// same as none.
func (d *eventDoor) find(x *exchange) (*eventSession, error) {
	query, _ := url.ParseQuery(x.r.URL.RawQuery) // was read before
	if len(query["session"]) != 1 {
		return nil, noSession()
	}
	opened, ok := x.g.sessions.open(x.caller, query["session"][0])
	id, tagged := strings.CutPrefix(opened, eventSessionTag)
	if !ok || !tagged {
		return nil, noSession()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.sessions[id]
	if n == nil || owner(n.opener) != owner(x) || n.ctx.Err() != nil {
		return nil, noSession()
	}
	return n, nil
}

// post takes one message of a session. What it asks for is answered on the
// stream, refusals of it too: many clients look at nothing else.
func (d *eventDoor) post(x *exchange, v *visit) error {
	if x.r.Method != http.MethodPost {
		return notAllowed("POST")
	}
	n, err := d.find(x)
	if err != nil {
		return err
	}
	if err := x.g.read(x); err != nil {
		return err
	}
	m := &x.call.Messages[0]
	v.call = x.call
	switch {
	case x.call.Era == mcp.Modern:
		return olderOnly(m.ID, x.call.Version)
	case x.call.Batch:
		return &mcp.Error{Status: http.StatusBadRequest, Code: mcp.CodeInvalidRequest, Message: "There are no batches here."}
	case m.Kind != mcp.Request:
		return n.tell(x, v)
	}
	if err := n.ask(x); err != nil {
		v.err = err
		x.g.refused(x.w, x.r, v) // before the client hears of it
		if gone := n.refuse(x, v.err); gone != nil {
			return gone
		}
		_ = x.accepted()
		return v.err
	}
	v.call = nil // its own line follows once it is known how it went
	return x.accepted()
}

// olderOnly refuses a message of the newer era. Every dual-era client takes this
// for a server of the older era and initializes a session. MCP 2026-07-28 versioning
func olderOnly(id []byte, requested string) *mcp.Error {
	return &mcp.Error{
		Status: http.StatusBadRequest, Code: mcp.CodeUnsupportedVersion, ID: id,
		Message: "The server behind the gateway speaks older versions only.",
		Data: map[string]any{
			"supported": []string{mcp.Version20251125, mcp.Version20250618, mcp.Version20250326, mcp.Version20241105},
			"requested": requested,
		},
	}
}
