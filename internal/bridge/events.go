package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// eventServer is a server that speaks HTTP+SSE: it answers on one stream, and is
// asked at an address that it tells there. MCP 2024-11-05, transports, §HTTP with SSE
type eventServer struct {
	r        *remote
	endpoint string
	of       int // the session that its stream is

	mu     sync.Mutex
	waits  map[string]*expected // by id
	ended  error                // nil: the stream is open
	cancel context.CancelFunc
}

// expected is an answer that comes on the stream.
type expected struct {
	sink func(raw []byte) bool
	done chan error
}

// errUnsent says that the stream was gone before the request was sent.
var errUnsent = errors.New("the stream has ended")

// otherServer says that what answers does not speak HTTP+SSE.
type otherServer struct {
	status int
	kind   string
}

func (o *otherServer) Error() string {
	return fmt.Sprintf("GET answers %d %q", o.status, plain(o.kind))
}

// errStreamEnded says that the stream is gone on which the answer would have come.
var errStreamEnded = errors.New("the stream ended before the answer")

// connect opens the stream.
func (r *remote) connect(ctx context.Context) (*eventServer, error) {
	base, cancel := context.WithCancel(r.base)
	stop := context.AfterFunc(ctx, cancel) // only until it is open
	res, err := r.send(base, http.MethodGet, r.b.Server, nil, http.Header{"Accept": {"text/event-stream"}}, true)
	if err != nil {
		cancel()
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		discard(res)
		cancel()
		return nil, &otherServer{res.StatusCode, kind}
	}
	s := &eventServer{r: r, waits: map[string]*expected{}, cancel: cancel}
	stream := mcp.NewEventReader(res.Body, r.b.max())
	late := time.AfterFunc(r.b.patience(), cancel) // many wait for this, and a stream of another kind is silent
	for s.endpoint == "" {
		e, err := stream.Next()
		if err == nil && e.Name == "endpoint" {
			s.endpoint, err = r.endpoint(string(e.Data))
		}
		if err != nil {
			_ = res.Body.Close()
			cancel()
			if !late.Stop() && ctx.Err() == nil {
				err = &otherServer{res.StatusCode, kind}
			}
			return nil, err
		}
	}
	late.Stop()
	stop()
	r.mu.Lock()
	r.mode, r.sse = events, s
	r.generation++
	s.of = r.generation
	r.mu.Unlock()
	r.running.Go(func() {
		defer cancel()
		defer func() { _ = res.Body.Close() }()
		s.follow(stream)
	})
	return s, nil
}

// endpoint judges where a server wants to be asked: what we send is for its own
// origin only. CVE-2026-52001
func (r *remote) endpoint(said string) (string, error) {
	at, err := url.Parse(r.b.Server)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(said)
	if err != nil || to.Scheme != at.Scheme || to.Host != at.Host || to.User != nil || to.Fragment != "" {
		return "", &problem{code: codeRedirect, text: fmt.Sprintf("The server wants to be asked at %.200q, which is of another origin.", plain(said))}
	}
	return to.String(), nil
}

// follow reads the stream to its end.
func (s *eventServer) follow(stream *mcp.EventReader) {
	for {
		e, err := stream.Next()
		if err != nil {
			s.end(errStreamEnded)
			return
		}
		if e.Comment || e.Name != "" && e.Name != "message" || len(e.Data) == 0 {
			continue
		}
		m, err := mcp.Peek(e.Data)
		if err != nil {
			s.r.b.Log.Warn("the server sent what is no message", "error", err)
			continue
		}
		if m.Kind == mcp.Response {
			s.answered(string(m.ID), e.Data)
			continue
		}
		s.r.arrived(s.r.base, e.Data, s.of)
	}
}

// answered hands an answer to who waits for it.
func (s *eventServer) answered(id string, raw []byte) {
	s.mu.Lock()
	w := s.waits[id]
	delete(s.waits, id)
	s.mu.Unlock()
	if w == nil {
		s.r.b.deliver(raw, nil) // which says that nobody asked
		return
	}
	w.sink(bytes.Clone(raw)) // it is looked at later
	w.done <- nil
}

func (s *eventServer) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = err
	for id, w := range s.waits {
		w.done <- err
		delete(s.waits, id)
	}
}

