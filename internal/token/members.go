package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// members are the claims that matter here, as JSON; nil: it is not there.
// grant and via are of our own tokens; others may have claims of these names too, as
// often and in whatever spelling they like.
type members struct{ iss, jti, sub, iat, exp, cnf, grant, via json.RawMessage }

// longest is how many bytes a name has that a careless reader could take for one
// of members: folding makes an s of ſ and a k of K, and nothing any longer.
const longest = 3 * utf8.UTFMax

// field returns where the value of a name belongs, and how that name is spelled;
// nil: nowhere.
func (m *members) field(name []byte) (to *json.RawMessage, known string) {
	if len(name) > longest {
		return nil, ""
	}
	for _, f := range [...]struct {
		name string
		to   *json.RawMessage
	}{{"iss", &m.iss}, {"jti", &m.jti}, {"sub", &m.sub}, {"iat", &m.iat}, {"exp", &m.exp}, {"cnf", &m.cnf}} {
		if bytes.EqualFold(name, []byte(f.name)) {
			return f.to, f.name
		}
	}
	return nil, ""
}

// decoders are kept: making one costs more than reading most tokens.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

type decoder struct {
	src bytes.Buffer // the JSON decoder reads such a buffer in place
	dec jsontext.Decoder
}

// lenient are the ways of whoever may read a token later, which are not known
// here: what two readers could read differently is refused by membersOf itself.
var lenient = jsontext.AllowDuplicateNames(true)

// membersOf reads an object's members, those that matter here exactly once.
func membersOf(raw []byte) (*members, error) {
	d, ok := decoders.Get().(*decoder)
	if !ok {
		d = new(decoder)
	}
	d.src = *bytes.NewBuffer(raw)
	d.dec.Reset(&d.src, lenient, jsontext.AllowInvalidUTF8(true))
	m, err := d.members(raw)
	d.src = bytes.Buffer{}
	d.dec.Reset(&d.src) // the pool must not keep a token alive
	decoders.Put(d)
	return m, err
}

func (d *decoder) members(raw []byte) (*members, error) {
	if t, err := d.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.New("the payload is no JSON object")
	}
	m := &members{}
	for d.dec.PeekKind() == '"' {
		quoted, err := d.dec.ReadValue()
		if err != nil {
			return nil, errors.New("the payload is not JSON")
		}
		name := unquoted(quoted)
		to, known := m.field(name)
		other := string(name) != known // while what was read is there
		switch string(name) {
		case claimGrant:
			to, other, m.grant = &m.grant, false, nil
		case claimVia:
			to, other, m.via = &m.via, false, nil
		}
		value, err := d.dec.ReadValue()
		if err != nil {
			return nil, errors.New("the payload is not JSON")
		}
		if to == nil {
			continue
		}
		if *to != nil || other {
			return nil, fmt.Errorf("the claim %s is there twice, or in another case", known)
		}
		end := int(d.dec.InputOffset())
		*to = raw[end-len(value) : end : end]
	}
	if _, err := d.dec.ReadToken(); err != nil { // the closing bracket
		return nil, errors.New("the payload is not JSON")
	}
	if len(bytes.TrimLeft(raw[d.dec.InputOffset():], " \t\r\n")) > 0 {
		return nil, errors.New("something follows the payload")
	}
	return m, nil
}

// unquoted returns the text of a JSON string. What is no Unicode is replaced.
func unquoted(v []byte) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, v) // of its grammar it is
	return name
}

// textOf reads a claim that is a text, or null, which is none.
func textOf(v json.RawMessage) (s string, ok bool) {
	if n := len(v) - 1; n > 0 && v[0] == '"' && bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
		return string(v[1:n]), true
	}
	return s, json.Unmarshal(v, &s) == nil
}

// numberOf reads a claim that is a number, or null, which is 0.
func numberOf(v json.RawMessage) (f float64, ok bool) {
	if string(v) == "null" {
		return 0, true
	}
	f, err := strconv.ParseFloat(string(v), 64) // no other JSON value reads as one
	return f, err == nil
}
