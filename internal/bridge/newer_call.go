package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// errand is a request that is at the server, which may ask before it answers. The
// client's request ends when it asks, and another one goes on.
type errand struct {
	id     []byte // at the server
	news   chan news
	tell   func(news)
	asked  []byte // the id of the server's question
	of     int    // the session that it is of
	cancel context.CancelFunc
	giveUp *time.Timer
}

// manyNews is how much may come before somebody looks: a server's one stream is for
// all errands, and must not stand still for one.
const manyNews = 64

// news is what comes of an errand: a message, or how it ended.
type news struct {
	mcp.Envelope
	raw []byte
	of  int // the session in which it came
	err error
}

// errand is the one that a request goes on with, or a new one.
func (b *backport) errand(ctx context.Context, m *message) (*errand, error) {
	var p struct {
		State   jsontext.Value            `json:"requestState"`
		Answers map[string]jsontext.Value `json:"inputResponses"`
	}
	params := map[string]jsontext.Value{}
	if m.Params != nil && (json.Unmarshal(m.Params, &params) != nil || json.Unmarshal(m.Params, &p) != nil) {
		return nil, &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The parameters are no object."}
	}
	if p.State != nil {
		return b.goOn(ctx, text(p.State), p.Answers)
	}
	meta := map[string]jsontext.Value{}
	for name, v := range m.params.Meta {
		if !strings.HasPrefix(name, "io.modelcontextprotocol/") {
			meta[name] = v
		}
	}
	delete(params, "_meta")
	if len(meta) > 0 {
		whole, err := json.Marshal(meta, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		params["_meta"] = whole
	}
	id := ownID()
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": jsontext.Value(id), "method": m.Method, "params": params}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	q, err := readMessage(raw)
	if err != nil {
		return nil, err
	}
	return b.send(q), nil
}

// send has the server begin.
func (b *backport) send(q *message) *errand {
	ctx, cancel := context.WithCancel(b.r.base) // the client's request may end before
	x := &errand{id: q.ID, news: make(chan news, manyNews), cancel: cancel}
	x.tell = func(n news) {
		select {
		case x.news <- n:
		case <-ctx.Done():
		}
	}
	b.r.running.Go(func() {
		err := b.r.converse(ctx, q, func(raw []byte) bool {
			raw = bytes.Clone(raw) // it is looked at later
			e, err := mcp.Peek(raw)
			switch {
			case err != nil:
				b.r.b.Log.Warn("the server sent what is no message", "error", err)
				return false
			case e.Kind == mcp.Notification:
				b.notification(e, raw)
				return false
			}
			x.tell(news{Envelope: e, raw: raw, of: q.of})
			return e.Kind == mcp.Response && bytes.Equal(e.ID, q.ID)
		})
		if err == nil {
			err = &problem{code: codeMessage, text: "The server's answer cannot be read."}
		}
		x.tell(news{err: err}) // nobody listens any more when the answer came
	})
	return x
}

// wait answers a request with what comes of an errand: its end, or a question.
func (b *backport) wait(ctx context.Context, m *message, x *errand) error {
	b.mu.Lock()
	b.out[x] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.out, x)
		b.mu.Unlock()
	}()
	for {
		var n news
		select {
		case n = <-x.news:
		case <-ctx.Done():
			b.giveUp(x)
			return ctx.Err()
		}
		switch {
		case n.err != nil:
			x.cancel()
			if errors.Is(n.err, errUpgraded) {
				return b.r.ask(ctx, m)
			}
			return n.err
		case n.Kind == mcp.Response:
			x.cancel()
			if e := readError(n.raw); e != nil {
				b.r.b.deliver(e.answer(m.ID), m.ID)
				return nil
			}
			b.deliver(m, n.Result)
			return nil
		}
		if forClient(n.Method) {
			return b.park(m, x, n)
		}
		b.reply(ctx, n)
	}
}

// forClient says whether the client can be asked something.
func forClient(method string) bool {
	return method == "elicitation/create" || method == "sampling/createMessage" || method == "roots/list"
}

// asked takes a question on the server's own stream: many ask there what belongs to
// a call. Any call can carry it, since the server knows the answer by its own id.
func (b *backport) asked(ctx context.Context, n news) {
	if forClient(n.Method) {
		b.mu.Lock()
		var by *errand
		for x := range b.out {
			by = x
		}
		b.mu.Unlock()
		if by != nil {
			by.tell(n)
			return
		}
	}
	b.reply(ctx, n)
}

// reply answers a question of the server that is none for the client.
func (b *backport) reply(ctx context.Context, e news) {
	text := (&mcp.Error{Code: mcp.CodeMethodNotFound, Message: "Nobody can be asked that.", ID: e.ID}).JSON()
	if e.Method == "ping" {
		text = resultOf(e.ID, []byte("{}"))
	}
	b.say(ctx, text, e.of)
}

// say sends the server what it does not answer, when the session is the one that it
// is of; 0: any.
func (b *backport) say(ctx context.Context, raw []byte, of int) {
	m, err := readMessage(raw)
	if err == nil {
		m.of = of
		err = b.r.utter(ctx, m)
	}
	if err != nil {
		b.r.b.Log.Warn("an answer did not reach the server", "error", err)
	}
}

// park answers a request with the server's question. MCP 2026-07-28, patterns, §multi
// round-trip requests
func (b *backport) park(m *message, x *errand, n news) error {
	q := map[string]jsontext.Value{"method": jsontext.Value(strconv.Quote(n.Method))}
	if n.Params != nil {
		q["params"] = jsontext.Value(n.Params)
	}
	state := rand.Text()
	raw, err := json.Marshal(map[string]any{"resultType": "input_required", "inputRequests": map[string]any{"server": q}, "requestState": state}, json.Deterministic(true))
	if err != nil {
		return err
	}
	b.mu.Lock()
	x.asked, x.of = bytes.Clone(n.ID), n.of
	x.giveUp = time.AfterFunc(askedFor, func() {
		if b.take(state) != nil {
			b.giveUp(x)
		}
	})
	b.parked[state] = x
	b.mu.Unlock()
	b.r.b.deliver(resultOf(m.ID, raw), m.ID)
	return nil
}

// take returns what waits under a state, once.
func (b *backport) take(state string) *errand {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.parked[state]
	delete(b.parked, state)
	return x
}

// goOn gives the server the answer it waits for.
func (b *backport) goOn(ctx context.Context, state string, answers map[string]jsontext.Value) (*errand, error) {
	x := b.take(state)
	if x == nil || answers["server"] == nil {
		return nil, &mcp.Error{Code: mcp.CodeInvalidParams, Message: "The server does not wait for this."}
	}
	x.giveUp.Stop()
	b.say(ctx, resultOf(x.asked, answers["server"]), x.of)
	return x, nil
}

// giveUp has the server stop. MCP 2025-11-25, cancellation
func (b *backport) giveUp(x *errand) {
	raw := append([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`), x.id...)
	ctx, stop := context.WithTimeout(b.r.base, farewell)
	defer stop()
	b.say(ctx, append(raw, "}}"...), 0)
	x.cancel()
}
