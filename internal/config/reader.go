package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// reader walks a parsed file along the table of settings and collects every
// mistake, so that a file is mended in one go. It knows how a setting is
// written, not whether all of them together make sense: that is Check's.
type reader struct {
	file     string
	dir      string // that relative paths are relative to; empty: they are left alone
	outside  Outside
	source   *source
	off      map[string]bool // sections that say that they are not there
	mistakes Mistakes
	node     ast.Node // that is being read
}

var (
	apiKey     = pattern.Lazy(`\bgth[kraci]_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b`)
	privateKey = pattern.Lazy(`-----BEGIN [A-Z ]*PRIVATE KEY`)
)

// fail notes a mistake at a node; nil is the file as a whole.
func (r *reader) fail(n ast.Node, path, format string, args ...any) {
	text := strings.TrimSpace(path + " " + fmt.Sprintf(format, args...))
	m := Mistake{Code: codeFile, File: r.file, Path: path, Text: apiKey().ReplaceAllString(r.source.mask(text), masked)}
	if n != nil {
		m.Line, m.Col = position(n)
	}
	r.mistakes = append(r.mistakes, m)
}

// position is where a node begins. A mapping's own token is its first colon.
func position(n ast.Node) (line, col int) {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return position(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return position(v.Key)
	}
	if n.GetToken() == nil || n.GetToken().Position == nil {
		return 0, 0
	}
	return n.GetToken().Position.Line, n.GetToken().Position.Column
}

// each calls do for every entry of a mapping. A key twice is a mistake: which
// one wins is not a question for a file about access.
func (r *reader) each(n ast.Node, path string, do func(key string, k, n ast.Node, path string)) {
	m, ok := n.(ast.MapNode)
	if !ok || n.Type() == ast.AnchorType || n.Type() == ast.AliasType || n.Type() == ast.TagType {
		r.fail(n, path, "needs to be a mapping, as in {key: value}")
		return
	}
	seen := map[string]bool{}
	for entries := m.MapRange(); entries.Next(); {
		k, ok := entries.Key().(*ast.StringNode)
		if !ok || printable(k.Value) != nil {
			r.fail(entries.Key(), path, "has a key that is not a plain word")
			continue
		}
		at := strings.TrimPrefix(path+"."+k.Value, ".")
		if seen[k.Value] {
			r.fail(k, at, "appears twice")
			continue
		}
		seen[k.Value] = true
		r.source.note(at, k)
		do(k.Value, k, entries.Value(), at)
	}
}

// object reads a mapping with known keys into a struct.
func (r *reader) object(n ast.Node, path string, settings []setting, into reflect.Value) {
	if n == nil || n.Type() == ast.NullType {
		r.fail(n, path, "has no value; say {} to take the defaults")
		return
	}
	present := map[string]bool{}
	r.each(n, path, func(key string, k, value ast.Node, at string) {
		s := find(settings, key)
		switch {
		case s == nil:
			r.unknown(k, path, key, settings)
		case s.planned:
			r.fail(k, at, "is not available in this version of gatehouse; remove it, it would not be obeyed")
			r.mistakes[len(r.mistakes)-1].planned = true
			present[s.key] = true
		case present[s.key]:
			r.fail(k, at, "says again what %s says", s.key)
		default:
			present[s.key] = true
			r.setting(value, at, s, into)
		}
	})
	if len(r.mistakes) > 0 && n.Type() != ast.MappingType && n.Type() != ast.MappingValueType {
		return
	}
	for i := range settings {
		if s := &settings[i]; s.need && !present[s.key] {
			hint := ""
			if s.key == "version" {
				hint = `. Begin the file with "version: 1"`
			}
			r.fail(n, strings.TrimPrefix(path+"."+s.key, "."), "is missing%s", hint)
		}
	}
}

func (r *reader) unknown(n ast.Node, path, key string, settings []setting) {
	where, hint := "", ""
	if path != "" {
		where = " under " + path
	}
	near := closest(key, known(settings))
	if near != "" {
		hint = fmt.Sprintf(". Did you mean %q?", near)
	}
	r.fail(n, "", "unknown key %.80q%s%s", key, where, hint)
	// What the misspelt one is missing now is not a mistake of its own.
	r.mistakes[len(r.mistakes)-1].Path = strings.TrimPrefix(path+"."+cmp.Or(near, key), ".")
}

// setting reads the value of one key into its field of owner.
func (r *reader) setting(n ast.Node, path string, s *setting, owner reflect.Value) {
	switch {
	case s.field == "" && s.within != nil: // keys that are grouped in the file only
		r.object(n, path, s.within, owner)
	case s.entry:
		r.entry(n, path, s, owner.FieldByName(s.field))
	case s.field == "":
		var text string
		before := len(r.mistakes)
		r.scalar(n, path, s, reflect.ValueOf(&text).Elem())
		if r.node = n; len(r.mistakes) == before && s.hook != nil {
			s.hook(r, path, text)
		}
	default:
		r.value(n, path, s, owner.FieldByName(s.field))
	}
}

// entry reads one text of a table.
func (r *reader) entry(n ast.Node, path string, s *setting, table reflect.Value) {
	text := reflect.New(table.Type().Elem()).Elem()
	r.scalar(n, path, s, text)
	if table.IsNil() {
		table.Set(reflect.MakeMap(table.Type()))
	}
	table.SetMapIndex(reflect.ValueOf(s.key), text)
}

