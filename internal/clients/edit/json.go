package edit

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// jsonDoc is JSON with comments and trailing commas.
type jsonDoc struct {
	text []byte
	root hujson.Value // nothing in it: the text is empty
	layout
}

var hujsonError = regexp.MustCompile(`^hujson: line (\d+), column (\d+): (.*)$`)

func openJSON(text []byte) (*jsonDoc, error) {
	d := &jsonDoc{text: text, layout: layoutOf(text)}
	if blank(text) {
		return d, nil
	}
	v, err := hujson.Parse(text)
	if err != nil {
		if m := hujsonError.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1])
			column, _ := strconv.Atoi(m[2])
			return nil, &SyntaxError{line, column, m[3]}
		}
		return nil, &SyntaxError{Line: 1, Reason: err.Error()}
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return nil, &FormError{"the file is no JSON object"}
	}
	for one := range v.All() {
		if twice(one) {
			return nil, &FormError{"a name is there twice in one object, which every reader takes in its own way"}
		}
	}
	d.root = v
	return d, nil
}

// twice says whether an object has two members of one name.
func twice(v *hujson.Value) bool {
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		return false
	}
	seen := map[string]bool{}
	for i := range o.Members {
		name := nameOf(&o.Members[i])
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	return false
}

func nameOf(m *hujson.ObjectMember) string {
	l, _ := m.Name.Value.(hujson.Literal)
	return l.String()
}

// find returns the value at a path; nil: there is none.
func (d *jsonDoc) find(path []string) *hujson.Value {
	v := &d.root
	for _, name := range path {
		o, ok := v.Value.(*hujson.Object)
		if !ok {
			return nil
		}
		v = nil
		for i := range o.Members {
			if nameOf(&o.Members[i]) == name {
				v = &o.Members[i].Value
			}
		}
		if v == nil {
			return nil
		}
	}
	if v.Value == nil {
		return nil
	}
	return v
}

func (d *jsonDoc) get(path []string) (any, bool) {
	v := d.find(path)
	if v == nil {
		return nil, false
	}
	got, err := decode(JSON, d.text[v.StartOffset:v.EndOffset])
	return got, err == nil
}

// item is a member, or an element when it has no name.
func (d *jsonDoc) item(m Member, indent string) string {
	text := d.render(m.Value, indent)
	if m.Name == "" {
		return text
	}
	return quote(m.Name) + ": " + text
}

