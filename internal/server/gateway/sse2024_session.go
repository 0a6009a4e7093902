package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// eventSession is one client of HTTP+SSE: its stream, and what runs for it.
type eventSession struct {
	g      *Gateway
	id     string
	opener *exchange // the GET
	out    *stream
	ctx    context.Context // ends with the stream
	end    context.CancelCauseFunc
	heard  chan struct{} // closed when the server's own stream is open, or there is none
	once   sync.Once     // of heard

	work sync.WaitGroup // calls and what listens to the server

	mu      sync.Mutex
	over    bool   // nothing begins any more
	calls   int    // under way
	state   uint8  // how far it has come, one of those below
	session string // the backend's; empty: none, so far
	version string // the revision that was agreed on; empty: none, so far
}

const (
	fresh     uint8 = iota
	beginning       // initialize is under way
	begun
)

// send writes one event to the client. Whoever reads nothing for long is cut off:
// calls and their answers wait for it.
func (n *eventSession) send(e mcp.Event) error {
	severed := make(chan struct{})
	late := time.AfterFunc(orDefault(n.g.line.events.patience, eventWriteWait), func() {
		defer close(severed)
		n.end(errSlow)
		n.out.sever()
	})
	err := n.out.send(e)
	if !late.Stop() {
		<-severed // nothing may touch the connection later
	}
	if err != nil {
		n.end(err)
	}
	return err
}

// begin runs something until the session ends, or refuses.
func (n *eventSession) begin(do func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return noSession()
	}
	n.work.Go(do)
	return nil
}

// finish waits for all that runs.
func (n *eventSession) finish() {
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	n.work.Wait()
}

// exchange returns the exchange that a message becomes on its way to the
// backend. header is that of the request which brought it.
func (n *eventSession) exchange(ctx context.Context, from *exchange, w *outlet, method string, call *mcp.Call) *exchange {
	h := http.Header{}
	for name, values := range from.r.Header {
		if forwarded[name] {
			h[name] = values
		}
	}
	delete(h, "Last-Event-Id")
	h["Accept"] = []string{"application/json, text/event-stream"}
	if call == nil {
		h["Accept"] = []string{"text/event-stream"}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, sent := h[headerVersion]; !sent && n.version >= mcp.Version20250618 { // older revisions do not know it
		h[headerVersion] = []string{n.version}
	}
	r := (&http.Request{
		Method: method, URL: &url.URL{Path: n.g.Path, RawQuery: n.opener.r.URL.RawQuery}, Header: h,
		Host: from.r.Host, RemoteAddr: from.r.RemoteAddr, Proto: from.r.Proto, ProtoMajor: from.r.ProtoMajor, ProtoMinor: from.r.ProtoMinor,
	}).WithContext(ctx)
	return &exchange{
		w: &answer{ResponseWriter: w, id: from.id}, r: r, id: from.id, caller: from.caller, call: call, session: n.session,
		placed: true, g: n.g, // the stream has its place
	}
}

// tell passes on a notification or response. It is there when the client hears
// that it was accepted, so that what comes next cannot overtake it.
func (n *eventSession) tell(x *exchange, v *visit) error {
	m := &x.call.Messages[0]
	ctx, cancel := context.WithCancelCause(x.ctx())
	defer cancel(nil)
	defer context.AfterFunc(n.ctx, func() { cancel(errStreamClosed) })()
	w := &outlet{n: n}
	inner := n.exchange(ctx, x, w, http.MethodPost, x.call)
	if inner.session == "" {
		if err := unasked(x.call); err != nil {
			return err
		}
	}
	err := n.g.forward(inner, v)
	switch {
	case n.ctx.Err() != nil:
		return noSession()
	case w.lost(err):
		n.end(errGone)
		return noSession()
	case err != nil:
		return err
	case w.status >= http.StatusBadRequest:
		return nonsense(fmt.Errorf("a message is answered by %d", w.status))
	}
	if m.Method == "notifications/initialized" {
		n.await()
	}
	return x.accepted()
}

// await waits until the server can be heard: from now on it may ask.
func (n *eventSession) await() {
	const limit = time.Second
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-n.heard:
	case <-t.C:
	case <-n.ctx.Done():
	}
}

// ask begins a call, whose answer will come on the stream.
func (n *eventSession) ask(x *exchange) error {
	if err := n.take(x.call.Messages[0].Method); err != nil {
		err.ID = x.call.Messages[0].ID
		return err
	}
	caller, call := x.caller, x.call
	from := &exchange{r: x.r, id: x.id, caller: caller, from: x.from}
	if err := n.begin(func() { n.call(from, call) }); err != nil {
		n.give(call.Messages[0].Method, false)
		return err
	}
	return nil
}

