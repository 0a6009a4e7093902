package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// caller is one client program: connections and an address of its own.
type caller struct {
	w    *world
	n    int
	http *http.Client
	dice *rand.Rand
	ids  int
}

const callWait = 30 * time.Second // for an answer

// newCaller returns the nth caller. Every other one speaks HTTP/2.
func (w *world) newCaller(n int) *caller {
	return &caller{w: w, n: n, http: w.client(n%2 == 0, fmt.Sprintf("127.0.%d.%d", 1+n/250, 1+n%250)), dice: w.dice()}
}

// session is one of the older era.
type session struct {
	server, id string
	key        *key
}

// answer is what came back.
type answer struct {
	status  int
	code    string // GH-nnnn of a refusal
	session string
	body    []byte // the JSON-RPC message, or the refusal
}

var codes = regexp.MustCompile(`"code":"(GH-[0-9]{4})"`)

const (
	versionOld = "2025-11-25"
	versionNew = "2026-07-28"
	initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + versionOld + `","capabilities":{},"clientInfo":{"name":"soak","version":"1"}}}`
	ready      = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	metaNew    = `"io.modelcontextprotocol/protocolVersion":"` + versionNew + `","io.modelcontextprotocol/clientInfo":{"name":"soak","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`
)

// request builds a message and the headers that go with it.
func (c *caller) request(modern bool, method, name, members string) (body string, header http.Header) {
	c.ids++
	header = http.Header{"Mcp-Protocol-Version": {versionOld}}
	meta := fmt.Sprintf(`"progressToken":%d`, c.ids)
	if modern {
		header = http.Header{"Mcp-Protocol-Version": {versionNew}, "Mcp-Method": {method}}
		if name != "" {
			header.Set("Mcp-Name", name)
		}
		meta = metaNew + "," + meta
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"_meta":{%s}%s}}`, c.ids, method, meta, members), header
}

// callOf is the body of a call of a tool.
func (c *caller) callOf(modern bool, x *call, in arguments) (string, http.Header) {
	in.Nonce = x.nonce
	args, err := json.Marshal(in)
	if err != nil {
		panic(err) // of three plain members
	}
	if x.server == extra { // its tools are of its own
		args, _ = json.Marshal(map[string]string{"text": x.nonce})
	}
	return c.request(modern, "tools/call", x.tool, fmt.Sprintf(`,"name":%q,"arguments":%s`, x.tool, args))
}

// send sends a request; the answer's body is the caller's to close.
func (c *caller) send(ctx context.Context, method, path, secret, body string, header http.Header) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, "https://"+c.w.listen+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		q.Header[name] = values
	}
	q.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodGet {
		q.Header.Set("Accept", "text/event-stream")
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
		q.GetBody = nil // a call must not be sent twice
	}
	switch {
	case secret == "":
	case c.ids%3 == 0:
		q.Header.Set("X-Api-Key", secret)
	default:
		q.Header.Set("Authorization", "Bearer "+secret)
	}
	return c.http.Do(q)
}

// ask sends a message and reads the answer to its end.
func (c *caller) ask(ctx context.Context, path, secret, body string, header http.Header) (*answer, error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	res, err := c.send(ctx, http.MethodPost, path, secret, body, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return c.read(res)
}

// read takes an answer in, in whichever form it comes.
func (c *caller) read(res *http.Response) (*answer, error) {
	a := &answer{status: res.StatusCode, session: res.Header.Get("Mcp-Session-Id")}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		a.body = body
		c.w.book.hears(c.n, string(body))
		c.note(a, res)
		return a, nil
	}
	err := eachEvent(res.Body, func(_ string, data []byte) bool {
		c.w.book.hears(c.n, string(data))
		if bytes.Contains(data, []byte(`"result"`)) || bytes.Contains(data, []byte(`"error"`)) {
			a.body = bytes.Clone(data)
		}
		return true
	})
	if a.body != nil {
		err = nil
	}
	c.note(a, res)
	return a, err
}

// note counts an answer; a refusal has to be in the trail.
func (c *caller) note(a *answer, res *http.Response) {
	if m := codes.FindSubmatch(a.body); m != nil {
		a.code = string(m[1])
	}
	switch {
	case a.code == "GH-1901":
		c.w.report.fail("an answer says that something went wrong inside: %s", a.body)
	case a.code != "":
		c.w.report.count("refused "+a.code, 1)
		if res.Header.Get("X-Request-Id") != "" && refused(a.code) {
			c.w.trail.expectRefusal(a.code)
		}
	case a.status >= 400:
		c.w.report.count(fmt.Sprintf("answers with status %d", a.status), 1)
	}
}

// refused says whether a code is that of a refusal: others may be part of an answer.
func refused(code string) bool {
	return strings.HasPrefix(code, "GH-10") || strings.HasPrefix(code, "GH-12") || code == "GH-1501" || code == "GH-1502"
}

// eachEvent reads a stream of events until it ends or each returns false.
func eachEvent(r io.Reader, each func(name string, data []byte) bool) error {
	in := bufio.NewReaderSize(r, 4096)
	var name string
	var data []byte
	for {
		line, err := in.ReadBytes('\n')
		line = bytes.TrimRight(line, "\r\n")
		switch field, value, _ := bytes.Cut(line, []byte(":")); {
		case err != nil:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case len(line) == 0:
			if data != nil && !each(name, data) {
				return nil
			}
			name, data = "", nil
		case string(field) == "event":
			name = strings.TrimSpace(string(value))
		case string(field) == "data":
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		}
	}
}

// judge says whether an answer is the good one of a call; a good one of another's is told.
func (c *caller) judge(x *call, a *answer) bool {
	if a.status != http.StatusOK || a.code != "" || !bytes.Contains(a.body, []byte(`"result"`)) {
		return false
	}
	if !bytes.Contains(a.body, []byte(x.nonce)) {
		c.w.report.fail("%s answered %s of client %d with something else: %.300s", x.server, x.tool, c.n, a.body)
		return false
	}
	c.w.book.answered(x)
	c.w.report.count("good answers", 1)
	c.w.report.count("good answers of "+x.server, 1)
	return true
}

// newCall notes a call before it is sent.
func (c *caller) newCall(k *key, server, tool string) *call {
	x := &call{nonce: newNonce(), client: c.n, key: k, server: server, tool: tool}
	c.w.book.send(x)
	return x
}

// open begins a session of the older era; nil: it was refused.
func (c *caller) open(ctx context.Context, k *key, server string) (*session, error) {
	a, err := c.ask(ctx, "/"+server, k.secret, initialize, http.Header{})
	if err != nil || a.status != http.StatusOK || a.code != "" {
		return nil, err
	}
	s := &session{server: server, id: a.session, key: k}
	c.w.report.count("sessions opened", 1)
	if _, err = c.ask(ctx, "/"+server, k.secret, ready, s.header(http.Header{"Mcp-Protocol-Version": {versionOld}})); err != nil {
		c.w.abandon(s)
		return nil, err
	}
	return s, nil
}

func (s *session) header(h http.Header) http.Header {
	if s.id != "" {
		h.Set("Mcp-Session-Id", s.id)
	}
	return h
}

// end deletes a session. One that could not be deleted is left for the next rest.
func (c *caller) end(ctx context.Context, s *session) {
	if s == nil || s.id == "" {
		return
	}
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	res, err := c.send(ctx, http.MethodDelete, "/"+s.server, s.key.secret, "", s.header(http.Header{"Mcp-Protocol-Version": {versionOld}}))
	if err != nil {
		c.w.abandon(s)
		return
	}
	defer func() { _ = res.Body.Close() }()
	if a, err := c.read(res); err != nil || a.code != "" && a.status != http.StatusNotFound {
		c.w.abandon(s) // its address is banned, or there are too many calls
		return
	}
	c.w.report.count("sessions deleted", 1)
}

// abandon leaves a session to itself. Gatehouse keeps it for half an hour.
func (w *world) abandon(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.id != "" {
		w.left = append(w.left, s)
	}
}

// sweep deletes what was abandoned, as far as its key is still good: else it has ended with the key.
func (w *world) sweep(ctx context.Context) {
	for range 2 {
		w.mu.Lock()
		left := w.left
		w.left = nil
		w.mu.Unlock()
		for _, s := range left {
			w.canary.end(ctx, s)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = nil
}

// callIn calls a tool in a session; nil: as 2026-07-28 does.
func (c *caller) callIn(ctx context.Context, s *session, k *key, server, tool string, in arguments) (bool, *answer, error) {
	x := c.newCall(k, server, tool)
	body, header := c.callOf(s == nil, x, in)
	if s != nil {
		header = s.header(header)
	}
	a, err := c.ask(ctx, "/"+server, k.secret, body, header)
	if err != nil {
		return false, nil, err
	}
	return c.judge(x, a), a, nil
}
