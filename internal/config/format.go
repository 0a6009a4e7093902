package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// errFormat says that a file is better left alone.
var errFormat = errors.New("cannot be brought into order without changing what it means; it was left as it is")

// Format brings the keys of a file into the order of the reference and the
// blocks to an indentation of two. It moves whole lines, so that comments and
// what stands in braces stay as they are, and returns an error rather than a
// text that means anything else. name is what mistakes call the file.
func Format(name string, data []byte) ([]byte, error) { return format(name, data, root) }

// FormatRules is Format for a file of rules.
func FormatRules(name string, data []byte) ([]byte, error) { return format(name, data, fileSettings) }

func format(name string, data []byte, settings []setting) ([]byte, error) {
	text := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	done, err := arrange(name, text, settings)
	if err == nil && bytes.IndexByte(text, '\r') >= 0 {
		err = fmt.Errorf("%s %w", name, errFormat)
	}
	if err != nil {
		return nil, err
	}
	// What is in order stays as it is; if it would not, we did not understand it.
	if again, err := arrange(name, done, settings); err != nil || !bytes.Equal(again, done) || !same(text, done) {
		return nil, fmt.Errorf("%s %w", name, errFormat)
	}
	return done, nil
}

func arrange(name string, text []byte, settings []setting) ([]byte, error) {
	r := &reader{file: name, off: map[string]bool{}, source: &source{file: name, at: map[string]place{}}}
	body := r.body(text)
	if body == nil {
		return nil, r.mistakes
	}
	if bytes.HasPrefix(text, []byte("---")) || bytes.Contains(text, []byte("\n---")) || bytes.Contains(text, []byte("\n...")) {
		return nil, fmt.Errorf("%s %w", name, errFormat) // one document needs no marks
	}
	f := &formatter{lines: strings.Split(strings.TrimRight(string(text), " \n"), "\n")}
	line, _ := position(body)
	first := min(max(line-1, 0), len(f.lines)) // above is the title of the file, which stays
	out := slices.Concat(f.lines[:first], f.block(body, first, len(f.lines), 0, settings))
	return []byte(strings.Join(tidy(out), "\n") + "\n"), nil
}

// same says whether two texts hold the same values and the same comments.
func same(a, b []byte) bool {
	var va, vb any
	if yaml.Unmarshal(a, &va) != nil || yaml.Unmarshal(b, &vb) != nil || !reflect.DeepEqual(va, vb) {
		return false
	}
	return slices.Equal(comments(a), comments(b))
}

func comments(text []byte) []string {
	var all []string
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.CommentType {
			all = append(all, strings.TrimSpace(t.Value))
		}
	}
	slices.Sort(all)
	return all
}

// tidy removes spaces at the ends of lines, and all but one of several empty lines.
func tidy(lines []string) []string {
	var out []string
	for _, l := range lines {
		l = strings.TrimRight(l, " \t")
		if l == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, l)
	}
	return out
}

// formatter moves the lines of a file, which are counted from 0.
type formatter struct{ lines []string }

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// loose says whether a line is empty or a comment.
func loose(line string) bool {
	l := strings.TrimSpace(line)
	return l == "" || strings.HasPrefix(l, "#")
}

// part is a key or an element with the lines that belong to it.
type part struct {
	from, to int // lines, the comments above included
	at       int // the line where it begins
	column   int // from 0
	rank     int
	value    ast.Node
	within   []setting
}

