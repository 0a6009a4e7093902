package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// speaker is a client of MCP that has a server, by a bridge or itself.
type speaker interface {
	hello(ctx context.Context) error // initialize, and tools/list answered
	// pump has n calls under way at any time, until more is false. It is told
	// how long each took. Every answer is checked.
	pump(ctx context.Context, tool string, n int, more func(took time.Duration) bool) error
	pids() []int
	close()
}

const (
	sayInitialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	sayInitialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	sayList        = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	firstCall      = 2
)

// call is what is asked for as number n.
func call(n int64, tool string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":{"text":"number %[1]d"}}}`, n, tool)
}

// right says whether a message is the answer to number n.
func right(line []byte, n int64, tool string) error {
	wanted := fmt.Appendf(nil, `"number %d"`, n)
	if !bytes.Contains(line, []byte(`"result"`)) || !bytes.Contains(line, wanted) || tool == toolBig && len(line) < bigAnswer {
		return fmt.Errorf("%s %d: got %.300q", tool, n, line)
	}
	return nil
}

// answered returns which request a message answers; false: it is another one.
func answered(line []byte) (int64, bool) {
	if bytes.Contains(line[:min(len(line), 200)], []byte(`"method":`)) {
		return 0, false
	}
	_, rest, ok := bytes.Cut(line, []byte(`"id":`))
	if !ok {
		return 0, false
	}
	end := bytes.IndexAny(rest, ",}")
	n, err := strconv.ParseInt(string(bytes.TrimSpace(rest[:max(0, end)])), 10, 64)
	return n, err == nil
}

// piped speaks to a program by its standard input and output.
type piped struct {
	program *program
	in      io.WriteCloser
	last    int64
}

func (p *piped) pids() []int { return family(p.program.cmd.Process.Pid) }

// close ends the program as a client does: it says nothing more.
func (p *piped) close() {
	_ = p.in.Close()
	p.program.stop()
}

func (p *piped) say(line []byte) error {
	_, err := p.in.Write(append(line, '\n'))
	return err
}

// next returns the next answer, which is good until there is another one.
func (p *piped) next() (int64, []byte, error) {
	for {
		line, err := p.program.stdout.ReadSlice('\n')
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %s", err, p.program.tail())
		}
		if n, ok := answered(line); ok {
			return n, line, nil
		}
	}
}

func (p *piped) hello(ctx context.Context) error {
	p.program.stdout = bufio.NewReaderSize(p.program.stdout, 4*bigAnswer)
	hung := time.AfterFunc(time.Minute, p.program.stop)
	defer hung.Stop()
	for id, lines := range [...][]string{{sayInitialize}, {sayInitialized, sayList}} {
		for _, line := range lines {
			if err := p.say([]byte(line)); err != nil {
				return err
			}
		}
		n, line, err := p.next()
		if err != nil {
			return err
		}
		if n != int64(id) || !bytes.Contains(line, []byte(`"result"`)) {
			return fmt.Errorf("got %.300q", line)
		}
		if id == 1 && !bytes.Contains(line, []byte(`"`+toolBig+`"`)) {
			return fmt.Errorf("the list of tools is %.300q", line)
		}
	}
	p.last = firstCall
	return ctx.Err()
}

func (p *piped) pump(_ context.Context, tool string, n int, more func(time.Duration) bool) error {
	under := map[int64]time.Time{}
	ask := func() error {
		p.last++
		under[p.last] = time.Now()
		return p.say(call(p.last, tool))
	}
	for range n {
		if err := ask(); err != nil {
			return err
		}
	}
	for again := true; len(under) > 0; {
		id, line, err := p.next()
		if err != nil {
			return err
		}
		began, known := under[id]
		if !known {
			return fmt.Errorf("nobody asked for %.300q", line)
		}
		delete(under, id)
		if err := right(line, id, tool); err != nil {
			return err
		}
		if again = again && more(time.Since(began)); again {
			if err := ask(); err != nil {
				return err
			}
		}
	}
	return nil
}

// direct speaks to the server itself.
type direct struct {
	to      door
	client  *http.Client
	session string
	last    atomic.Int64
}

func newDirect(to door) *direct {
	d := &direct{to: to, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}}}
	d.last.Store(firstCall)
	return d
}

func (d *direct) pids() []int { return nil }
func (d *direct) close()      { d.client.CloseIdleConnections() }

// post sends a message, and returns what answers it.
func (d *direct) post(ctx context.Context, text []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, d.to.url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	q.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if d.to.key != "" {
		q.Header.Set("Authorization", "Bearer "+d.to.key)
	}
	if d.session != "" {
		q.Header.Set("Mcp-Session-Id", d.session)
		q.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	res, err := d.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("got %d: %.300s", res.StatusCode, b)
	}
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		d.session = id
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		b = lastEvent(b)
	}
	return b, err
}

// lastEvent is the data of the last event of a stream that has ended.
func lastEvent(b []byte) []byte {
	b = b[max(0, bytes.LastIndex(b, []byte("data: "))):]
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("data: ")))
}

func (d *direct) hello(ctx context.Context) error {
	for _, text := range []string{sayInitialize, sayInitialized, sayList} {
		b, err := d.post(ctx, []byte(text))
		if err != nil {
			return err
		}
		if text != sayInitialized && !json.Valid(b) {
			return fmt.Errorf("got %.300q", b)
		}
	}
	return nil
}

// pump lets a call that is under way end: a request that is broken off costs
// the server more than one that is not.
func (d *direct) pump(ctx context.Context, tool string, n int, more func(time.Duration) bool) error {
	ctx = context.WithoutCancel(ctx)
	var all sync.WaitGroup
	var ended atomic.Bool
	errs := make([]error, n)
	for i := range n {
		all.Go(func() {
			for !ended.Load() && errs[i] == nil {
				id := d.last.Add(1)
				began := time.Now()
				b, err := d.post(ctx, call(id, tool))
				if err == nil {
					err = right(b, id, tool)
				}
				if errs[i] = err; err != nil || !more(time.Since(began)) {
					ended.Store(true)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
