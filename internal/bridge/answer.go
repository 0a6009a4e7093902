package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// errCut says that a stream ended before the answer was there.
var errCut = errors.New("the stream ended before the answer")

// answer reads the answer to a request to its end. A stream that is cut is taken up
// where it ended, if the server numbers its events; otherwise a request that only
// asks is sent again by the caller, and of any other nobody knows.
func (r *remote) answer(ctx context.Context, m *message, res *http.Response, sink func(raw []byte) bool) error {
	at := &place{}
	err := r.readFrom(ctx, res, m.ID, sink, at)
	for tries := 0; errors.Is(err, errCut) && at.id != "" && tries < resumptions; tries++ {
		was := at.id
		err = r.resume(ctx, m, sink, at)
		if at.id != was {
			tries = 0
		}
	}
	if errors.Is(err, errCut) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fateUnknown(err)
	}
	return err
}

// resumptions is how often a stream is taken up without anything new.
const resumptions = 8

// place is where a stream was read to.
type place struct {
	id    string        // of the last event; empty: they have none
	retry time.Duration // how long the server wants us to wait
}

// resume goes on with a stream after the last event that came. MCP 2025-11-25,
// transports, §resumability
func (r *remote) resume(ctx context.Context, m *message, sink func(raw []byte) bool, at *place) error {
	if err := pause(ctx, max(at.retry, 200*time.Millisecond)); err != nil {
		return err
	}
	_, header := r.inSession()
	header.Set("Accept", "text/event-stream")
	header.Set("Last-Event-ID", at.id)
	res, err := r.send(ctx, http.MethodGet, r.b.Server, nil, header, true)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		discard(res)
		at.id = "" // the server has no history, or no such session
		return errCut
	}
	return r.readFrom(ctx, res, m.ID, sink, at)
}

// read reads an answer that is not taken up again.
func (r *remote) read(ctx context.Context, res *http.Response, id []byte, sink func(raw []byte) bool) error {
	return r.readFrom(ctx, res, id, sink, &place{})
}

// readFrom hands each message of an answer to sink, until sink says that one was
// what was asked for.
func (r *remote) readFrom(ctx context.Context, res *http.Response, id []byte, sink func(raw []byte) bool, at *place) (err error) {
	defer func() {
		if err == nil { // behind the answer a server ends the stream, as a rule at once
			drain(res, behindAnswer)
			return
		}
		_ = res.Body.Close()
	}()
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.Header.Get("Content-Encoding") != "" && !strings.EqualFold(res.Header.Get("Content-Encoding"), "identity"):
		return &problem{code: codeMessage, text: "The server compresses its answer, which nobody asked for."}
	case kind == "text/event-stream":
		return r.stream(res.Body, sink, at)
	case kind != "application/json":
		return &problem{code: codeMessage, text: fmt.Sprintf("The server answers %d with %q, which is neither JSON nor a stream of events. Is the address that of an MCP server?", res.StatusCode, plain(kind))}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(r.b.max())+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return errCut
	case len(body) > r.b.max():
		return &problem{code: codeMessage, text: fmt.Sprintf("The answer is longer than %d bytes.", r.b.max())}
	}
	parts, err := mcp.Split(body)
	if err != nil {
		return &problem{code: codeMessage, text: "The server's answer cannot be read.", err: err}
	}
	for _, raw := range parts {
		if sink(raw) {
			return nil
		}
	}
	return &problem{code: codeMessage, text: "The server's answer is not one to request " + plain(string(id)) + "."}
}

func (r *remote) stream(body io.Reader, sink func(raw []byte) bool, at *place) error {
	events := mcp.NewEventReader(body, r.b.max())
	for {
		e, err := events.Next()
		switch {
		case errors.Is(err, mcp.ErrEventTooLong):
			return &problem{code: codeMessage, text: fmt.Sprintf("A message of the server is longer than %d bytes.", r.b.max())}
		case err != nil:
			return errCut
		case e.Comment:
			continue
		}
		at.note(e)
		if len(e.Data) == 0 || e.Name != "" && e.Name != "message" {
			continue
		}
		parts, err := mcp.Split(e.Data)
		if err != nil {
			r.b.Log.Warn("the server sent what is no message", "error", err)
			continue
		}
		for _, raw := range parts {
			if sink(raw) {
				return nil
			}
		}
	}
}

