// Package policy decides which tools, prompts and resources a caller may use. It
// is pure: it knows no clock, no request and no database.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what [Compile] takes. A set is matched on every call, so it stays small.
const (
	MaxPatterns = 100 // patterns in a set
	MaxPattern  = 128 // characters of a pattern
)

// ErrPattern says that a set of patterns cannot be compiled.
var ErrPattern = errors.New("tool pattern")

// Tools is a set of tool names, given by patterns. The zero value allows nothing.
//
// In a pattern '*' stands for any run of characters, the empty one included;
// every other character stands for itself, so there is nothing to escape and
// nothing that could mean more than it says.
type Tools struct {
	all      bool
	exact    map[string]struct{}
	globs    []glob
	patterns []string
}

// glob is a pattern cut at its stars: prefix, then middles in order, then suffix.
type glob struct {
	prefix, suffix string
	middles        []string
	whole          bool // it has no star: prefix is all of it
}

// Compile returns the set that patterns describe, or an error that wraps
// [ErrPattern] and names the pattern at fault. No patterns: nothing is allowed.
func Compile(patterns []string) (Tools, error) {
	if len(patterns) > MaxPatterns {
		return Tools{}, fmt.Errorf("%w: %d of them, at most %d", ErrPattern, len(patterns), MaxPatterns)
	}
	t := Tools{patterns: slices.Clone(patterns)}
	for i, p := range patterns {
		if err := valid(p); err != nil {
			return Tools{}, fmt.Errorf("%w %d (%.140q): %w", ErrPattern, i+1, p, err)
		}
		parts := strings.Split(p, "*")
		switch {
		case strings.Trim(p, "*") == "":
			t.all = true
		case len(parts) == 1:
			if t.exact == nil {
				t.exact = map[string]struct{}{}
			}
			t.exact[p] = struct{}{}
		default:
			t.globs = append(t.globs, newGlob(parts))
		}
	}
	return t, nil
}

// newGlob builds a glob of what is between its stars.
func newGlob(parts []string) glob {
	last := len(parts) - 1
	if last == 0 {
		return glob{prefix: parts[0], whole: true}
	}
	g := glob{prefix: parts[0], suffix: parts[last]}
	for _, m := range parts[1:last] {
		if m != "" { // "a**b" says no more than "a*b"
			g.middles = append(g.middles, m)
		}
	}
	return g
}

// valid says what is wrong with a pattern. Spaces and commas separate patterns
// on the command line, so inside one they are a mistake.
func valid(p string) error {
	if n := utf8.RuneCountInString(p); n == 0 || n > MaxPattern {
		return fmt.Errorf("%d characters, want 1 to %d", n, MaxPattern)
	}
	if !utf8.ValidString(p) {
		return errors.New("it is not UTF-8")
	}
	for _, r := range p {
		if r == ',' || r == ' ' || !unicode.IsPrint(r) {
			return fmt.Errorf("it contains %q", r)
		}
	}
	return nil
}

// Allows reports whether name is in the set. Its time grows with the length of
// name and the number of patterns, whatever they are.
func (t Tools) Allows(name string) bool {
	if t.all {
		return true
	}
	if _, ok := t.exact[name]; ok {
		return true
	}
	for i := range t.globs {
		if t.globs[i].matches(name) {
			return true
		}
	}
	return false
}

func (g *glob) matches(name string) bool {
	if g.whole {
		return name == g.prefix
	}
	if len(name) < len(g.prefix)+len(g.suffix) ||
		!strings.HasPrefix(name, g.prefix) || !strings.HasSuffix(name, g.suffix) {
		return false
	}
	return g.between(name[len(g.prefix) : len(name)-len(g.suffix)])
}

// between says whether the middles are in what lies between prefix and suffix.
// It takes the leftmost place for every one: if any placing exists, this one
// does, so nothing is ever tried twice.
func (g *glob) between(rest string) bool {
	for _, m := range g.middles {
		i := strings.Index(rest, m)
		if i < 0 {
			return false
		}
		rest = rest[i+len(m):]
	}
	return true
}

// All reports whether every name is in the set because a pattern says so.
func (t Tools) All() bool { return t.all }

// Patterns returns the patterns as they were given.
func (t Tools) Patterns() []string { return slices.Clone(t.patterns) }

// Equal reports whether both sets were compiled from the same patterns.
func (t Tools) Equal(o Tools) bool { return slices.Equal(t.patterns, o.patterns) }

// reaches says whether some, and whether all, of the names that begin with a
// prefix match.
func (g *glob) reaches(prefix string) (some, all bool) {
	if g.whole {
		return strings.HasPrefix(g.prefix, prefix), false
	}
	if strings.HasPrefix(g.prefix, prefix) && g.prefix != prefix { // it asks for more than is known
		return true, false
	}
	if !strings.HasPrefix(prefix, g.prefix) {
		return false, false
	}
	return true, g.suffix == "" && g.between(prefix[len(g.prefix):])
}
