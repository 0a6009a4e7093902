// Package edit puts one entry into a configuration file that is somebody else's,
// and takes it out again. What it changes are a few bytes: comments, order,
// indentation, line ends, a byte order mark and every other entry stay as they
// are, since the rest of the text is never written anew.
//
// Each edit is judged before it is handed out: both texts are read by a parser,
// and may differ in the entry and nothing else.
package edit

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Format is how a file is written.
type Format string

// The formats. JSON has comments and trailing commas in it if its owner likes them.
const (
	JSON Format = "json"
	TOML Format = "toml"
	YAML Format = "yaml"
)

// Member is a name and its value: a string, bool, int, []string, or an [Object].
type Member struct {
	Name  string
	Value any
}

// Object is an ordered list of members.
type Object []Member

// SyntaxError says that a file is not what it should be, and where.
type SyntaxError struct {
	Line, Column int // from 1; Column 0: not known
	Reason       string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason)
}

// FormError says that a file is written in a way that cannot be changed without
// touching what is not ours.
type FormError struct{ Reason string }

// Error implements error.
func (e *FormError) Error() string { return e.Reason }

// Splice is one change: so many bytes at an offset gave way to a text.
type Splice struct {
	At, Cut int
	Text    string
}

// document is a parsed file of one format. Its methods return what to change;
// a path leads from the root to a member.
type document interface {
	// get returns the value at a path as decode has it, and whether there is one.
	get(path []string) (value any, found bool)
	// insert adds a member to the mapping at a path, which is made if need be.
	insert(path []string, m Member) ([]Splice, error)
	// replace changes the value of a member that exists.
	replace(path []string, value any) ([]Splice, error)
	// remove takes a member out.
	remove(path []string) ([]Splice, error)
}

var mark = []byte("\xef\xbb\xbf") // byte order mark

// open parses a text without its byte order mark.
func open(f Format, text []byte) (document, error) {
	switch f {
	case JSON:
		return openJSON(text)
	case TOML:
		return openTOML(text)
	case YAML:
		return openYAML(text)
	}
	return nil, fmt.Errorf("edit: no format %q", f)
}

// Lookup returns the value at a path, as maps, slices, strings, numbers and
// booleans; false: there is none. The error is a *SyntaxError or *FormError.
func Lookup(f Format, text []byte, path ...string) (any, bool, error) {
	d, err := open(f, bytes.TrimPrefix(text, mark))
	if err != nil {
		return nil, false, err
	}
	v, ok := d.get(path)
	return v, ok, nil
}

// Merge sees to it that the mapping at a path has these members, and has none of
// those to drop, each a path below it; members that are mappings are merged in
// turn. It returns the whole text and its changes in order; none: it was so already.
func Merge(f Format, text []byte, path []string, want Object, drop ...[]string) ([]byte, []Splice, error) {
	body := bytes.TrimPrefix(text, mark)
	e := editor{format: f, text: body}
	if err := e.merge(path, want, drop); err != nil {
		return nil, nil, err
	}
	if err := e.verify(body); err != nil {
		return nil, nil, err
	}
	return e.result(text, body)
}

// Set replaces the whole value of a member that exists.
func Set(f Format, text []byte, path []string, want Object) ([]byte, []Splice, error) {
	body := bytes.TrimPrefix(text, mark)
	e := editor{format: f, text: body}
	d, err := open(f, body)
	if err != nil {
		return nil, nil, err
	}
	if have, found := d.get(path); !found || equal(have, plain(want)) {
		return text, nil, nil
	}
	s, err := d.replace(path, want)
	if err := e.apply(s, err, step{path, want}); err != nil {
		return nil, nil, err
	}
	if err := e.verify(body); err != nil {
		return nil, nil, err
	}
	return e.result(text, body)
}

// Remove takes the member at a path out. No change: it is not there.
func Remove(f Format, text []byte, path ...string) ([]byte, []Splice, error) {
	body := bytes.TrimPrefix(text, mark)
	e := editor{format: f, text: body}
	if err := e.remove(path); err != nil {
		return nil, nil, err
	}
	if err := e.verify(body); err != nil {
		return nil, nil, err
	}
	return e.result(text, body)
}

// editor makes one change after the other, each on what the one before left.
type editor struct {
	format Format
	text   []byte
	done   []Splice
	steps  []step
}

// step is a change as a reader of the file sees it; nil value: removed.
type step struct {
	path  []string
	value any
}

func (e *editor) result(text, body []byte) ([]byte, []Splice, error) {
	lead := text[:len(text)-len(body)]
	for i := range e.done {
		e.done[i].At += len(lead)
	}
	return slices.Concat(lead, e.text), e.done, nil
}

