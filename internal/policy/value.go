package policy

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what conditions look at, beside the size of a request. What nobody
// asks for does not count.
const (
	maxDepth  = 64     // of objects and lists in one another
	maxValues = 20_000 // in all that one decision looks at
)

// object is a JSON object as conditions see it. It reads its members, and what
// they hold only when somebody asks for them, once.
type object struct {
	adapter adapter
	members []member
	left    *int          // values that may still be read
	whole   traits.Mapper // nil: nobody asked for more than members
}

type member struct {
	name []byte // without quotes and escapes
	raw  jsontext.Value
	val  ref.Val // nil: raw was not read yet
}

// readers keeps decoders: making one costs more than most conditions.
var readers = sync.Pool{New: func() any { return new(reader) }}

// reader reads JSON in place. A member named twice at any depth is an error, as is
// whatever else readers disagree about. RFC 7493 §2
type reader struct {
	raw     []byte
	src     bytes.Buffer
	dec     jsontext.Decoder
	adapter adapter
	left    *int
}

func open(raw []byte, a adapter, left *int) *reader {
	r, ok := readers.Get().(*reader)
	if !ok {
		r = new(reader)
	}
	r.raw, r.adapter, r.left = raw, a, left
	r.src = *bytes.NewBuffer(raw)
	r.dec.Reset(&r.src)
	return r
}

func (r *reader) close() {
	r.raw, r.left, r.src = nil, nil, bytes.Buffer{} // the pool must not keep what was read alive
	r.dec.Reset(&r.src)
	readers.Put(r)
}

// piece returns the next value as it stands.
func (r *reader) piece() ([]byte, error) {
	v, err := r.dec.ReadValue()
	end := int(r.dec.InputOffset())
	return r.raw[end-len(v) : end : end], err
}

// readObject reads the names of an object's members.
func readObject(raw []byte, a adapter) (*object, error) {
	left := maxValues
	r := open(raw, a, &left)
	defer r.close()
	o := &object{adapter: a, left: &left, members: make([]member, 0, 8)}
	if r.dec.PeekKind() != '{' {
		return nil, errors.New("they are no object")
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.piece()
		if err != nil {
			return nil, err
		}
		value, err := r.piece()
		if err != nil {
			return nil, err
		}
		if name, err = unquoted(name); err != nil {
			return nil, err
		}
		o.members = append(o.members, member{name: name, raw: value})
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(raw[r.dec.InputOffset():])) > 0 {
		return nil, errors.New("something follows them")
	}
	return o, nil
}

func unquoted(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 && len(raw) >= len(`""`) {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, raw)
}

// member returns the value of a member, or nil. It is an error if there is one
// whose name differs in upper and lower case: the server behind us may take it
// for this one, as Go's encoding/json does, and then we would judge another value
// than it acts on.
func (o *object) member(name string) ref.Val {
	var found *member
	for i := range o.members {
		switch m := &o.members[i]; {
		case string(m.name) == name:
			found = m
		case strings.EqualFold(string(m.name), name):
			return lookalike(name)
		}
	}
	if found == nil {
		return nil
	}
	return o.read(found)
}

func lookalike(name string) ref.Val {
	return types.NewErr("there is a member that differs from %q in upper and lower case only", name)
}

func (o *object) read(m *member) ref.Val {
	if m.val == nil {
		r := open(m.raw, o.adapter, o.left)
		val, err := r.value(1)
		if err != nil {
			val = types.WrapErr(err)
		}
		m.val = val
		r.close()
	}
	return m.val
}

// value reads the next value, and all that it holds. A number that we cannot
// hold is an error where it stands; what is returned as one ends the reading.
func (r *reader) value(depth int) (ref.Val, error) {
	if *r.left--; *r.left < 0 {
		return nil, fmt.Errorf("there are more than %d values", maxValues)
	}
	kind := r.dec.PeekKind()
	if (kind == '{' || kind == '[') && depth > maxDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	switch kind {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	}
	raw, err := r.piece()
	switch {
	case err != nil:
		return nil, err
	case kind == 'n':
		return types.NullValue, nil
	case kind == 't':
		return types.True, nil
	case kind == 'f':
		return types.False, nil
	case kind == '"':
		text, err := unquoted(raw)
		return types.String(text), err
	}
	return number(string(raw)), nil
}