// render writes a value whose line is indented so far; compact when indent is "-".
func (d *jsonDoc) render(v any, indent string) string {
	if l, ok := v.([]Object); ok {
		return d.renderList(l, indent)
	}
	o, ok := v.(Object)
	if !ok {
		return scalar(v)
	}
	if len(o) == 0 {
		return "{}"
	}
	var all []string
	if indent == compact {
		for _, m := range o {
			all = append(all, d.item(m, compact))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	for _, m := range o {
		all = append(all, indent+d.unit+d.item(m, indent+d.unit))
	}
	return "{" + d.eol + strings.Join(all, ","+d.eol) + d.eol + indent + "}"
}

const compact = "-"

func (d *jsonDoc) renderList(l []Object, indent string) string {
	var all []string
	for _, o := range l {
		if indent == compact {
			all = append(all, d.render(o, compact))
		} else {
			all = append(all, indent+d.unit+d.render(o, indent+d.unit))
		}
	}
	if indent == compact {
		return "[" + strings.Join(all, ", ") + "]"
	}
	return "[" + d.eol + strings.Join(all, ","+d.eol) + d.eol + indent + "]"
}

func (d *jsonDoc) insert(path []string, m Member) ([]Splice, error) {
	if d.root.Value == nil {
		for i := len(path) - 1; i >= 0; i-- {
			m = Member{path[i], Object{m}}
		}
		return []Splice{{At: 0, Cut: len(d.text), Text: d.render(Object{m}, "") + d.eol}}, nil
	}
	for d.find(path) == nil { // the root is always there
		m = Member{path[len(path)-1], Object{m}}
		path = path[:len(path)-1]
	}
	v := d.find(path)
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		return nil, &FormError{fmt.Sprintf("%s is no object", strings.Join(path, "."))}
	}
	var starts, commas []int // of members; behind members
	for i := range o.Members {
		starts = append(starts, o.Members[i].Name.StartOffset)
		commas = append(commas, o.Members[i].Value.EndOffset+len(o.Members[i].Value.AfterExtra))
	}
	schema := len(o.Members) > 1 && nameOf(&o.Members[0]) == "$schema" // people look for it on top
	return []Splice{d.put(v, m, starts, commas, schema)}, nil
}

// put adds an item to an object or array as its first, so that no comma of
// somebody else has to be touched; as its second after a $schema.
func (d *jsonDoc) put(v *hujson.Value, m Member, starts, commas []int, second bool) Splice {
	at := v.StartOffset + 1
	if second && blank(d.text[commas[0]+1:lineEnd(d.text, commas[0])]) {
		at, starts = commas[0]+1, starts[1:]
	}
	outer := d.indentOf(v.StartOffset)
	comma := ","
	if len(starts) == 0 {
		comma = ""
	}
	rest := d.text[at:min(lineEnd(d.text, at), v.EndOffset-1)]
	if bytes.HasSuffix(rest, []byte("\n")) && (blank(rest) || bytes.HasPrefix(bytes.TrimSpace(rest), []byte("//"))) {
		indent := outer + d.unit
		if len(starts) > 0 && blank(d.text[lineStart(d.text, starts[0]):starts[0]]) {
			indent = string(d.text[lineStart(d.text, starts[0]):starts[0]])
		}
		return Splice{At: at + len(rest), Text: indent + d.item(m, indent) + comma + d.eol}
	}
	if len(starts) > 0 {
		return Splice{At: starts[0], Text: d.item(m, compact) + ", "}
	}
	indent := outer + d.unit
	return Splice{At: at, Text: d.eol + indent + d.item(m, indent) + d.eol + outer}
}

// indentOf is the indentation of the line that an offset is on.
func (d *jsonDoc) indentOf(at int) string {
	line := d.text[lineStart(d.text, at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

func (d *jsonDoc) replace(path []string, value any) ([]Splice, error) {
	v := d.find(path)
	indent := d.indentOf(v.StartOffset)
	if !bytes.Contains(d.text[v.StartOffset:v.EndOffset], []byte("\n")) {
		indent = compact
	}
	return []Splice{{At: v.StartOffset, Cut: v.EndOffset - v.StartOffset, Text: d.render(value, indent)}}, nil
}

func (d *jsonDoc) remove(path []string) ([]Splice, error) {
	in := d.find(path[:len(path)-1])
	o, _ := in.Value.(*hujson.Object) // get has found the member in it
	for i := range o.Members {
		if nameOf(&o.Members[i]) != path[len(path)-1] {
			continue
		}
		before := -1
		if i > 0 {
			before = o.Members[i-1].Value.EndOffset + len(o.Members[i-1].Value.AfterExtra)
		}
		m := &o.Members[i]
		last := i == len(o.Members)-1 && m.Value.AfterExtra == nil
		return d.take(in, m.Name.StartOffset, m.Value.EndOffset, m.Value.EndOffset+len(m.Value.AfterExtra), last, before), nil
	}
	return nil, nil
}

// take cuts an item that is from start to end and has its comma at comma, unless
// it is the last; before is the comma of the one before it, -1: there is none.
func (d *jsonDoc) take(in *hujson.Value, start, end, comma int, last bool, before int) []Splice {
	var all []Splice
	if !last {
		end = comma + 1
	} else if before >= 0 {
		all = append(all, Splice{At: before, Cut: 1})
	}
	from, to := lineStart(d.text, start), lineEnd(d.text, end)
	switch {
	case from > in.StartOffset && to < in.EndOffset && blank(d.text[from:start]) && blank(d.text[end:to]):
		start, end = from, to // lines of its own
	case !last:
		for end < len(d.text) && d.text[end] == ' ' {
			end++
		}
	}
	inner := bytes.TrimSpace(bytes.Join([][]byte{d.text[in.StartOffset+1 : start], d.text[end : in.EndOffset-1]}, nil))
	if len(inner) == 0 {
		start, end = in.StartOffset+1, in.EndOffset-1
	}
	return append(all, Splice{At: start, Cut: end - start})
}
