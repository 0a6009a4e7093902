package policy

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object as conditions see it. It knows its members, and what
// they hold only when somebody asks.
type object struct {
	adapter adapter
	members []member
	whole   traits.Mapper // nil: nobody asked for more than members
}

type member struct {
	name  []byte // without quotes and escapes
	value jsontext.Value
}

// readers keeps decoders: making one costs more than most conditions.
var readers = sync.Pool{New: func() any { return new(reader) }}

type reader struct {
	src bytes.Buffer
	dec jsontext.Decoder
}

// readObject reads the members of an object. A member named twice at any depth
// is an error, as is whatever else readers disagree about. RFC 7493 §2
func readObject(raw []byte, a adapter) (*object, error) {
	r, ok := readers.Get().(*reader)
	if !ok {
		r = new(reader)
	}
	r.src = *bytes.NewBuffer(raw)
	r.dec.Reset(&r.src)
	o := &object{adapter: a}
	err := o.read(&r.dec, raw)
	r.src = bytes.Buffer{} // the pool must not keep what was read alive
	r.dec.Reset(&r.src)
	readers.Put(r)
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (o *object) read(dec *jsontext.Decoder, raw []byte) error {
	if dec.PeekKind() != '{' {
		return errors.New("they are no object")
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	piece := func() ([]byte, error) {
		v, err := dec.ReadValue()
		end := int(dec.InputOffset())
		return raw[end-len(v) : end : end], err
	}
	o.members = make([]member, 0, 8)
	for dec.PeekKind() != '}' {
		name, err := piece()
		if err != nil {
			return err
		}
		value, err := piece()
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') < 0 {
			name = name[1 : len(name)-1]
		} else if name, err = jsontext.AppendUnquote(nil, name); err != nil {
			return err
		}
		o.members = append(o.members, member{name, value})
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if len(bytes.TrimSpace(raw[dec.InputOffset():])) > 0 {
		return errors.New("something follows them")
	}
	return nil
}

// member returns the value of a member, or nil.
func (o *object) member(name string) ref.Val {
	for i := range o.members {
		if string(o.members[i].name) == name {
			return o.adapter.NativeToValue(o.members[i].value)
		}
	}
	return nil
}

// all is the object as CEL has it, with everything that it holds.
func (o *object) all() traits.Mapper {
	if o.whole == nil {
		m := make(map[string]any, len(o.members))
		for i := range o.members {
			m[string(o.members[i].name)] = o.members[i].value
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
	v, ok := o.Find(key)
	if v == nil {
		return types.NewErr("no such key: %v", key)
	}
	_ = ok
	return v
}

// Contains implements traits.Container.
func (o *object) Contains(key ref.Val) ref.Val {
	v, ok := o.Find(key)
	if !ok && v != nil {
		return v
	}
	return types.Bool(ok)
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

// adapter makes values of conditions out of JSON, level by level.
type adapter struct{ types.Adapter }

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	if raw, ok := value.(jsontext.Value); ok {
		return a.value(raw)
	}
	return a.Adapter.NativeToValue(value)
}

func (a adapter) value(raw jsontext.Value) ref.Val {
	switch raw.Kind() {
	case 'n':
		return types.NullValue
	case 't':
		return types.True
	case 'f':
		return types.False
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return types.WrapErr(err)
		}
		return types.String(text)
	case '{':
		o, err := readObject(raw, a)
		if err != nil {
			return types.WrapErr(err)
		}
		return o
	case '[':
		return a.list(raw)
	}
	return number(string(raw))
}

func (a adapter) list(raw jsontext.Value) ref.Val {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return types.WrapErr(err)
	}
	var all []ref.Val
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return types.WrapErr(err)
		}
		one := a.value(value.Clone())
		if types.IsError(one) { // a list cannot hold one: what is looked for may be behind it
			return one
		}
		all = append(all, one)
	}
	return types.NewRefValList(a, all)
}

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