// block returns the lines of a value that lie in [from, to), at an indentation.
func (f *formatter) block(n ast.Node, from, to, at int, settings []setting) []string {
	parts := f.parts(n, settings)
	if len(parts) == 0 || parts[0].at < from {
		return nil
	}
	for i := range parts {
		p := &parts[i]
		p.from = p.at
		for p.from > from && loose(f.lines[p.from-1]) && (i == 0 || indent(f.lines[p.from-1]) <= p.column || strings.TrimSpace(f.lines[p.from-1]) == "") {
			p.from--
		}
		if i > 0 {
			p.from = max(p.from, parts[i-1].at+1)
			parts[i-1].to = p.from
		}
	}
	parts[0].from = from
	parts[len(parts)-1].to = to
	if _, ok := n.(*ast.SequenceNode); !ok {
		slices.SortStableFunc(parts, func(a, b part) int { return a.rank - b.rank })
	}
	var out []string
	for i := range parts {
		out = append(out, f.part(&parts[i], at)...)
	}
	return out
}

// parts finds the entries of a block; none for anything else.
func (f *formatter) parts(n ast.Node, settings []setting) []part {
	var all []part
	switch v := n.(type) {
	case *ast.MappingNode:
		if v.IsFlowStyle {
			return nil
		}
		for _, e := range v.Values {
			line, col := position(e.Key)
			p := part{at: line - 1, column: col - 1, value: e.Value, rank: len(settings)}
			name := ""
			if k, ok := e.Key.(*ast.StringNode); ok {
				name = k.Value
			}
			if s := find(settings, name); s != nil && name != "" {
				p.rank = slices.IndexFunc(settings, func(o setting) bool { return o.key == s.key })
				p.within = s.within
			}
			all = append(all, p)
		}
	case *ast.SequenceNode:
		if v.IsFlowStyle {
			return nil
		}
		for _, e := range v.Entries {
			all = append(all, part{at: e.Start.Position.Line - 1, column: e.Start.Position.Column - 1, value: e.Value, within: settings})
		}
	}
	for i := range all { // two entries on one line are not ours to part
		if all[i].at < 0 || all[i].at >= len(f.lines) || i > 0 && all[i].at <= all[i-1].at {
			return nil
		}
	}
	return all
}

// part writes one entry: comments, the line of its key or dash, what is below.
func (f *formatter) part(p *part, at int) []string {
	var out []string
	for _, l := range f.lines[p.from:p.at] {
		out = append(out, strings.Repeat(" ", at)+strings.TrimLeft(l, " "))
	}
	first := f.lines[p.at]
	if len(first) < p.column {
		return append(out, f.lines[p.at:p.to]...)
	}
	line, _ := position(orNull(p.value))
	inner := f.parts(p.value, p.within)
	switch {
	case len(inner) > 0 && inner[0].at == p.at: // "- key: value": the key stands behind the dash
		f.lines[p.at] = first[:p.column] + " " + first[p.column+1:]
		return append(out, behindDash(f.block(p.value, p.at, p.to, at+2, p.within), at)...)
	case len(inner) > 0 && line-1 > p.at:
		out = append(out, strings.Repeat(" ", at)+first[p.column:])
		return append(out, f.block(p.value, p.at+1, p.to, at+2, p.within)...)
	}
	for _, l := range f.lines[p.at:p.to] {
		out = append(out, shift(l, at-p.column))
	}
	return out
}

// behindDash puts a dash in front of the first key of an element. Comments that
// came above it with the sorting go above the dash.
func behindDash(lines []string, at int) []string {
	for i, l := range lines {
		switch {
		case loose(l):
			lines[i] = strings.Repeat(" ", at) + strings.TrimLeft(l, " ")
		default:
			lines[i] = strings.Repeat(" ", at) + "- " + strings.TrimLeft(l, " ")
			return lines
		}
	}
	return lines
}

func orNull(n ast.Node) ast.Node {
	if n == nil {
		return &ast.NullNode{BaseNode: &ast.BaseNode{}, Token: token.New("", "", &token.Position{})}
	}
	return n
}

// shift moves a line to the right or left, but never into its text.
func shift(line string, by int) string {
	if strings.TrimSpace(line) == "" {
		return ""
	}
	n := max(indent(line)+by, 0)
	return strings.Repeat(" ", n) + strings.TrimLeft(line, " ")
}
