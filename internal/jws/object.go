package jws

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a JSON object.
const (
	maxDepth   = 32
	maxMembers = 256 // of the object itself
)

// Object is a JSON object in which no two readers can see two things: no member
// is named twice at any depth, the text is UTF-8 without lone surrogates, and
// every number is finite. RFC 7493 §2, RFC 8725 §2.4
type Object struct {
	raw     []byte
	members []Member
}

// Member is a member of an object. Value is JSON.
type Member struct {
	Name  string
	Value []byte
}

// ReadObject reads one JSON object. Names that differ in nothing but case are
// refused, and so are other spellings of the registered names. No error repeats
// what is in the text.
func ReadObject(raw []byte, registered []string) (*Object, error) {
	if err := scan(raw); err != nil {
		return nil, err
	}
	members, err := Members(raw)
	if err != nil {
		return nil, err
	}
	if err := spelling(members, registered); err != nil {
		return nil, err
	}
	return &Object{raw: raw, members: members}, nil
}

// decoders are kept: making one costs more than most tokens.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

type decoder struct {
	src bytes.Buffer // the JSON decoder reads such a buffer in place
	dec jsontext.Decoder
}

// lend returns a decoder of a text, to be given back.
func lend(raw []byte) *decoder {
	d, ok := decoders.Get().(*decoder)
	if !ok {
		d = new(decoder)
	}
	d.src = *bytes.NewBuffer(raw)
	d.dec.Reset(&d.src)
	return d
}

func (d *decoder) back() {
	d.src = bytes.Buffer{}
	d.dec.Reset(&d.src) // the pool must not keep a token alive
	decoders.Put(d)
}

// Members returns the members of one JSON object, in their order.
func Members(raw []byte) ([]Member, error) {
	d := lend(raw)
	members, err := d.members(raw)
	d.back()
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, errors.New("a member is named twice")
	case err != nil && errors.As(err, new(*jsontext.SyntacticError)):
		return nil, errors.New("invalid syntax")
	case err != nil:
		return nil, err
	}
	return members, nil
}

func (d *decoder) members(raw []byte) ([]Member, error) {
	if d.dec.PeekKind() != '{' {
		return nil, errors.New("not an object")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, err
	}
	members := make([]Member, 0, 16)
	for d.dec.PeekKind() == '"' {
		if len(members) == maxMembers {
			return nil, errors.New("too many members")
		}
		name, err := d.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		m := Member{Name: name.String()}
		v, err := d.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(d.dec.InputOffset())
		m.Value = raw[end-len(v) : end : end]
		members = append(members, m)
	}
	if _, err := d.dec.ReadToken(); err != nil { // the closing bracket
		return nil, err
	}
	if rest := bytes.TrimLeft(raw[d.dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}

// scan refuses depth and numbers without measure. It runs before the syntax is
// known to be good, and takes one look at each byte.
func scan(raw []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errors.New("nested too deeply")
			}
		case c == '}' || c == ']':
			depth--
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(raw) && strings.IndexByte("0123456789+-.eE", raw[end]) >= 0 {
				end++
			}
			if end-i > 15 || bytes.ContainsAny(raw[i:end], "eE") { // a shorter one cannot be too large
				if _, err := strconv.ParseFloat(string(raw[i:end]), 64); err != nil {
					return errors.New("a number is out of range")
				}
			}
			i = end - 1
		}
	}
	return nil
}

// spelling refuses names that a careless reader takes for another one: of those
// that differ in case, with the foldings of Unicode (ſ is s, K is k), and of those
// with characters that cannot be seen.
func spelling(members []Member, registered []string) error {
	for i, m := range members {
		if !plain(m.Name) {
			return errors.New("a name has control characters")
		}
		if lower(m.Name) {
			continue // it can be the other spelling of nothing that is not looked at below
		}
		for j, other := range members {
			if i != j && strings.EqualFold(m.Name, other.Name) {
				return errors.New("two names differ in case only")
			}
		}
		for _, name := range registered {
			if m.Name != name && strings.EqualFold(m.Name, name) {
				return fmt.Errorf("a name is another spelling of %q", name)
			}
		}
	}
	return nil
}

// lower reports whether folding leaves a name as it is.
func lower(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return false
		}
	}
	return true
}

// Raw returns the JSON that the object was read from. Nobody changes it.
func (o *Object) Raw() []byte { return o.raw }

// Get returns the value of a member.
func (o *Object) Get(name string) ([]byte, bool) {
	for i := range o.members {
		if o.members[i].Name == name {
			return o.members[i].Value, true
		}
	}
	return nil, false
}

// Has reports whether there is such a member, whatever its value.
func (o *Object) Has(name string) bool {
	_, there := o.Get(name)
	return there
}

// Text returns a JSON string's text.
func Text(v []byte) (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	if inner := v[1 : len(v)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// Number returns a JSON number. No other JSON value reads as one.
func Number(v []byte) (float64, bool) {
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// Elements returns the elements of a JSON array.
func Elements(v []byte) ([][]byte, bool) {
	if len(v) == 0 || v[0] != '[' { // most that is asked is a text
		return nil, false
	}
	d := lend(v)
	defer d.back()
	dec := &d.dec
	if bracket, err := dec.ReadToken(); err != nil || bracket.Kind() != '[' {
		return nil, false
	}
	list := [][]byte{}
	for dec.PeekKind() != ']' {
		e, err := dec.ReadValue()
		if err != nil {
			return nil, false
		}
		end := int(dec.InputOffset())
		list = append(list, v[end-len(e):end:end])
	}
	return list, true
}

// Texts returns the texts of a JSON array that holds nothing but strings.
func Texts(v []byte) ([]string, bool) {
	elements, ok := Elements(v)
	if !ok {
		return nil, false
	}
	list := make([]string, len(elements))
	for i, e := range elements {
		if list[i], ok = Text(e); !ok {
			return nil, false
		}
	}
	return list, true
}

// IsNull reports whether a value is null.
func IsNull(v []byte) bool { return string(v) == "null" }
