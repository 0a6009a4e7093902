package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// dyingLoad is what many clients ask of a program that is to be stopped, and how it went.
type dyingLoad struct {
	key                             string
	asked                           atomic.Bool // SIGTERM
	callers                         sync.WaitGroup
	before, after, failed, answered atomic.Int64
}

// begin sets callers of both protocols to work until the program takes no more calls.
func (l *dyingLoad) begin(t *testing.T, p *production) {
	for i := range 16 {
		l.callers.Go(func() {
			c := p.client()
			if i%2 == 0 {
				c = p.client(old, alone)
			}
			for l.call(t, c) {
			}
		})
	}
}

// call asks once, and reports whether to ask again.
func (l *dyingLoad) call(t *testing.T, c *http.Client) bool {
	wrote := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote = !l.asked.Load() }})
	q, _ := http.NewRequestWithContext(ctx, "POST", "https://mcp.test/mcp", strings.NewReader(toolCall("short", `{}`)))
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json, text/event-stream")
	for _, h := range toolHeaders(l.key, "short") {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	res, err := c.Do(q)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	switch {
	case err == nil && res.StatusCode == http.StatusOK:
		l.answered.Add(1)
	case wrote:
		l.failed.Add(1)
		t.Errorf("a call that was sent before SIGTERM got %v, %v", res, err)
	}
	if l.asked.Load() {
		if err != nil {
			return false
		}
		l.after.Add(1)
	} else {
		l.before.Add(1)
	}
	return true
}

// shortAndSlow answers one tool in a moment, and the other once it is let.
func shortAndSlow(slow <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Mcp-Name") {
		case "slow":
			<-slow
		case "short":
			time.Sleep(5 * time.Millisecond)
		}
		answerJSON(w, `{"content":[]}`)
	}
}

// sawSlow reports whether the slow tool has been called.
func (d *double) sawSlow() bool {
	for _, q := range d.requests() {
		if q.header.Get("Mcp-Name") == "slow" {
			return true
		}
	}
	return false
}

// allEnd wants every stream closed.
func allEnd(t *testing.T, streams []*eventStream) {
	t.Helper()
	for i, s := range streams {
		select {
		case <-s.ended:
		case <-time.After(slack()):
			t.Errorf("stream %d is still open", i)
		}
	}
}

// endsInGrace wants the program gone with status 0 before its grace is over.
func (p *production) endsInGrace(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			t.Errorf("ended with %v, want 0", err)
		}
	case <-time.After(10*time.Second + slack()):
		t.Error("still running after its grace")
	}
}

// TestA220SIGTERMUnderLoad stops the real program at work: what had been asked
// is answered, streams end whole, and whoever balances load is told first.
func TestA220SIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	slow := make(chan struct{})
	up := newDouble(t, shortAndSlow(slow))
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	var streams []*eventStream
	sc := p.client()
	for range 20 {
		streams = append(streams, p.stream(t, sc, key))
	}
	l := &dyingLoad{key: key}
	l.begin(t, p)
	var late sync.WaitGroup
	eventually(t, "there is load", func() bool { return l.answered.Load() > 200 })
	var last got
	late.Go(func() {
		last = p.ask(p.client(old), "POST", "https://mcp.test/mcp", toolCall("slow", `{}`), toolHeaders(key, "slow")...)
	})
	eventually(t, "the slow call is under way", up.sawSlow)
	l.asked.Store(true)
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not ready any more", func() bool { return strings.Contains(p.operators(t, "/-/ready"), "unready") })
	allEnd(t, streams)
	close(slow)
	late.Wait()
	l.callers.Wait()
	if last.status != http.StatusOK {
		t.Errorf("got %d %s for the call that was slow, want 200", last.status, last.body)
	}
	p.endsInGrace(t)
	t.Logf("%d calls before and %d after SIGTERM, %d failed; gone after %s", l.before.Load(), l.after.Load(), l.failed.Load(), time.Since(began))
	if n := len(p.trail()); n < int(l.before.Load()) {
		t.Errorf("got %d events in the trail, want all %d calls", n, l.before.Load())
	}
}

// TestA220SecondSIGTERM asks twice while a call hangs: the second one is obeyed at once.
func TestA220SecondSIGTERM(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	p := serve(t, plain(up, "GRACE", "5m"))
	_, key := p.key("--name", "k")
	go func() {
		q, _ := http.NewRequestWithContext(t.Context(), "POST", "https://mcp.test/mcp", strings.NewReader(toolsList))
		for _, h := range append(modern(key), "Content-Type: application/json", "Accept: application/json, text/event-stream") {
			name, value, _ := strings.Cut(h, ": ")
			q.Header.Set(name, value)
		}
		if res, err := p.client().Do(q); err == nil {
			_ = res.Body.Close()
		}
	}()
	eventually(t, "the call is under way", func() bool { return up.count() == 1 })
	for i := range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			eventually(t, "it drains", func() bool { return strings.Contains(p.operators(t, "/-/ready"), "stopping") })
			time.Sleep(300 * time.Millisecond)
		}
	}
	select {
	case err := <-p.done:
		p.done <- err
		if err == nil || !strings.Contains(fmt.Sprint(err), "terminated") {
			t.Errorf("got %v, want the end by the signal", err)
		}
	case <-time.After(slack()):
		t.Error("still running after the second SIGTERM")
	}
}
