package mcp

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// span is a part of the bytes under the reader. The zero span is no part.
type span struct{ from, to int }

func (s span) some() bool { return s.to != 0 }

// of returns the bytes of a span, nil for none.
func (s span) of(body []byte) []byte {
	if !s.some() {
		return nil
	}
	return body[s.from:s.to:s.to]
}

// reader reads JSON once, front to back. It refuses what readers disagree
// about: a member named twice at any depth, invalid UTF-8, lone surrogates, a
// byte order mark. RFC 7493 §2.1, §2.3
type reader struct {
	body []byte
	src  bytes.Buffer // over body; the decoder reads such a buffer in place
	dec  jsontext.Decoder
}

// readers keeps decoders: making one costs more than most messages.
var readers = sync.Pool{New: func() any { return new(reader) }}

// open returns a reader at the start of body. It never writes to body.
func open(body []byte) *reader {
	r, ok := readers.Get().(*reader)
	if !ok {
		r = new(reader)
	}
	r.body = body
	r.src = *bytes.NewBuffer(body)
	r.dec.Reset(&r.src)
	return r
}

// close gives the reader back. What it read stays valid.
func (r *reader) close() {
	r.body, r.src = nil, bytes.Buffer{}
	r.dec.Reset(&r.src) // the pool must not keep a body alive
	readers.Put(r)
}

// at returns the kind of the next value: '{', '[', '"', '0', 't', 'f', 'n', and
// the closing '}' and ']'.
func (r *reader) at() jsontext.Kind { return r.dec.PeekKind() }

// step reads one bracket and returns the offset behind it.
func (r *reader) step() (int, error) {
	_, err := r.dec.ReadToken()
	return int(r.dec.InputOffset()), err
}

// value reads one value of any kind, all of it.
func (r *reader) value() (span, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return span{}, err
	}
	end := int(r.dec.InputOffset())
	return span{end - len(v), end}, nil
}

// next reads the name of the next member of the object under way, escapes
// resolved. It reads the closing bracket and returns false when there is none.
func (r *reader) next() ([]byte, bool, error) {
	if r.dec.PeekKind() == '}' {
		_, err := r.dec.ReadToken()
		return nil, false, err
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return nil, false, err
	}
	return text(raw), true, nil
}

// object reads one value. If it is an object, each reads the value of one
// member each.
func (r *reader) object(each func(name []byte) error) (span, error) {
	if r.at() != '{' {
		return r.value()
	}
	start, err := r.step()
	if err != nil {
		return span{}, err
	}
	for {
		name, more, err := r.next()
		switch {
		case err != nil:
			return span{}, err
		case !more:
			return span{start - 1, int(r.dec.InputOffset())}, nil
		}
		if err := each(name); err != nil {
			return span{}, err
		}
	}
}

// mustObject is object for what must be one.
func (r *reader) mustObject(each func(name []byte) error) (span, error) {
	v, err := r.object(each)
	if err == nil && r.body[v.from] != '{' {
		return span{}, refuse(CodeInvalidRequest, "A message must be a JSON object.")
	}
	return v, err
}

// array reads one value. If it is an array, each reads one element each, and
// the span is what is between the brackets.
func (r *reader) array(each func() error) (span, error) {
	if r.at() != '[' {
		return r.value()
	}
	start, err := r.step()
	if err != nil {
		return span{}, err
	}
	for r.at() != ']' {
		if err := each(); err != nil {
			return span{}, err
		}
	}
	end, err := r.step()
	return span{start, end - 1}, err
}

// end reads what is left, which must be white space.
func (r *reader) end() error {
	for _, c := range r.dec.UnreadBuffer() {
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' { // RFC 8259 §2
			return errTrailing
		}
	}
	return nil
}

// text returns what a string that was read stands for. The raw string is
// known to be valid.
func text(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil
	}
	return b
}

// deeper reports whether JSON nests objects and arrays more than limit levels
// deep. Of bytes that are not JSON it may say anything.
func deeper(b []byte, limit int) bool {
	if bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) <= limit {
		return false
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = closing(b, i)
		}
	}
	return false
}

// closing returns the offset of the quote that ends the string starting at
// open, or the last offset when there is none.
func closing(b []byte, open int) int {
	for i := open + 1; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b) - 1
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}
