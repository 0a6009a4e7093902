package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// opening is how long the conversation waits for the server's own stream: what the
// server would ask there is lost before it is open. Some servers answer only when
// there is something to say.
const opening = time.Second

// listen opens the stream on which a server of the time before 2026-07-28 tells of
// changes and asks, and keeps it open. One of an older session ends.
func (r *remote) listen() {
	opened := make(chan struct{})
	ctx, stop := context.WithCancel(r.base)
	r.mu.Lock()
	was := r.listening
	r.listening = stop
	generation := r.generation
	r.mu.Unlock()
	if was != nil {
		was()
	}
	r.running.Go(func() {
		defer stop()
		if err := r.follow(ctx, generation, sync.OnceFunc(func() { close(opened) })); err != nil && ctx.Err() == nil {
			r.b.Log.Info("the server's own stream has ended", "because", err)
		}
	})
	select {
	case <-opened:
	case <-time.After(opening):
	}
}

// follow reads the stream, again and again. It tells when the first one was answered.
func (r *remote) follow(ctx context.Context, generation int, answered func()) error {
	defer answered()
	at := &place{}
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		_, header := r.inSession()
		header.Set("Accept", "text/event-stream")
		if at.id != "" {
			header.Set("Last-Event-ID", at.id)
		}
		res, err := r.send(ctx, http.MethodGet, r.b.Server, nil, header, true)
		answered()
		switch {
		case err != nil && (ctx.Err() != nil || !unreachable(err)):
			return err
		case err != nil: // it may come back
		case res.StatusCode == http.StatusMethodNotAllowed: // it has none. MCP 2025-11-25, transports
			discard(res)
			return nil
		case res.StatusCode != http.StatusOK:
			body, e := errorIn(res)
			_ = res.Body.Close()
			if lost, _ := r.lost(res.StatusCode, e); lost {
				return r.revive(ctx, generation) // which opens another stream
			}
			return statusProblem(res, body)
		default:
			err = r.readFrom(ctx, res, nil, func(raw []byte) bool { r.arrived(ctx, raw); return false }, at)
			if !errors.Is(err, errCut) {
				return err
			}
		}
		if time.Since(began) > 10*time.Second {
			wait = time.Second
		}
		if err := pause(ctx, max(wait, at.retry)); err != nil {
			return err
		}
	}
}

func unreachable(err error) bool {
	if by := proxy.Of(err); by != nil {
		return !by.Final()
	}
	var p *problem
	return errors.As(err, &p) && p.code == codeUnreachable
}

// nextCursor returns where a list goes on; empty: it does not.
func nextCursor(result []byte) string {
	var list struct {
		Next string `json:"nextCursor"`
	}
	if json.Unmarshal(result, &list) != nil {
		return ""
	}
	return list.Next
}