// take counts one more call, or refuses.
func (n *eventSession) take(method string) *mcp.Error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.calls >= maxEventCalls {
		return &mcp.Error{
			Status: http.StatusServiceUnavailable, Code: mcp.CodeInternalError, Message: "Too many calls are waiting on this stream. Retry later.",
			Data: map[string]string{"code": "GH-1503"},
		}
	}
	if method == "initialize" {
		if n.state != fresh {
			return &mcp.Error{Status: http.StatusBadRequest, Code: mcp.CodeInvalidRequest, Message: "This stream has been initialized. Open another."}
		}
		n.state = beginning
	}
	n.calls++
	return nil
}

// give undoes take. Without a good answer to initialize there is no session.
func (n *eventSession) give(method string, good bool) {
	if method == "initialize" && !good {
		n.farewell()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls--
	if method == "initialize" && !good {
		n.state, n.session = fresh, ""
	}
}

// call carries a request to the backend and sees to it that there is one answer,
// unless the stream ends first.
func (n *eventSession) call(from *exchange, call *mcp.Call) {
	m := &call.Messages[0]
	ctx, end := n.g.guard().Watch(n.ctx, from.caller)
	defer end(nil)
	w := &outlet{n: n, asks: m}
	if m.Method == "initialize" {
		w.onBegin = func() { n.adopt(from.caller, w.Header().Get(headerSession)) }
	}
	x := n.exchange(ctx, from, w, http.MethodPost, call)
	v := &visit{began: time.Now(), server: n.g.Name, from: from.from, caller: from.caller, call: call, x: x}
	defer func() {
		if p := recover(); p != nil {
			v.err = fmt.Errorf("panic: %v", p)
			n.g.Log.Error("panic", "request", x.id, "panic", printable(fmt.Sprint(p)), "stack", string(debug.Stack()))
		}
		if v.err != nil && !v.passed {
			n.g.refused(x.w, x.r, v)
		}
		if !w.answered && n.ctx.Err() == nil {
			if v.err == nil {
				v.err = nonsense(errors.New("there is no answer to a call"))
			}
			x.w.status = statusFor(v.err) // for the log
			_ = n.send(mcp.Event{Name: "message", Data: inMessage(v.err, call, x.id)})
		}
		n.give(m.Method, w.answered && !w.failed)
		if v.passed {
			n.g.done(x.w, v)
		}
		n.g.record(x.w, x.r, v)
		if w.lost(v.err) {
			n.end(errGone)
		}
	}()
	if v.err = n.g.forward(x, v); v.err == nil {
		v.err = w.finish(x)
	}
	if v.err == nil && !w.answered && w.lastID != "" {
		v.err = n.poll(ctx, from, w)
	}
}

// refuse answers a call on the stream that does not even begin.
func (n *eventSession) refuse(x *exchange, err error) error {
	message := inMessage(err, x.call, x.id)
	return n.begin(func() { _ = n.send(mcp.Event{Name: "message", Data: message}) })
}

// statusFor is the status under which an error would travel by itself.
func statusFor(err error) int {
	var rpc *mcp.Error
	var e *gatehouse.Error
	switch {
	case errors.As(err, &rpc):
		return rpc.Status
	case errors.As(err, &e):
		return e.Status
	}
	return http.StatusInternalServerError
}

// inMessage is a refusal as the answer to a call.
func inMessage(err error, call *mcp.Call, id string) []byte {
	var rpc *mcp.Error
	if errors.As(err, &rpc) {
		e := *rpc
		e.ID = call.Messages[0].ID
		return e.JSON()
	}
	var e *gatehouse.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, http.ErrAbortHandler): // the server's answer was cut short
		errors.As(nonsense(err), &e)
	default:
		e = &gatehouse.Error{Code: "GH-1901", Status: http.StatusInternalServerError, Description: "Something went wrong here. The request id tells the operator what."}
	}
	return rpcRefusal(e, call, id)
}

// farewell ends the backend's session, if there is one.
func (n *eventSession) farewell() {
	n.mu.Lock()
	session := n.session
	n.mu.Unlock()
	if session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellWait)
	defer cancel()
	x := n.exchange(ctx, n.opener, &outlet{n: n}, http.MethodDelete, nil)
	if err := n.g.line.delete(x); err != nil {
		n.g.Log.Debug("session not ended", "server", n.g.Name, "request", x.id, "cause", err)
	}
}

// adopt remembers the session that the backend has opened, if any.
func (n *eventSession) adopt(c *access.Caller, sealed string) {
	session, ok := n.g.sessions.open(c, sealed)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.session = session
}