func (r *reader) object(depth int) (ref.Val, error) {
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	o := &object{adapter: r.adapter, left: r.left}
	for r.dec.PeekKind() != '}' {
		name, err := r.piece()
		if err != nil {
			return nil, err
		}
		if name, err = unquoted(name); err != nil {
			return nil, err
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.members = append(o.members, member{name: name, val: value})
	}
	_, err := r.dec.ReadToken()
	return o, err
}

// list reads a list. One that holds an error is one: what is looked for may be behind it.
func (r *reader) list(depth int) (ref.Val, error) {
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	var all []ref.Val
	var wrong ref.Val
	for r.dec.PeekKind() != ']' {
		one, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if types.IsError(one) {
			wrong = one
		}
		all = append(all, one)
	}
	_, err := r.dec.ReadToken()
	if wrong != nil {
		return wrong, err
	}
	return types.NewRefValList(r.adapter, all), err
}

// all is the object as CEL has it, with everything that it holds.
func (o *object) all() traits.Mapper {
	if o.whole == nil {
		m := make(map[string]any, len(o.members))
		for i := range o.members {
			m[string(o.members[i].name)] = o.read(&o.members[i])
		}
		o.whole = types.NewStringInterfaceMap(o.adapter, m)
	}
	return o.whole
}

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.NewErr("%s cannot be a key", key.Type().TypeName()), false
	}
	v := o.member(string(name))
	return v, v != nil
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	v, _ := o.Find(key)
	if v == nil {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *object) Contains(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if !ok {
		return types.NewErr("%s cannot be a key", key.Type().TypeName())
	}
	there := false
	for i := range o.members {
		switch given := string(o.members[i].name); {
		case given == string(name):
			there = true
		case strings.EqualFold(given, string(name)):
			return lookalike(string(name))
		}
	}
	return types.Bool(there)
}

// Size implements traits.Sizer.
func (o *object) Size() ref.Val { return types.Int(len(o.members)) }

// Iterator implements traits.Iterable.
func (o *object) Iterator() traits.Iterator { return o.all().Iterator() }

// Equal implements ref.Val.
func (o *object) Equal(other ref.Val) ref.Val {
	if same, ok := other.(*object); ok {
		other = same.all()
	}
	return o.all().Equal(other)
}

// Type implements ref.Val.
func (o *object) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o *object) Value() any { return o }

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.all().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val { return o.all().ConvertToType(t) }

// adapter is that of CEL: what we read is in its form already.
type adapter struct{ types.Adapter }

// number reads a number without rounding it: a server may compute with more
// digits than we, so what we cannot hold is an error, and not a neighbour.
func number(text string) ref.Val {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return types.Int(n)
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return types.Uint(n)
		}
		return types.NewErr("a whole number has more than 64 bits")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return types.NewErr("a number is too large")
	}
	// Decimals of 15 digits are apart as doubles too, and so are those that a
	// writer of doubles makes. Of others two may become one.
	if given := digits(text); len(given) > 15 && given != digits(strconv.FormatFloat(f, 'e', -1, 64)) || f == 0 && given != "" {
		return types.NewErr("a number has more digits than can be compared")
	}
	return types.Double(f)
}

// digits are those of a number that count, without sign, point, exponent and
// zeros at either end.
func digits(text string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	return strings.Trim(strings.NewReplacer(".", "", "-", "").Replace(mantissa), "0")
}

// exact says whether an integer can be compared with a double: beyond 53 bits
// one double stands for several integers.
func exact(v ref.Val) bool {
	const most = 1 << 53
	switch n := v.(type) {
	case types.Int:
		return -most <= n && n <= most
	case types.Uint:
		return n <= most
	}
	return true
}
