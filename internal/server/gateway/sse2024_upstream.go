package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// Bounds of an upstream that speaks HTTP+SSE.
const (
	defaultEventSessions   = 1024             // event streams at once
	eventSessionsPerTenant = 768              // so that one tenant cannot take all
	eventSessionsPerCaller = 64               // of one caller
	endpointWait           = 10 * time.Second // from opening a stream to its endpoint
	postWait               = 30 * time.Second // for a message to be taken; its answer comes on the stream
	maxPreface             = 64 << 10         // bytes of a stream before its endpoint
	maxEndpoint            = 2048             // bytes of its URL
	maxDrained             = 4 << 10          // bytes of an answer without meaning, read to keep the connection
)

// newEvents returns the backend of a server that speaks HTTP+SSE, where every
// session has an event stream of its own. MCP 2024-11-05 transports
func newEvents(g *Gateway) *linked {
	d := &eventDialer{client: g.Upstream, forward: func() *upstream.Forward { return g.line.current.Load().Forward }, name: g.Name, log: g.Log, max: maxMessage, endpointWait: endpointWait, postWait: postWait, now: time.Now}
	s := &linked{
		name: g.Name, code: "GH-1601", dial: d.dial, older: true,
		maxLinks: defaultEventSessions, maxPerTenant: eventSessionsPerTenant, maxPerCaller: eventSessionsPerCaller,
		idle: defaultIdle, probeWait: defaultProbeWait, log: g.Log, now: d.now,
		events: d,
	}
	return s.init()
}

// eventDialer opens event streams.
type eventDialer struct {
	client                 *upstream.Client         // its URL is that of the event stream
	forward                func() *upstream.Forward // what it is told of callers; nil: nothing
	name                   string
	log                    *slog.Logger
	max                    int // bytes of one event
	endpointWait, postWait time.Duration
	now                    func() time.Time
}

// eventPeer is a server at the other end of an event stream.
type eventPeer struct {
	*eventDialer
	opener *exchange // on whose behalf the stream was opened; nil: our own
	target string    // path and query that messages are posted to
	began  time.Time
	life   context.Context // ends with the stream
	end    context.CancelCauseFunc
	done   chan struct{}

	mu  sync.Mutex
	err error
}

var (
	errGone    = errors.New("the server knows the session no more")
	errStopped = errors.New("the stream is needed no more")
)

// dial opens a stream, and returns once it has said where messages go.
func (d *eventDialer) dial(ctx context.Context, from *exchange, receive func([]byte)) (peer, error) {
	life, end := context.WithCancelCause(context.Background())
	late := time.AfterFunc(d.endpointWait, func() { end(upstream.ErrTimeout) })
	undo := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	defer undo()
	defer late.Stop()
	p := &eventPeer{eventDialer: d, opener: opener(life, from), began: d.now(), life: life, end: end, done: make(chan struct{})}
	h, err := p.header(life, from, "text/event-stream")
	if err != nil {
		end(err)
		return nil, err
	}
	resp, err := d.client.Do(life, &upstream.Request{Method: http.MethodGet, Header: h})
	if err != nil {
		end(err)
		return nil, unreachable(from, err)
	}
	in, err := p.begin(resp)
	if err != nil {
		_ = resp.Body.Close()
		end(err)
		if life.Err() != nil && !errors.Is(context.Cause(life), err) {
			err = context.Cause(life) // it took too long, or its client has left
		}
		return nil, unreachable(from, err)
	}
	go p.run(resp.Body, in, receive)
	return p, nil
}

// unreachable is away for an exchange that may be ours.
func unreachable(from *exchange, err error) error {
	if harmless(err) {
		return err
	}
	if from == nil {
		from = &exchange{r: &http.Request{}}
	}
	return away(from, err)
}

// opener keeps of an exchange what tells for whom a stream is, and no more: it
// outlives the request by far, and the credential need not.
func opener(life context.Context, from *exchange) *exchange {
	if from == nil {
		return nil
	}
	h := http.Header{}
	for name, values := range from.r.Header {
		if forwarded[name] && !ofBody(name) {
			h[name] = values
		}
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: from.r.URL.Path}, Header: h}).WithContext(life)
	return &exchange{r: r, id: from.id, caller: from.caller, g: from.g}
}

// header returns the headers of a request on behalf of an exchange. What only
// Streamable HTTP knows stays here: the session is the stream.
func (p *eventPeer) header(ctx context.Context, from *exchange, accept string) (http.Header, error) {
	if from == nil {
		from = p.opener
	}
	var h http.Header
	var err error
	if from != nil {
		h, err = outbound(from)
	} else {
		h = http.Header{"User-Agent": {"gatehouse"}}
		err = p.own(ctx, h)
	}
	if err != nil {
		return nil, err
	}
	for name := range h {
		if ofBody(name) || name == headerSession || name == "Last-Event-Id" {
			delete(h, name)
		}
	}
	h["Accept"] = []string{accept}
	return h, nil
}

