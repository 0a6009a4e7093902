package mcp

import (
	"bytes"
	"io"
)

const (
	eventBuffer = 2 << 10  // bytes read at once, and what an idle stream holds
	eventKeep   = 64 << 10 // a larger buffer is not kept for the next event
)

// EventReader reads a stream of events. HTML §9.2.5
type EventReader struct {
	src io.Reader
	max int
	err error // what ends the stream, once it is known

	buf      []byte
	from, to int  // of buf: read from src and not yet understood
	scanned  int  // bytes from from on that hold no line end
	skipLF   bool // the last line ended in CR: a LF that follows belongs to it
	began    bool // the byte order mark, if any, is behind us

	event Event  // without its data
	size  int    // bytes of the event so far
	lines int    // of data
	data  []byte // those lines
}

// NewEventReader returns a reader of src that refuses an event, or a comment, of
// more than max bytes; everything between two empty lines counts.
func NewEventReader(src io.Reader, max int) *EventReader {
	return &EventReader{src: src, max: max}
}

// Next returns the next event or comment as soon as it is complete. Its Data is
// valid until the following call. An event that the end of the stream cuts
// short is discarded, and so is a comment amid an event. The error is
// [ErrEventTooLong] or the source's, io.EOF at the end; it is final.
func (r *EventReader) Next() (Event, error) {
	if cap(r.data) > eventKeep {
		r.data = nil
	}
	for {
		line, err := r.line()
		switch {
		case err != nil:
			return Event{}, err
		case len(line) == 0:
			if e, ok := r.take(); ok {
				return e, nil
			}
			continue
		}
		r.size += len(line) + 1
		switch {
		case line[0] != ':':
			r.field(line)
		case !r.some():
			r.size = 0
			return Event{Comment: true, Data: line[1:]}, nil
		}
	}
}

// some reports whether the event under way says anything yet.
func (r *EventReader) some() bool {
	return r.lines > 0 || r.event.HasID || r.event.Name != "" || r.event.Retry != ""
}

// take ends the event under way. Fields of unknown name alone are no event.
func (r *EventReader) take() (Event, bool) {
	e, some := r.event, r.some()
	if r.lines > 0 {
		e.Data = r.data
	}
	r.event, r.size, r.lines = Event{}, 0, 0
	return e, some
}

// field takes in one line that is neither empty nor a comment.
func (r *EventReader) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		switch {
		case r.lines > 0:
			r.data = append(r.data, '\n')
		case r.data == nil:
			r.data = make([]byte, 0, len(value)+1)
		default:
			r.data = r.data[:0]
		}
		r.data = append(r.data, value...)
		r.lines++
	case "event":
		r.event.Name = "message" // what nearly every event is called; it needs no allocation
		if string(value) != r.event.Name {
			r.event.Name = string(value)
		}
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			r.event.ID, r.event.HasID = string(value), true
		}
	case "retry":
		const digits = 18 // more is no time
		if len(value) <= digits && bytes.IndexFunc(value, func(c rune) bool { return c < '0' || c > '9' }) < 0 {
			r.event.Retry = string(value)
		}
	}
}

// line returns the next line without its end, valid until the following call.
// It does not wait for the LF of a CR LF.
func (r *EventReader) line() ([]byte, error) {
	for {
		if r.skipLF && r.from < r.to {
			if r.buf[r.from] == '\n' {
				r.from++
			}
			r.skipLF = false
		}
		window := r.buf[r.from:r.to]
		if n := ending(window[r.scanned:]); n >= 0 && !r.tooLong(r.scanned+n) {
			n += r.scanned
			r.skipLF = window[n] == '\r'
			r.from, r.scanned = r.from+n+1, 0
			line := window[:n]
			if !r.began {
				r.began = true
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			return line, nil
		}
		r.scanned = len(window)
		if r.tooLong(r.scanned) {
			r.err, r.buf, r.from, r.to, r.scanned = ErrEventTooLong, nil, 0, 0, 0
		}
		if r.err != nil {
			return nil, r.err
		}
		r.fill()
	}
}

// tooLong reports whether a line of n bytes, so far, is too much for the event
// under way. The empty line that ends it never is.
func (r *EventReader) tooLong(n int) bool { return n > 0 && r.size+n > r.max }

// ending returns the offset of the first line end, or -1.
func ending(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	if n >= 0 {
		b = b[:n]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return n
}

// fill reads more into the buffer, or sets err. It moves what is there.
func (r *EventReader) fill() {
	switch {
	case r.from == r.to:
		r.from, r.to = 0, 0
		if r.buf == nil || len(r.buf) > eventKeep {
			r.buf = make([]byte, eventBuffer)
		}
	case r.from > 0:
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	}
	if r.to == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.to:])
		r.to += n
		if r.err = err; n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}