// request has a request answered, by a new stream when the old one ended. What ended
// with it and may be sent twice has to be sent again.
func (s *eventServer) request(ctx context.Context, m *message, sink func(raw []byte) bool, again bool) error {
	harmless := s.r.harmless(m)
	live, err := s.live(ctx, m)
	if err != nil {
		return err
	}
	err = live.ask(ctx, m, sink)
	switch {
	case (errors.Is(err, errUnsent) || errors.Is(err, errStreamEnded) && harmless) && !again:
		return errAgain
	case errors.Is(err, errUnsent):
		return unreached(err)
	case errors.Is(err, errStreamEnded):
		return fateUnknown(err)
	}
	return err
}

// utter sends what is not answered: by a new stream when the old one ended.
func (s *eventServer) utter(ctx context.Context, m *message) error {
	for again := false; ; again = true {
		if m.of != 0 && m.of != s.r.which() {
			return nil
		}
		err := s.post(ctx, m)
		if !errors.Is(err, errUnsent) || again {
			return err
		}
		live, err := s.live(ctx, m)
		if errors.Is(err, errAgain) {
			return s.r.notify(ctx, m)
		}
		if err != nil {
			return err
		}
		s = live
	}
}

// ask sends a request, and waits until sink has its answer.
func (s *eventServer) ask(ctx context.Context, m *message, sink func(raw []byte) bool) error {
	done, err := s.await(m.ID, sink)
	if err != nil {
		return err
	}
	if err := s.post(ctx, m); err != nil {
		s.forget(m.ID)
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		s.forget(m.ID)
		return ctx.Err()
	}
}

func (s *eventServer) forget(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waits, string(id))
}

// await has the answer to a request handed to sink. A stream that ended since it was
// looked at brings none, and tells nobody any more: then nothing is to be sent.
func (s *eventServer) await(id []byte, sink func(raw []byte) bool) (<-chan error, error) {
	w := &expected{sink, make(chan error, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, errUnsent
	}
	s.waits[string(id)] = w
	return w.done, nil
}

// live returns the server with an open stream: a new one when the old one ended. A
// server that speaks another transport by now is talked to in that.
func (s *eventServer) live(ctx context.Context, m *message) (*eventServer, error) {
	s.r.reviving.Lock()
	defer s.r.reviving.Unlock()
	s.r.mu.Lock()
	now, first, is := s.r.sse, s.r.first, s.r.mode
	s.r.mu.Unlock()
	if is != events { // since we looked
		return nil, errAgain
	}
	now.mu.Lock()
	ended := now.ended
	now.mu.Unlock()
	if ended == nil || first == nil {
		return now, nil
	}
	fresh, err := s.r.connect(ctx)
	var other *otherServer
	switch {
	case errors.As(err, &other) && other.status/100 != 5 && m != first:
		if err := s.r.reopen(ctx); err != nil {
			return nil, err
		}
		return nil, errAgain
	case err != nil || m == first:
		return fresh, err
	}
	return fresh, fresh.begin(ctx, first)
}

// begin begins a new session as the client began the old one.
func (s *eventServer) begin(ctx context.Context, first *message) error {
	s.r.tool.doubt()
	// The client does not wait for it: it was told when it began.
	if err := s.ask(ctx, first, func([]byte) bool { return true }); err != nil {
		return err
	}
	if err := s.post(ctx, ours(initialized)); err != nil {
		return err
	}
	s.r.restore(ctx)
	return nil
}

// post sends one message. A server that does not know the stream any more has not
// looked at it: what comes of a message comes on the stream, not in this answer.
func (s *eventServer) post(ctx context.Context, m *message) error {
	res, err := s.r.send(ctx, http.MethodPost, s.endpoint, m.raw, http.Header{"Content-Type": {"application/json"}}, s.r.harmless(m))
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 == 2 {
		return nil
	}
	body, _ := errorIn(res)
	unknown := res.StatusCode == http.StatusBadRequest && bytes.Contains(bytes.ToLower(body), []byte("session"))
	if unknown || res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone {
		s.forget(m.ID)
		s.end(errStreamEnded)
		s.cancel()
		return errUnsent
	}
	return statusProblem(res, body)
}