// own has a request on our own account sign in.
func (p *eventPeer) own(ctx context.Context, h http.Header) error {
	f := p.forward()
	if f == nil {
		return nil
	}
	return f.Attach(ctx, h, &upstream.Caller{Subject: upstream.Ourselves, RequestID: rand.Text()})
}

// begin judges the answer to the GET and reads it up to the endpoint.
func (p *eventPeer) begin(resp *http.Response) (*mcp.EventReader, error) {
	if err := acceptable(resp); err != nil {
		return nil, err
	}
	if kind, _ := mediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" || resp.StatusCode != http.StatusOK {
		return nil, nonsense(fmt.Errorf("the event stream is answered by %d and content type %s", resp.StatusCode, printable(resp.Header.Get("Content-Type"))))
	}
	src := &preface{src: resp.Body, left: maxPreface}
	in := mcp.NewEventReader(src, p.max)
	for {
		e, err := in.Next()
		switch {
		case errors.Is(err, errPreface):
			return nil, nonsense(err)
		case errors.Is(err, io.EOF):
			return nil, nonsense(errors.New("the event stream ends before its endpoint"))
		case err != nil:
			return nil, err
		case e.Comment, e.Name == "" && len(e.Data) == 0:
			continue
		case e.Name != "endpoint":
			return nil, nonsense(errors.New("the first event is not the endpoint"))
		}
		if p.target, err = endpoint(p.client.URL, string(e.Data)); err != nil {
			return nil, nonsense(err)
		}
		src.left = -1
		return in, nil
	}
}

// preface bounds what a stream says before its endpoint.
type preface struct {
	src  io.Reader
	left int // bytes; below zero: any number
}

var errPreface = errors.New("the event stream does not come to its endpoint")

func (r *preface) Read(b []byte) (int, error) {
	if r.left < 0 {
		return r.src.Read(b)
	}
	if r.left == 0 {
		return 0, errPreface
	}
	n, err := r.src.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

// endpoint returns the path and query of the URL that an event stream names for
// messages. It must be of the stream's own origin: whoever has a hand in the
// stream, such as a cache, must not turn what callers say, and our credential,
// to another host or port.
func endpoint(stream *url.URL, data string) (target string, err error) {
	switch {
	case data == "" || len(data) > maxEndpoint:
		return "", fmt.Errorf("its endpoint has %d bytes", len(data))
	case strings.ContainsFunc(data, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' || c == '#' }):
		return "", errors.New("its endpoint is not a plain URL")
	}
	u, err := stream.Parse(data)
	if err != nil {
		return "", errors.New("its endpoint is not a URL")
	}
	if u.Opaque != "" || u.User != nil || u.Scheme != stream.Scheme || !strings.EqualFold(u.Hostname(), stream.Hostname()) || port(u) != port(stream) {
		return "", errors.New("its endpoint is of another origin")
	}
	return u.RequestURI(), nil
}

// port returns the port of a URL, also when it is left out.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// run hands on what the server says until the stream ends.
func (p *eventPeer) run(body io.Closer, in *mcp.EventReader, receive func([]byte)) {
	defer close(p.done)
	defer body.Close()
	for {
		e, err := in.Next()
		if err != nil {
			p.end(err)
			p.mu.Lock()
			p.err = fmt.Errorf("its event stream ended: %w", err)
			p.mu.Unlock()
			return
		}
		switch {
		case e.Comment || len(e.Data) == 0:
		case e.Name == "" || e.Name == "message":
			receive(bytes.Clone(e.Data))
		case e.Name == "endpoint": // the first one holds
			p.log.Warn("another endpoint from server ignored", "server", p.name)
		}
	}
}

// Send posts a message to the endpoint.
func (p *eventPeer) Send(ctx context.Context, from *exchange, message []byte) error {
	if p.life.Err() != nil {
		return process.ErrEnded
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(p.postWait, func() { cancel(upstream.ErrTimeout) }).Stop()
	defer context.AfterFunc(p.life, func() { cancel(process.ErrEnded) })()
	h, err := p.header(ctx, from, "application/json, text/event-stream")
	if err != nil {
		return err
	}
	h["Content-Type"] = []string{"application/json"}
	resp, err := p.client.Do(ctx, &upstream.Request{Method: http.MethodPost, Target: p.target, Header: h, Body: message})
	switch {
	case errors.Is(err, process.ErrEnded):
		return process.ErrEnded
	case err != nil:
		return unreachable(from, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		p.end(errGone)
		return process.ErrEnded
	}
	if err := acceptable(resp); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nonsense(errors.New("a message is answered by " + resp.Status))
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // it has no meaning, but its end frees the connection
	return nil
}

// Stop ends the stream, and with it the session.
func (p *eventPeer) Stop() {
	p.end(errStopped)
	<-p.done
}

// Done is closed when the stream has ended.
func (p *eventPeer) Done() <-chan struct{} { return p.done }

// Err says how it ended.
func (p *eventPeer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Began returns when the stream was opened.
func (p *eventPeer) Began() time.Time { return p.began }

// PID is of no process.
func (p *eventPeer) PID() int { return 0 }
