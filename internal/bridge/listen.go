package bridge

import (
	"context"
	"errors"
	"fmt"
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
	r.mu.Unlock()
	if was != nil {
		was()
	}
	r.running.Go(func() {
		defer stop()
		if err := r.follow(ctx, sync.OnceFunc(func() { close(opened) })); err != nil && ctx.Err() == nil {
			r.b.Log.Info("the server's own stream has ended", "because", err)
		}
	})
	select {
	case <-opened:
	case <-time.After(opening):
	}
}

// follow reads the stream, again and again. It tells when the first one was answered.
func (r *remote) follow(ctx context.Context, answered func()) error {
	defer answered()
	at := &place{}
	var cut time.Time // when the last one ended; zero: there was none
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		heard, err := r.hear(ctx, at, cut, answered)
		if !errors.Is(err, errCut) {
			return err
		}
		switch {
		case errors.Is(err, errSlept):
			cut = time.Unix(0, 0) // nobody knows how long it was dead
		case heard || cut.IsZero():
			cut = r.sleeper.now().Round(0)
		}
		if time.Since(began) > 10*time.Second {
			wait = time.Second
		}
		if err := pause(ctx, max(wait, at.retry)); err != nil {
			return err
		}
	}
}

// missing is how long the stream is away before the client hears that it may have
// missed something. Some servers, and what is before them, cut it each minute.
const missing = 5 * time.Second

// hear reads the stream once. errCut says that it is to be opened again; heard,
// whether it was open.
func (r *remote) hear(ctx context.Context, at *place, cut time.Time, answered func()) (heard bool, err error) {
	once, stir := context.WithCancel(ctx)
	defer stir()
	generation, header := r.inSession()
	header.Set("Accept", "text/event-stream")
	if at.id != "" {
		header.Set("Last-Event-ID", at.id)
	}
	res, err := r.send(once, http.MethodGet, r.b.Server, nil, header, true)
	answered()
	switch {
	case err != nil && (ctx.Err() != nil || !comesBack(err)):
		return false, err
	case err != nil:
		return false, errCut
	case passing(res.StatusCode):
		discard(res)
		return false, errCut
	case res.StatusCode == http.StatusMethodNotAllowed: // it has none. MCP 2025-11-25, transports
		discard(res)
		return false, nil
	case res.StatusCode != http.StatusOK:
		body, e := errorIn(res)
		_ = res.Body.Close()
		if lost, _ := r.lost(res.StatusCode, e); lost {
			// The new session opens another stream, and that is this one's end, not its own.
			if err := r.revive(r.base, generation); err == nil || !comesBack(err) {
				return false, err
			}
			return false, errCut
		}
		return false, statusProblem(res, body)
	}
	r.mu.Lock()
	r.stir = stir
	r.mu.Unlock()
	if !cut.IsZero() && at.id == "" && r.sleeper.now().Sub(cut) >= missing {
		r.tellNews(ctx)
	}
	err = r.readFrom(once, res, nil, func(raw []byte) bool { r.arrived(ctx, raw, generation); return false }, at)
	if once.Err() != nil && ctx.Err() == nil {
		err = errSlept
	}
	return true, err
}

// errSlept says that the stream was given up since the machine had slept.
var errSlept = fmt.Errorf("the machine has slept: %w", errCut)

// comesBack says whether what failed may succeed in a while: a server is away, or the
// one that gives access to it.
func comesBack(err error) bool {
	if by := proxy.Of(err); by != nil {
		return !by.Final()
	}
	var p *problem
	return errors.As(err, &p) && (p.code == codeUnreachable || passing(p.status)) || unanswered(err)
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