// note remembers where an event leaves a stream.
func (p *place) note(e mcp.Event) {
	if e.HasID && !strings.ContainsAny(e.ID, "\x00\r\n") {
		p.id = e.ID
	}
	if ms, err := strconv.Atoi(e.Retry); err == nil {
		p.retry = min(time.Duration(ms)*time.Millisecond, time.Minute)
	}
}

// rpcError is the error of a JSON-RPC message.
type rpcError struct {
	Code    int
	Message string
	raw     []byte // of the error
}

// errorBody is how much of an answer of an error status is read.
const errorBody = 1 << 20

// errorIn reads the body of a refusal, and the JSON-RPC error in it; nil: none.
func errorIn(res *http.Response) ([]byte, *rpcError) {
	body, err := io.ReadAll(io.LimitReader(res.Body, errorBody))
	if err != nil {
		return nil, nil
	}
	return body, readError(body)
}

func readError(body []byte) *rpcError {
	e, err := mcp.Peek(body)
	if err != nil || e.Error == nil {
		return nil
	}
	var read struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(e.Error, &read) != nil {
		return nil
	}
	return &rpcError{Code: read.Code, Message: read.Message, raw: e.Error}
}

// answer makes the error the answer to a request: in an answer of an error status
// the id may be missing.
func (e *rpcError) answer(id []byte) []byte {
	out := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	out = append(append(out, `,"error":`...), e.raw...)
	return append(out, '}')
}

// ofSession says whether the error is about a session that is not known.
func (e *rpcError) ofSession() bool { return strings.Contains(strings.ToLower(e.Message), "session") }

// mayBeDone is what the client is told of a call that was refused in words about a
// session.
func mayBeDone(res *http.Response, e *rpcError) error {
	return &problem{code: codeFate, text: fmt.Sprintf("The server answers %d, and an error about a session: %.300q. Whether the server has done the call is not known, so it is not asked again.",
		res.StatusCode, plain(e.Message))}
}

// modernCode says whether only a server of 2026-07-28 has that code.
func modernCode(code int) bool { return code <= -32020 && code >= -32022 }

// refused is an answer of an error status.
type refused struct {
	res  *http.Response
	body []byte
	rpc  *rpcError
}

// otherwise says whether a server that refuses like that may be one to be talked to
// in another way.
func (f *refused) otherwise() bool {
	if f.rpc != nil && modernCode(f.rpc.Code) {
		return true
	}
	switch f.res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return f.res.StatusCode/100 == 4
}

// pass hands a refusal to sink as the answer to a request.
func (f *refused) pass(m *message, sink func(raw []byte) bool) error {
	if f.rpc == nil {
		return statusProblem(f.res, f.body)
	}
	sink(f.rpc.answer(m.ID))
	return nil
}

// statusProblem says what an answer of an error status was.
func statusProblem(res *http.Response, body []byte) error {
	said := strings.TrimSpace(plain(string(body[:min(len(body), 300)])))
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind == "text/html" || !jsontext.Value(body).IsValid() && kind == "application/json" {
		said = ""
	}
	text := fmt.Sprintf("The server answers %d %s.", res.StatusCode, http.StatusText(res.StatusCode))
	if after := res.Header.Get("Retry-After"); after != "" {
		text += " It wants to be asked again after " + plain(after) + " s."
	}
	if said != "" {
		text += " It says: " + said
	}
	if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed {
		text += " Is the address that of an MCP server? The path of most is /mcp."
	}
	return &problem{code: codeStatus, text: text, request: signin.RequestID(res.Header), status: res.StatusCode}
}

// plain is what a server said, made fit for a log and a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
