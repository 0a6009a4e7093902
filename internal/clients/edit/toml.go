package edit

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlDoc is a TOML file by its expressions. Only tables that are written as
// such are edited, whole lines at a time.
type tomlDoc struct {
	text   []byte
	tables []tomlTable // the first is what stands before all headers
	root   map[string]any
	layout
}

type tomlTable struct {
	path   []string
	header int // where its line begins; -1: the first
	array  bool
	keys   []tomlKey
	end    int // behind its last line that has something in it
}

type tomlKey struct {
	path       []string
	start, end int // of the expression
	value      int // where the value begins
}

func openTOML(text []byte) (*tomlDoc, error) {
	d := &tomlDoc{text: text, layout: layoutOf(text), root: map[string]any{}}
	if err := toml.Unmarshal(text, &d.root); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, column := at.Position()
			return nil, &SyntaxError{line, column, strings.TrimPrefix(at.Error(), "toml: ")}
		}
		return nil, &SyntaxError{Line: 1, Reason: err.Error()}
	}
	d.tables = []tomlTable{{header: -1}}
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		d.note(p.Expression())
	}
	if err := p.Error(); err != nil {
		return nil, &SyntaxError{Line: 1, Reason: err.Error()}
	}
	return d, nil
}

func (d *tomlDoc) note(x *unstable.Node) {
	var path []string
	first := -1
	last := 0
	for it := x.Key(); it.Next(); {
		n := it.Node()
		path = append(path, string(n.Data))
		if first < 0 {
			first = int(n.Raw.Offset)
		}
		last = int(n.Raw.Offset + n.Raw.Length)
	}
	if x.Kind != unstable.KeyValue {
		d.tables = append(d.tables, tomlTable{
			path: path, header: lineStart(d.text, first), array: x.Kind == unstable.ArrayTable, end: lineEnd(d.text, last),
		})
		return
	}
	t := &d.tables[len(d.tables)-1]
	start := int(x.Raw.Offset)
	k := tomlKey{path: path, start: start, end: start + int(x.Raw.Length), value: last}
	for k.value < k.end && strings.ContainsRune(" \t=", rune(d.text[k.value])) {
		k.value++
	}
	t.keys = append(t.keys, k)
	t.end = lineEnd(d.text, k.end)
}

func (d *tomlDoc) get(path []string) (any, bool) {
	var v any = d.root
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// table returns the table with exactly this path; nil: it is not written as one.
func (d *tomlDoc) table(path []string) *tomlTable {
	for i := range d.tables {
		if !d.tables[i].array && slices.Equal(d.tables[i].path, path) {
			return &d.tables[i]
		}
	}
	return nil
}

var errTOML = &FormError{"the table is written in a way that cannot be edited safely"}

func (d *tomlDoc) insert(path []string, m Member) ([]Splice, error) {
	o, whole := m.Value.(Object)
	if !whole {
		t := d.table(path)
		if t == nil || t.header < 0 {
			return nil, errTOML
		}
		at := lineEnd(d.text, t.header)
		return []Splice{{At: at, Text: d.ended(at) + bare(m.Name) + " = " + d.value(m.Value) + d.eol}}, nil
	}
	at := len(d.text) // behind the last table of the same kind
	for i := range d.tables {
		if t := &d.tables[i]; len(t.path) > 0 && len(path) > 0 && t.path[0] == path[0] {
			at = t.end
		}
	}
	name := make([]string, 0, len(path)+1)
	for _, one := range append(slices.Clone(path), m.Name) {
		name = append(name, bare(one))
	}
	lines := "[" + strings.Join(name, ".") + "]"
	for _, one := range o {
		lines += d.eol + bare(one.Name) + " = " + d.value(one.Value)
	}
	lead, trail := d.ended(at), d.eol
	if lead != "" {
		trail = "" // it stays a file without a line end at its end
	}
	if !blank(d.text[:at]) {
		lead += d.eol
	}
	return []Splice{{At: at, Text: lead + lines + trail}}, nil
}

// ended is what ends the line before an offset, if need be.
func (d *tomlDoc) ended(at int) string {
	if at > 0 && d.text[at-1] != '\n' {
		return d.eol
	}
	return ""
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func bare(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return quote(name)
}

func (d *tomlDoc) value(v any) string {
	o, ok := v.(Object)
	if !ok {
		return scalar(v)
	}
	var all []string
	for _, m := range o {
		all = append(all, bare(m.Name)+" = "+d.value(m.Value))
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// key finds a member that has an expression of its own.
func (d *tomlDoc) key(path []string) *tomlKey {
	for i := range d.tables {
		t := &d.tables[i]
		for j := range t.keys {
			if !t.array && slices.Equal(slices.Concat(t.path, t.keys[j].path), path) {
				return &t.keys[j]
			}
		}
	}
	return nil
}

func (d *tomlDoc) replace(path []string, value any) ([]Splice, error) {
	k := d.key(path)
	if k == nil {
		return nil, errTOML
	}
	return []Splice{{At: k.value, Cut: k.end - k.value, Text: d.value(value)}}, nil
}

func (d *tomlDoc) remove(path []string) ([]Splice, error) {
	if k := d.key(path); k != nil {
		from, to := lineStart(d.text, k.start), lineEnd(d.text, k.end)
		return []Splice{{At: from, Cut: to - from}}, nil
	}
	var all []Splice
	for i := range d.tables {
		t := &d.tables[i]
		if len(t.path) < len(path) || !slices.Equal(t.path[:len(path)], path) {
			continue
		}
		from := t.header
		if before := lineStart(d.text, max(from-1, 0)); from > 0 && blank(d.text[before:from]) {
			from = before // the empty line above it
		}
		if n := len(all) - 1; n >= 0 && all[n].At+all[n].Cut >= from { // it follows one that goes too
			all[n].Cut = t.end - all[n].At
		} else {
			all = append(all, Splice{At: from, Cut: t.end - from})
		}
	}
	if n := len(all) - 1; n >= 0 && all[n].At+all[n].Cut == len(d.text) && d.ended(len(d.text)) != "" {
		before := d.text[:all[n].At] // a file without a line end at its end stays one
		all[n].At = len(strings.TrimRight(string(before), "\r\n"))
		all[n].Cut = len(d.text) - all[n].At
	}
	if all == nil {
		return nil, errTOML
	}
	return all, nil
}
