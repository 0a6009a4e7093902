package mcp

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Edit replaces what ties a message to its conversation, so that many callers
// can share one server. A nil field stays as it is; the others are raw JSON
// strings or numbers.
type Edit struct {
	ID             []byte // id
	ProgressToken  []byte // params.progressToken of notifications/progress, else params._meta.progressToken
	RequestID      []byte // params.requestId, which notifications/cancelled is about
	SubscriptionID []byte // io.modelcontextprotocol/subscriptionId in the _meta of params or result
}

// Line returns the message on one line without its end: no line feed, no
// carriage return, none of the line separators of Unicode. Nothing else
// changes. A member that is to be replaced and is not there is an error, and so
// is whatever is not exactly one message. MCP 2026-07-28, transports, §stdio
func (e Edit) Line(message []byte) ([]byte, error) {
	r := open(message)
	defer r.close()
	var p parts
	if refused := r.read(&p); refused != nil {
		return nil, unreadable(refused)
	}
	cuts := make([]cut, 0, 4)
	for _, c := range [...]struct {
		what string
		at   span
		with []byte
	}{
		{"id", p.id, e.ID},
		{"progress token", p.token(message), e.ProgressToken},
		{"request id", p.request, e.RequestID},
		{"subscription id", p.metaID, e.SubscriptionID},
	} {
		switch {
		case c.with == nil:
			continue
		case !c.at.some():
			return nil, fmt.Errorf("%w: it has no %s to replace", ErrUnreadable, c.what)
		case !jsontext.Value(c.with).IsValid() || !isScalar(c.with, span{0, len(c.with)}):
			return nil, fmt.Errorf("replace %s: the new one is neither a string nor a number", c.what)
		}
		cuts = append(cuts, cut{c.at, c.with})
	}
	return oneLine(splice(message[p.whole.from:p.whole.to], p.whole.from, cuts))
}

// Line returns one message on one line, otherwise as it is. See [Edit.Line].
func Line(message []byte) ([]byte, error) { return Edit{}.Line(message) }

// WithID returns one message on one line with another id. See [Edit.Line].
func WithID(message, id []byte) ([]byte, error) { return Edit{ID: id}.Line(message) }

// A cut is a part of a message and what stands there instead.
type cut struct {
	at   span
	with []byte
}

// splice returns b, which begins at offset from of what the cuts speak of, with
// the cuts made. Without cuts it returns b itself.
func splice(b []byte, from int, cuts []cut) []byte {
	if len(cuts) == 0 {
		return b
	}
	grown := len(b)
	for i, c := range cuts { // by place; there are never more than four
		grown += len(c.with)
		for ; i > 0 && cuts[i-1].at.from > c.at.from; i-- {
			cuts[i-1], cuts[i] = cuts[i], cuts[i-1]
		}
	}
	out, done := make([]byte, 0, grown), 0
	for _, c := range cuts {
		out = append(append(out, b[done:c.at.from-from]...), c.with...)
		done = c.at.to - from
	}
	return append(out, b[done:]...)
}

// oneLine takes the line ends out of valid JSON. Inside strings only those of
// Unicode can stand as they are; some programs end a line there.
func oneLine(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 {
		v := jsontext.Value(bytes.Clone(b))
		if err := v.Compact(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		b = v
	}
	for _, end := range [...]struct{ raw, escaped string }{
		{"\u2028", `\u2028`}, {"\u2029", `\u2029`}, {"\u0085", `\u0085`},
	} {
		if bytes.Contains(b, []byte(end.raw)) {
			b = bytes.ReplaceAll(b, []byte(end.raw), []byte(end.escaped))
		}
	}
	return b, nil
}
