package mcp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Read reads the body of one POST, checks it against the request's headers and
// returns what it says. Every refusal is an *Error of status 400. The headers'
// names must be in canonical form, as net/http leaves them.
func (l Limits) Read(body []byte, h http.Header) (*Call, error) {
	if deeper(body, l.depth()) {
		return nil, refuse(CodeInvalidRequest, "The message is nested too deeply.")
	}
	r := open(body)
	defer r.close()
	c := &Call{Raw: body}
	var e *Error
	if r.at() == '[' {
		e = l.readBatch(r, c, h)
	} else {
		e = readOne(r, c, h)
	}
	if e != nil {
		return nil, e
	}
	return c, nil
}

func readOne(r *reader, c *Call, h http.Header) *Error {
	var p parts
	c.Messages = c.one[:]
	m := &c.one[0]
	e := r.settle(r.message(&p))
	if e == nil {
		e = r.settle(r.end())
	}
	if e == nil {
		e = p.fill(r.body, m)
	}
	if e == nil {
		e = c.era(&p, m, h)
	}
	if e == nil {
		e = c.mirrors(m, h)
	}
	if e != nil && e.Code != CodeParseError { // of what is not JSON nobody knows the id. JSON-RPC 2.0 §5
		e.ID = p.raw(r.body)
	}
	return e
}

// readBatch reads an array of messages, which only 2025-03-26 knows.
func (l Limits) readBatch(r *reader, c *Call, h http.Header) *Error {
	if e := batchHeaders(h); e != nil {
		return e
	}
	c.Batch, c.Version = true, Version20250326
	seen := map[string]bool{}
	if _, err := r.array(func() error { return l.element(r, c, seen) }); err != nil {
		return r.settle(err)
	}
	if len(c.Messages) == 0 {
		return refuse(CodeInvalidRequest, "The batch is empty.")
	}
	return r.settle(r.end())
}

// element reads one message of a batch. seen holds the ids so far.
func (l Limits) element(r *reader, c *Call, seen map[string]bool) error {
	if len(c.Messages) == l.batch() {
		return refuse(CodeInvalidRequest, "The batch is too long.")
	}
	var p parts
	if err := r.message(&p); err != nil {
		return err
	}
	c.Messages = append(c.Messages, Message{})
	m := &c.Messages[len(c.Messages)-1]
	if e := p.fill(r.body, m); e != nil {
		return e
	}
	key := identity(m)
	switch {
	case m.Kind != Response && p.metaVersion.some(), m.Method == methodInitialize: // MCP 2025-03-26, lifecycle
		return refuse(CodeInvalidRequest, "This message must not be in a batch.")
	case key != "" && seen[key]:
		return refuse(CodeInvalidRequest, "Two messages of the batch have the same id.")
	}
	seen[key] = true
	return nil
}

// batchHeaders refuses a batch from those whose revision has none, and mirrors
// of a body that has no one method.
func batchHeaders(h http.Header) *Error {
	known, err := HeaderVersion(h)
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if known != Version20250326 {
		return refuse(CodeInvalidRequest, "This protocol version has no batches.")
	}
	if len(h[headerMethod])+len(h[headerName]) > 0 {
		return refuse(CodeHeaderMismatch, "A batch has no Mcp-Method and no Mcp-Name.")
	}
	return arguments(h)
}

// identity returns what makes two ids the same to a reader that knows only
// floating point; empty for none.
func identity(m *Message) string {
	switch {
	case m.ID == nil:
		return ""
	case m.ID[0] == '"':
		return fmt.Sprintf("%d string %s", m.Kind, text(m.ID))
	}
	f, _ := strconv.ParseFloat(string(m.ID), 64) // out of range is an infinity, and equal to all others
	return fmt.Sprintf("%d number %v", m.Kind, f)
}

// settle makes a refusal of whatever stopped the reader.
func (r *reader) settle(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return refuse(CodeParseError, "The body is not strict JSON: "+reason(err)+".")
}

// reason says what is wrong with JSON and where, without repeating it.
func reason(err error) string {
	what := "it ends early"
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case errors.Is(err, errTrailing):
		what = errTrailing.Error()
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "a member is named twice"
	case ok && syntax.Err != nil:
		what = "invalid syntax"
	}
	if ok {
		what += " at byte " + strconv.FormatInt(syntax.ByteOffset, 10)
	}
	return what
}
