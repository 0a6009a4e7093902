package mcp

import (
	"errors"
	"strings"
)

// ErrEventTooLong says that an event is longer than its reader allows.
var ErrEventTooLong = errors.New("event is too long")

// Event is one event of a stream, or a comment that stands for itself. Fields
// that were not sent are zero. HTML §9.2.6
type Event struct {
	ID      string
	HasID   bool   // tells an empty id, which forgets the last one, from none
	Name    string // the field event
	Retry   string // milliseconds, digits only
	Data    []byte // lines joined by line feeds; nil: no data was sent, which is not the same as empty
	Comment bool   // Data is a comment's text, and nothing else is set
}

// AppendTo appends the event in the form in which it is sent, with the empty
// line that ends it. No value can begin a field or an event of its own: line
// ends in Data begin another data line, in the other fields they are left out.
func (e Event) AppendTo(b []byte) []byte {
	if e.Comment {
		b = append(append(b, ':'), bare(string(e.Data))...)
		return append(b, "\n\n"...)
	}
	if e.HasID {
		b = append(append(append(b, "id: "...), without(e.ID, "\r\n\x00")...), '\n')
	}
	if e.Name != "" {
		b = append(append(append(b, "event: "...), bare(e.Name)...), '\n')
	}
	if e.Retry != "" {
		b = append(append(append(b, "retry: "...), bare(e.Retry)...), '\n')
	}
	if e.Data == nil {
		return append(b, '\n')
	}
	for data, more := e.Data, true; more; {
		line := data
		if i := ending(data); i >= 0 {
			line, data = data[:i], data[lineEnd(data, i):]
		} else {
			more = false
		}
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return append(b, '\n')
}

// bare returns a value without what would end its line.
func bare(v string) string { return without(v, "\r\n") }

// without returns a value without some characters.
func without(v, some string) string {
	if !strings.ContainsAny(v, some) {
		return v
	}
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(some, c) {
			return -1
		}
		return c
	}, v)
}

// lineEnd returns the offset behind the line end at i, where CR LF is one.
func lineEnd(b []byte, i int) int {
	if b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n' {
		return i + 2
	}
	return i + 1
}