func (e *editor) merge(path []string, want Object, drop [][]string) error {
	d, err := open(e.format, e.text)
	if err != nil {
		return err
	}
	have, found := d.get(path)
	if !found {
		parent, name := path[:len(path)-1], path[len(path)-1]
		s, err := d.insert(parent, Member{name, want})
		return e.apply(s, err, step{path, want})
	}
	if _, ok := have.(map[string]any); !ok {
		return &FormError{fmt.Sprintf("%s is there, and is no mapping", strings.Join(path, "."))}
	}
	for _, below := range drop {
		if err := e.drop(len(path), slices.Concat(path, below)); err != nil {
			return err
		}
	}
	for _, m := range slices.Backward(want) { // each goes before the others
		if err := e.member(append(slices.Clone(path), m.Name), m); err != nil {
			return err
		}
	}
	return nil
}

// member sees to one member of a mapping that exists.
func (e *editor) member(path []string, m Member) error {
	d, err := open(e.format, e.text)
	if err != nil {
		return err
	}
	have, found := d.get(path)
	o, nested := m.Value.(Object)
	switch _, mapping := have.(map[string]any); {
	case !found:
		s, err := d.insert(path[:len(path)-1], m)
		return e.apply(s, err, step{path, m.Value})
	case nested && mapping:
		return e.merge(path, o, nil)
	case equal(have, plain(m.Value)):
		return nil
	}
	s, err := d.replace(path, m.Value)
	return e.apply(s, err, step{path, m.Value})
}

// drop removes a member, and what it leaves empty above it, down from a depth.
func (e *editor) drop(from int, path []string) error {
	before := len(e.steps)
	if err := e.remove(path); err != nil || len(e.steps) == before {
		return err
	}
	up := path[:len(path)-1]
	d, err := open(e.format, e.text)
	if err != nil || len(up) <= from {
		return err
	}
	if v, _ := d.get(up); v != nil && equal(v, map[string]any{}) {
		return e.drop(from, up)
	}
	return nil
}

func (e *editor) remove(path []string) error {
	d, err := open(e.format, e.text)
	if err != nil {
		return err
	}
	if _, found := d.get(path); !found {
		return nil
	}
	s, err := d.remove(path)
	return e.apply(s, err, step{path: path})
}

// apply makes changes that do not overlap, the last in the text first.
func (e *editor) apply(all []Splice, err error, s step) error {
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b Splice) int { return b.At - a.At })
	for i, p := range all {
		if i > 0 && p.At+p.Cut > all[i-1].At {
			return errUnsafe
		}
		e.text = slices.Concat(e.text[:p.At], []byte(p.Text), e.text[p.At+p.Cut:])
		e.done = append(e.done, p)
	}
	e.steps = append(e.steps, s)
	return nil
}

// verify compares what a reader makes of both texts. It is what stands between
// a mistake in here and somebody's file.
func (e *editor) verify(before []byte) error {
	want, err := decode(e.format, before)
	if err != nil {
		return err
	}
	got, err := decode(e.format, e.text)
	if err != nil {
		return &FormError{"the file is written in a way that cannot be edited safely: " + err.Error()}
	}
	root, ok := want.(map[string]any)
	if !ok {
		root = map[string]any{}
	}
	bare := root // without a mapping that a removal left empty: in TOML it is gone then
	for _, s := range e.steps {
		if root, err = apply(root, s.path, plain(s.value)); err != nil {
			return err
		}
		if bare, err = apply(bare, s.path, plain(s.value)); err != nil {
			return err
		}
		if up := s.path[:len(s.path)-1]; s.value == nil && len(up) > 0 && len(below(bare, up)) == 0 {
			if bare, err = apply(bare, up, nil); err != nil {
				return err
			}
		}
	}
	if !equal(got, any(root)) && !equal(got, any(bare)) && !(len(e.steps) == 0 && bytes.Equal(before, e.text)) {
		return errUnsafe
	}
	return nil
}

var errUnsafe = &FormError{"the file is written in a way that cannot be edited safely"}

func below(m map[string]any, path []string) map[string]any {
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// apply returns the mapping with the value at a path; nil: without it.
func apply(m map[string]any, path []string, value any) (map[string]any, error) {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]any{}
	}
	if len(path) == 1 {
		if value == nil {
			delete(m, path[0])
		} else {
			m[path[0]] = value
		}
		return m, nil
	}
	below, ok := m[path[0]].(map[string]any)
	if !ok && m[path[0]] != nil {
		return nil, &FormError{path[0] + " is no mapping"}
	}
	below, err := apply(below, path[1:], value)
	m[path[0]] = below
	return m, err
}
