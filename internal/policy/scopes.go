package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// scopes is a hierarchy of scopes, with every way through it walked.
type scopes struct {
	includes map[string][]string // a scope: all that it stands for beside itself
	implied  map[string][]string // a scope: all that stand for it beside itself
}

// newScopes walks a hierarchy. A scope that includes itself by a detour is an
// error, and at is where.
func newScopes(declared map[string][]string) (s scopes, at string, err error) {
	s = scopes{includes: map[string][]string{}, implied: map[string][]string{}}
	const open, done = 1, 2
	state := map[string]int{}
	var way []string
	var walk func(name string) error
	walk = func(name string) error {
		if state[name] == done {
			return nil
		}
		way = append(way, name)
		if state[name] == open {
			return fmt.Errorf("includes itself: %s", strings.Join(way[slices.Index(way, name):], " → "))
		}
		state[name] = open
		var all []string
		for _, below := range declared[name] {
			if err := walk(below); err != nil {
				return err
			}
			all = append(append(all, below), s.includes[below]...)
		}
		slices.Sort(all)
		s.includes[name] = slices.Compact(all)
		state[name] = done
		way = way[:len(way)-1]
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if err := walk(name); err != nil {
			return scopes{}, name, err
		}
	}
	for name, all := range s.includes {
		for _, below := range all {
			s.implied[below] = append(s.implied[below], name)
		}
	}
	return s, "", nil
}

// spelled adds to scopes what they stand for.
func (s *scopes) spelled(held []string) []string {
	all := slices.Clone(held)
	for _, name := range held {
		all = append(all, s.includes[name]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// need is a Require that was compiled.
type need struct {
	scopes []want
	names  []string // of scopes
	Require
}

// want is one scope, and those that stand for it.
type want struct {
	name string
	by   []string
}

func (s *scopes) need(q *Require) need {
	n := need{Require: *q, names: slices.Clone(q.Scopes)}
	for _, name := range q.Scopes {
		n.scopes = append(n.scopes, want{name: name, by: s.implied[name]})
	}
	return n
}

// in says whether scopes have it, or one that stands for it.
func (w *want) in(held []string) bool {
	for _, h := range held {
		if h == w.name || len(w.by) > 0 && slices.Contains(w.by, h) {
			return true
		}
	}
	return false
}
