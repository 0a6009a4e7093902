package bridge

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// eventServer is a server that speaks HTTP+SSE: it answers on one stream, and is
// asked at an address that it tells there. MCP 2024-11-05, transports, §HTTP with SSE
type eventServer struct {
	r        *remote
	endpoint string

	mu     sync.Mutex
	waits  map[string]chan<- error // by id
	ended  error                   // nil: the stream is open
	cancel context.CancelFunc
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
		return nil, fmt.Errorf("GET answers %d %q", res.StatusCode, plain(kind))
	}
	s := &eventServer{r: r, waits: map[string]chan<- error{}, cancel: cancel}
	stream := mcp.NewEventReader(res.Body, r.b.max())
	for s.endpoint == "" {
		e, err := stream.Next()
		if err == nil && e.Name == "endpoint" {
			s.endpoint, err = r.endpoint(string(e.Data))
		}
		if err != nil {
			_ = res.Body.Close()
			cancel()
			return nil, err
		}
	}
	stop()
	r.mu.Lock()
	r.mode, r.sse = events, s
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
		s.r.b.deliver(e.Data, nil)
		if m.Kind == mcp.Response {
			s.answered(string(m.ID), nil)
		}
	}
}

func (s *eventServer) answered(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.waits[id]; w != nil {
		w <- err
		delete(s.waits, id)
	}
}

func (s *eventServer) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = err
	for id, w := range s.waits {
		w <- err
		delete(s.waits, id)
	}
}

// request sends a request, and waits until its answer was delivered.
func (s *eventServer) request(ctx context.Context, m *message) error {
	live, err := s.live(ctx, m)
	if err != nil {
		return err
	}
	if live != s {
		return live.request(ctx, m)
	}
	done, err := s.await(m.ID)
	if err != nil {
		return unreached(err) // nothing was sent
	}
	if err := s.post(ctx, m); err != nil {
		s.mu.Lock()
		delete(s.waits, string(m.ID))
		s.mu.Unlock()
		return err
	}
	select {
	case err := <-done:
		if err != nil {
			return fateUnknown(err)
		}
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.waits, string(m.ID))
		s.mu.Unlock()
		return ctx.Err()
	}
}

// await has the answer to a request told of. A stream that ended since it was looked
// at brings none, and tells nobody any more: then nothing is to be sent.
func (s *eventServer) await(id []byte) (<-chan error, error) {
	done := make(chan error, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, s.ended
	}
	s.waits[string(id)] = done
	return done, nil
}

// live returns the server with an open stream: a new one when the old one ended.
func (s *eventServer) live(ctx context.Context, m *message) (*eventServer, error) {
	s.r.reviving.Lock()
	defer s.r.reviving.Unlock()
	s.r.mu.Lock()
	now, first := s.r.sse, s.r.first
	s.r.mu.Unlock()
	now.mu.Lock()
	ended := now.ended
	now.mu.Unlock()
	if ended == nil || first == nil {
		return now, nil
	}
	fresh, err := s.r.connect(ctx)
	if err != nil || m == first {
		return fresh, err
	}
	return fresh, fresh.again(ctx, first)
}

// again begins a new session as the client began the old one.
func (s *eventServer) again(ctx context.Context, first *message) error {
	done, err := s.await(first.ID)
	if err != nil {
		return err
	}
	if err := s.post(ctx, first); err != nil {
		return err
	}
	select {
	case err := <-done: // the client does not wait for it: deliver passes over it
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.post(ctx, &message{raw: []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)})
}

// post sends one message.
func (s *eventServer) post(ctx context.Context, m *message) error {
	res, err := s.r.send(ctx, http.MethodPost, s.endpoint, m.raw, http.Header{"Content-Type": {"application/json"}}, false)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		body, _ := errorIn(res)
		return statusProblem(res, body)
	}
	return nil
}
