package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// outlet is where a backend writes what it would write to an HTTP client. What
// of it are messages goes to an event stream.
type outlet struct {
	n        *eventSession
	asks     *mcp.Message // the request that is answered; nil: none, so there are no answers
	onBegin  func()       // called when the answer begins; nil: nobody wants to know
	header   http.Header
	status   int
	events   bool
	body     []byte // of what is not a stream
	answered bool
	failed   bool   // by an error
	lastID   string // of the last event that has one
	retry    string // what the server says about coming back
}

// Header implements http.ResponseWriter.
func (w *outlet) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader begins the answer.
func (w *outlet) WriteHeader(status int) {
	w.status = status
	kind, _ := mediaType(w.header.Get("Content-Type"))
	w.events = kind == "text/event-stream"
	if w.onBegin != nil {
		w.onBegin()
	}
}

var errLarge = errors.New("its answer is too large")

// Write takes a part of a body, or a whole event: a stream writes each at once.
func (w *outlet) Write(p []byte) (int, error) {
	if !w.events {
		if len(w.body)+len(p) > maxMessage {
			return 0, errLarge
		}
		w.body = append(w.body, p...)
		return len(p), nil
	}
	in := mcp.NewEventReader(bytes.NewReader(p), len(p))
	for {
		e, err := in.Next()
		if err != nil {
			return len(p), nil //nolint:nilerr // that was all of it
		}
		if e.HasID {
			w.lastID = e.ID
		}
		if e.Retry != "" {
			w.retry = e.Retry
		}
		if e.Comment || len(e.Data) == 0 {
			continue
		}
		if err := w.deliver(e.Data); err != nil {
			return 0, err
		}
	}
}

// FlushError is what http.ResponseController calls: nothing is held back.
func (w *outlet) FlushError() error { return nil }

// deliver sends one message to the client, once the judge of the main path has
// let it pass. Of answers only that to the request passes, and once.
func (w *outlet) deliver(message []byte) error {
	e, err := mcp.Peek(message)
	if err != nil {
		return nonsense(err)
	}
	if e.Kind == mcp.Response {
		if w.asks == nil || w.answered || !bytes.Equal(e.ID, w.asks.ID) {
			return nil
		}
		w.answered, w.failed = true, e.Error != nil
		if w.asks.Method == "initialize" && e.Error == nil {
			w.n.ready(e.Result)
		}
	}
	return w.n.send(mcp.Event{Name: "message", Data: message})
}

// finish takes what was no stream for the answer, if it is one.
func (w *outlet) finish(x *exchange) error {
	if w.events || w.answered {
		return nil
	}
	e, err := mcp.Peek(w.body)
	switch {
	case err == nil && e.Kind == mcp.Response && e.Error != nil && w.status >= http.StatusBadRequest:
		// Such an error may have no id, as it is no answer to a client of Streamable HTTP.
		if w.body, err = withID(w.body, &e, w.asks.ID); err != nil {
			return nonsense(err)
		}
	case w.status >= http.StatusBadRequest:
		return nonsense(fmt.Errorf("a call is answered by %d", w.status))
	case err != nil:
		return nonsense(err)
	}
	if x.fitted {
		return w.deliver(w.body)
	}
	body, ok, err := x.fit(w.body)
	switch {
	case err != nil:
		return nonsense(err)
	case !ok:
		return nonsense(errors.New("it answers with news"))
	}
	return w.deliver(body)
}

// withID gives an error without an id that of the call.
func withID(body []byte, e *mcp.Envelope, id []byte) ([]byte, error) {
	if e.ID != nil && string(e.ID) != "null" {
		return body, nil
	}
	return json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   json.RawMessage `json:"error"`
	}{"2.0", id, e.Error})
}

// lost says whether the answer means that the backend's session is no more.
func (w *outlet) lost(err error) bool {
	var e *gatehouse.Error
	if errors.As(err, &e) && e.Code == "GH-1303" {
		return true
	}
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	return w.status == http.StatusNotFound && w.n.session != ""
}

// ready is called when the session has begun, before its client hears of it.
func (n *eventSession) ready(result []byte) {
	var agreed struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	_ = json.Unmarshal(result, &agreed) // without one, none is said
	n.mu.Lock()
	n.state = begun
	switch v := agreed.ProtocolVersion; v {
	case mcp.Version20241105, mcp.Version20250326, mcp.Version20250618, mcp.Version20251125:
		n.version = v
	}
	n.mu.Unlock()
	if n.begin(n.hear) != nil {
		n.opened()
	}
}

func (n *eventSession) opened() { n.once.Do(func() { close(n.heard) }) }

// hear carries what the server says unasked, until the session ends or the
// server has no stream for it.
func (n *eventSession) hear() {
	defer n.opened()
	w := &outlet{n: n}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		w.onBegin = func() {
			n.opened()
			if w.status == http.StatusOK {
				pause = minPause
			}
		}
		w.status, w.events, w.header, w.body = 0, false, nil, nil
		err := n.get(n.ctx, n.opener, w)
		switch {
		case n.ctx.Err() != nil:
			return
		case w.lost(err):
			n.end(errGone)
			return
		case err == nil && !w.events, refusedFor(err): // such as 405. MCP 2025-11-25 transports
			return
		}
		n.opened()
		if !n.sleep(n.ctx, w.wait(pause)) {
			return
		}
	}
}

// refusedFor says whether trying again is of no use.
func refusedFor(err error) bool {
	var e *gatehouse.Error
	var rpc *mcp.Error
	return errors.As(err, &rpc) || errors.As(err, &e) && e.Code != "GH-1601" && e.Code != "GH-1603" && e.Code != "GH-1503"
}

// poll comes back for the answer to a call, whose stream the server has closed
// before. MCP 2025-11-25 transports
func (n *eventSession) poll(ctx context.Context, from *exchange, w *outlet) error {
	const tries = 10 // in a row that bring nothing
	for left := tries; left > 0 && !w.answered; left-- {
		if !n.sleep(ctx, w.wait(minPause)) {
			return context.Cause(ctx)
		}
		before := w.lastID
		w.status, w.events, w.header, w.body = 0, false, nil, nil
		err := n.get(ctx, from, w)
		switch {
		case err == nil && !w.events:
			return nonsense(fmt.Errorf("coming back for an answer is answered by %d", w.status))
		case refusedFor(err):
			return err
		case w.lastID != before:
			left = tries
		}
	}
	return nil
}

// get asks for a stream of the server's, from where w has come to.
func (n *eventSession) get(ctx context.Context, from *exchange, w *outlet) error {
	x := n.exchange(ctx, from, w, http.MethodGet, nil)
	if w.lastID != "" {
		x.r.Header["Last-Event-Id"] = []string{w.lastID}
	}
	return n.g.line.get(x)
}

const (
	minPause = time.Second // between two attempts to hear a server
	maxPause = 30 * time.Second
)

// wait returns how long to wait before coming back: as the server says, within reason.
func (w *outlet) wait(otherwise time.Duration) time.Duration {
	ms, err := strconv.Atoi(w.retry)
	if err != nil {
		return otherwise
	}
	const least = 100 * time.Millisecond
	return min(max(time.Duration(min(ms, int(maxPause/time.Millisecond)))*time.Millisecond, least), maxPause)
}

// sleep waits; false when the context has ended.
func (n *eventSession) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