// value reads what the type of a field asks for.
func (r *reader) value(n ast.Node, path string, s *setting, into reflect.Value) {
	switch t := into.Type(); {
	case t.Kind() == reflect.Pointer:
		made := reflect.New(t.Elem())
		r.object(n, path, s.within, made.Elem())
		if !r.off[path] {
			into.Set(made)
		}
	case t == ratesType:
		r.rates(n, path, s, into)
	case t == rawType:
		if raw, ok := r.json(n, path); ok {
			into.SetBytes(raw)
		}
	case s.named:
		r.named(n, path, s, into)
	case t.Kind() == reflect.Slice && s.single && !isList(n):
		r.append(n, path, s, into)
	case t.Kind() == reflect.Slice:
		r.list(n, path, s, into)
	case t.Kind() == reflect.Map:
		r.table(n, path, s, s.keys, into)
	case t.Kind() == reflect.Struct && s.within != nil:
		r.section(n, path, s, into)
	default:
		r.scalar(n, path, s, into)
	}
}

// section reads a mapping, or what stands for one: the value of its shortest form.
func (r *reader) section(n ast.Node, path string, s *setting, into reflect.Value) {
	if s.short == "" || isMap(n) || n == nil || n.Type() == ast.NullType {
		r.object(n, path, s.within, into)
		return
	}
	inner := find(s.within, s.short)
	r.source.note(joined(path, s.short), n)
	r.value(n, joined(path, s.short), inner, into.FieldByName(inner.field))
}

func isList(n ast.Node) bool { return n != nil && n.Type() == ast.SequenceType }

func isMap(n ast.Node) bool {
	return n != nil && (n.Type() == ast.MappingType || n.Type() == ast.MappingValueType)
}

// list reads a sequence. An empty one is refused: whether it means all or none
// is not to be guessed.
func (r *reader) list(n ast.Node, path string, s *setting, into reflect.Value) {
	q, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, path, "needs to be a list, as in [one, two]")
		return
	}
	if len(q.Values) == 0 && s.none {
		into.Set(reflect.MakeSlice(into.Type(), 0, 0))
		return
	}
	if len(q.Values) == 0 {
		r.fail(n, path, "is an empty list; leave it out")
		return
	}
	for _, v := range q.Values {
		r.append(v, fmt.Sprintf("%s[%d]", path, into.Len()), s, into)
	}
}

// append reads one more element of a list.
func (r *reader) append(n ast.Node, path string, s *setting, into reflect.Value) {
	if n != nil {
		r.source.note(path, n)
	}
	element := reflect.New(into.Type().Elem()).Elem()
	if element.Kind() == reflect.Struct && s.within != nil {
		r.section(n, path, s, element)
	} else {
		r.scalar(n, path, s, element)
	}
	into.Set(reflect.Append(into, element))
}

// named reads a list that is written by the names of its elements.
func (r *reader) named(n ast.Node, path string, s *setting, into reflect.Value) {
	r.each(n, path, func(key string, k, n ast.Node, path string) {
		if err := s.keys[0](key); err != nil {
			r.fail(k, path, "%v", err)
		}
		element := reflect.New(into.Type().Elem()).Elem()
		element.FieldByName("Name").SetString(key)
		r.section(n, path, s, element)
		into.Set(reflect.Append(into, element))
	})
}

// table reads a mapping whose keys are names that people choose; judges are
// those of the names, level by level.
func (r *reader) table(n ast.Node, path string, s *setting, judges []func(string) error, into reflect.Value) {
	into.Set(reflect.MakeMap(into.Type()))
	r.each(n, path, func(key string, k, n ast.Node, path string) {
		if err := s.judgeName(judges, key); err != nil {
			r.fail(k, path, "%v", err)
		}
		element := reflect.New(into.Type().Elem()).Elem()
		switch {
		case s.within != nil:
			r.object(n, path, s.within, element)
		case element.Kind() == reflect.Map:
			r.table(n, path, s, judges[1:], element)
		default:
			one := *s
			one.key = key // what an entry is called tells whether it is secret
			r.scalar(n, path, &one, element)
		}
		into.SetMapIndex(reflect.ValueOf(key), element)
	})
}

// judgeName says why a name cannot stand in a table.
func (s *setting) judgeName(judges []func(string) error, key string) error {
	switch {
	case len(judges) > 0:
		return judges[0](key)
	case s.within != nil:
		return checkTenant(key)
	case !variableName().MatchString(key):
		return errors.New("is not the name of a variable")
	}
	return nil
}

// rates reads patterns of tools and the rate of each.
func (r *reader) rates(n ast.Node, path string, s *setting, into reflect.Value) {
	r.each(n, path, func(key string, k, n ast.Node, path string) {
		if err := CheckPattern(key); err != nil {
			r.fail(k, path, "%v", err)
		}
		rate := ToolRate{Tools: key}
		r.scalar(n, path, s, reflect.ValueOf(&rate.Rate).Elem())
		into.Set(reflect.Append(into, reflect.ValueOf(rate)))
	})
}

// names are the keys of a map in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
