package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// open is access to a server that asks for none.
type open struct{}

func (open) Credential(context.Context) (*signin.Credential, error) { return nil, nil }
func (open) Renew(context.Context, signin.Refusal) (*signin.Credential, error) {
	return nil, &signin.Error{Code: signin.CodeRefused, Text: "no"}
}

// desk is a client's side of a bridge.
type desk struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan error
	log   *strings.Builder
}

// sit starts a bridge to a server; with may change it.
func sit(t *testing.T, server string, with func(*Bridge)) *desk {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	d := &desk{t: t, in: inW, lines: make(chan string, 100), done: make(chan error, 1), log: &strings.Builder{}}
	b := &Bridge{Server: server, Access: open{}, In: inR, Out: outW, Log: slog.New(slog.NewTextHandler(&locked{to: d.log}, nil)), Patience: 5 * time.Second}
	if with != nil {
		with(b)
	}
	go func() {
		err := b.Run(t.Context())
		_ = outW.Close()
		d.done <- err
	}()
	go func() {
		r := bufio.NewScanner(outR)
		r.Buffer(nil, 64<<20)
		for r.Scan() {
			d.lines <- r.Text()
		}
		close(d.lines)
	}()
	t.Cleanup(func() {
		_ = inW.Close()
		select {
		case <-d.done:
		case <-time.After(20 * time.Second):
			t.Error("the bridge does not end")
		}
	})
	return d
}

// locked is a writer for many.
type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func (d *desk) say(format string, args ...any) {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.in, format+"\n", args...); err != nil {
		d.t.Fatal(err)
	}
}

// reply is what is read of a message to the client.
type reply struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// hear returns the next message to the client.
func (d *desk) hear() reply {
	d.t.Helper()
	select {
	case line, ok := <-d.lines:
		if !ok {
			d.t.Fatal("the bridge has ended")
		}
		var r reply
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			d.t.Fatalf("not one JSON message on a line: %.300q: %v", line, err)
		}
		return r
	case <-time.After(15 * time.Second):
		d.t.Fatal("nothing comes")
	}
	return reply{}
}

// hello begins a conversation of the time before 2026-07-28.
func (d *desk) hello() reply {
	d.t.Helper()
	d.say(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"}}}`)
	r := d.hear()
	d.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return r
}

// asked is a request as a fake server reads it.
type asked struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// old is a fake server of 2025-11-25: it keeps one session, and has each call
// answered by a function.
type old struct {
	mu      sync.Mutex
	session string
	inits   int
	calls   int
	call    func(w http.ResponseWriter, r *http.Request, q asked) // of any request but initialize; nil: answers {}
	get     http.HandlerFunc                                      // nil: 405
}

func (o *old) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && o.get != nil {
		o.get(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var q asked
	_ = json.NewDecoder(r.Body).Decode(&q)
	o.mu.Lock()
	session := o.session
	if q.Method == "initialize" {
		o.inits++
		o.session = fmt.Sprintf("s-%d", o.inits)
		w.Header().Set("Mcp-Session-Id", o.session)
		o.mu.Unlock()
		answer(w, q.ID, `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"old","version":"1"}}`)
		return
	}
	o.mu.Unlock()
	switch {
	case r.Header.Get("Mcp-Session-Id") != session || session == "":
		w.WriteHeader(http.StatusNotFound)
	case q.ID == nil:
		w.WriteHeader(http.StatusAccepted)
	default:
		o.mu.Lock()
		o.calls++
		o.mu.Unlock()
		if o.call != nil {
			o.call(w, r, q)
			return
		}
		answer(w, q.ID, `{}`)
	}
}

func (o *old) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.session = ""
}

func (o *old) counts() (inits, calls int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.inits, o.calls
}

func answer(w http.ResponseWriter, id json.RawMessage, result string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

func served(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// read reads a request to a fake server.
func read(r *http.Request) asked {
	var q asked
	_ = json.NewDecoder(r.Body).Decode(&q)
	return q
}
