package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// streams has those that are open, to see which of them a change ends.
type streams struct {
	mu   sync.Mutex
	all  map[*opened]bool
	seen int
}

// opened is one stream.
type opened struct {
	server string
	key    *key
	since  time.Time
}

func (s *streams) enter(server string, k *key) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*opened]bool{}
	}
	o := &opened{server, k, time.Now()}
	s.all[o] = true
	s.seen++
	return o
}

func (s *streams) leave(o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, o)
}

// of returns the streams that a question picks.
func (s *streams) of(pick func(*opened) bool) []*opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*opened
	for o := range s.all {
		if pick(o) {
			out = append(out, o)
		}
	}
	return out
}

// still says whether a stream is open.
func (s *streams) still(o *opened) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[o]
}

// follow reads a stream until it ends or ctx does.
func (c *caller) follow(ctx context.Context, server string, k *key, res *http.Response, each func(name string, data []byte) bool) error {
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		_, err := c.read(res)
		return err
	}
	o := c.w.streams.enter(server, k)
	defer c.w.streams.leave(o)
	c.w.report.count("streams opened", 1)
	stop := context.AfterFunc(ctx, func() { _ = res.Body.Close() })
	defer stop()
	return eachEvent(res.Body, func(name string, data []byte) bool {
		c.w.book.hears(c.n, string(data))
		return each(name, data)
	})
}

// listen keeps a stream of 2026-07-28 open for some time.
func (c *caller) listen(ctx context.Context, k *key, server string) error {
	body, header := c.request(true, "subscriptions/listen", "", `,"notifications":{"toolsListChanged":true}`)
	res, err := c.send(ctx, http.MethodPost, "/"+server, k.secret, body, header) //nolint:bodyclose // follow does
	if err != nil {
		return err
	}
	return c.follow(ctx, server, k, res, func(string, []byte) bool { return true })
}

// watch keeps the stream of a session open for some time, and has the server tell something on it.
func (c *caller) watch(ctx context.Context, k *key, server string) error {
	s, err := c.open(ctx, k, server)
	if s == nil || s.id == "" || err != nil {
		return err
	}
	defer c.end(context.WithoutCancel(ctx), s)
	res, err := c.send(ctx, http.MethodGet, "/"+server, k.secret, "", s.header(http.Header{"Mcp-Protocol-Version": {versionOld}})) //nolint:bodyclose // follow does
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- c.follow(ctx, server, k, res, func(_ string, data []byte) bool {
			if bytes.Contains(data, []byte(nonceMark)) {
				c.w.report.count("told on a stream", 1)
			}
			return true
		})
	}()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Duration(200+c.dice.IntN(1500)) * time.Millisecond):
		}
		if _, _, err := c.callIn(ctx, s, k, server, "tell", arguments{}); err != nil {
			_ = res.Body.Close()
			return errors.Join(err, <-done)
		}
	}
}

// eventCaller is a client of HTTP+SSE: what it asks is answered on its stream.
type eventCaller struct {
	*caller
	key      *key
	server   string
	endpoint chan string
	answers  chan []byte
	over     chan error
}

var errNoStream = errors.New("the stream was refused, or ended")

// dial opens a stream of HTTP+SSE and initializes.
func (c *caller) dial(ctx context.Context, k *key, server string) (*eventCaller, string, error) {
	res, err := c.send(ctx, http.MethodGet, "/"+server+"/sse", k.secret, "", http.Header{}) //nolint:bodyclose // follow does
	if err != nil {
		return nil, "", err
	}
	e := &eventCaller{caller: c, key: k, server: server, endpoint: make(chan string, 1), answers: make(chan []byte, 16), over: make(chan error, 1)}
	go func() {
		e.over <- c.follow(ctx, server, k, res, func(name string, data []byte) bool {
			switch {
			case name == "endpoint":
				e.endpoint <- string(data)
			case bytes.Contains(data, []byte(`"result"`)) || bytes.Contains(data, []byte(`"error"`)):
				select {
				case e.answers <- bytes.Clone(data):
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	}()
	select {
	case path := <-e.endpoint:
		if _, err := e.exchange(ctx, path, initialize); err != nil {
			return nil, "", err
		}
		_, err := c.ask(ctx, path, k.secret, ready, http.Header{})
		return e, path, err
	case err := <-e.over:
		return nil, "", errors.Join(errNoStream, err)
	case <-time.After(callWait):
		return nil, "", errNoStream
	}
}

// exchange posts a message and waits for its answer on the stream.
func (e *eventCaller) exchange(ctx context.Context, path, body string) (*answer, error) {
	a, err := e.ask(ctx, path, e.key.secret, body, http.Header{})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusAccepted {
		return nil, fmt.Errorf("a message got %d: %w", a.status, errNoStream)
	}
	select {
	case text := <-e.answers:
		a := &answer{status: http.StatusOK, body: text}
		if m := codes.FindSubmatch(text); m != nil {
			a.code = string(m[1])
			e.w.report.count("refused on a stream "+a.code, 1)
			if refused(a.code) {
				e.w.trail.expectRefusal(a.code)
			}
		}
		return a, nil
	case err := <-e.over:
		e.over <- err
		return nil, errors.Join(errNoStream, err)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(callWait):
		return nil, io.ErrNoProgress
	}
}

// converse opens a stream of HTTP+SSE, makes some calls, and leaves.
func (c *caller) converse(ctx context.Context, k *key, server string, calls int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	e, path, err := c.dial(ctx, k, server)
	if err != nil {
		return err
	}
	for range calls {
		x := c.newCall(k, server, c.tool(k))
		body, _ := c.callOf(false, x, arguments{})
		a, err := e.exchange(ctx, path, body)
		if err != nil {
			return err
		}
		c.judge(x, a)
		c.pause(ctx)
	}
	return nil
}
