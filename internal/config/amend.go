package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Amendment is a setting and the value that it is to have.
type Amendment struct {
	Path  string // such as servers[0].forward.identity
	Value string // as it is written in YAML, on one line
}

// errByHand says that a setting is better changed by a person.
var errByHand = errors.New("is written in a way that is better changed by hand")

// Amend gives settings of a file other values. It changes a few bytes: comments,
// order and everything else stay. name and o are as in [Load]; the file is read
// before and after, and an error is returned when anything else differs then, or
// when the result cannot be served.
func Amend(name string, text []byte, changes []Amendment, o Outside) ([]byte, error) {
	after := text
	for _, c := range changes {
		var err error
		if after, err = amend(after, c); err != nil {
			return nil, fmt.Errorf("%s %w", c.Path, err)
		}
	}
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", name, err)
	}
	old, err := parse(name, dir, text, o)
	if err != nil {
		return nil, err
	}
	changed, err := parse(name, dir, after, o)
	if err != nil {
		return nil, err
	}
	if err := changed.Check(); err != nil {
		return nil, err
	}
	return after, judgeAmended(Diff(old.Settings(), changed.Settings()), changes)
}

// judgeAmended wants each amendment to have changed something, and nothing else to have changed.
func judgeAmended(differs []Change, changes []Amendment) error {
	for _, c := range changes {
		if !slices.ContainsFunc(differs, func(d Change) bool { return within(d.at(), c.Path) }) {
			return fmt.Errorf("%s %w", c.Path, errByHand)
		}
	}
	for _, d := range differs {
		if !slices.ContainsFunc(changes, func(c Amendment) bool { return within(d.at(), c.Path) || follows(&d, c.Path) }) {
			return fmt.Errorf("%s %w: %s would change too", changes[0].Path, errByHand, d.Path)
		}
	}
	return nil
}

// at is the path of what changed, with elements by number.
func (c *Change) at() string {
	if c.New != nil {
		return c.New.at
	}
	return c.Old.at
}

// follows says whether a setting has another default only because of one beside it.
func follows(d *Change, path string) bool {
	section := path[:max(strings.LastIndexByte(path, '.'), 0)]
	byDefault := d.New != nil && d.New.Origin == "default" && (d.Old == nil || d.Old.Origin == "default")
	return section != "" && byDefault && within(d.at(), section)
}

// within says whether a setting is at a path or below it.
func within(setting, path string) bool {
	return setting == path || strings.HasPrefix(setting, path+".")
}

// amend changes one setting in a text.
func amend(text []byte, c Amendment) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 {
		return nil, errByHand
	}
	a := amender{text: text}
	node, path := doc.Content[0], keysOf(c.Path)
	for len(path) > 0 {
		next := member(node, path[0])
		if next == nil {
			break
		}
		node, path = next, path[1:]
	}
	switch {
	case len(path) == 0:
		return a.replace(node, c.Value)
	case node.Kind != yaml.MappingNode:
		return nil, errByHand
	case node.Style&yaml.FlowStyle != 0:
		return a.insertFlow(node, path, c.Value)
	case node == doc.Content[0]:
		return a.appendRoot(path, c.Value)
	}
	return a.insertBlock(node, path, c.Value)
}

// keysOf splits a path: servers[0].url is servers, 0 and url.
func keysOf(path string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(path, "]", ""), "[", "."), ".")
}

// member returns what a key or an index leads to; nil: there is nothing.
func member(n *yaml.Node, key string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}

// amender knows where nodes are in a text.
type amender struct{ text []byte }

// offset is where a node begins. Columns are counted in characters.
func (a *amender) offset(n *yaml.Node) int {
	at := a.line(n.Line)
	for col := 1; col < n.Column && at < len(a.text); col++ {
		at++
		for at < len(a.text) && a.text[at]&0xc0 == 0x80 {
			at++
		}
	}
	return at
}

// line is where a line begins, from 1.
func (a *amender) line(n int) int {
	at := 0
	for ; n > 1 && at < len(a.text); n-- {
		at = a.after(at)
	}
	return at
}

// after is where the next line begins.
func (a *amender) after(at int) int {
	if i := bytes.IndexByte(a.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(a.text)
}

// scalar returns where a value of one line begins and ends.
func (a *amender) scalar(n *yaml.Node) (from, to int, err error) {
	from = a.offset(n)
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || from >= len(a.text) {
		return 0, 0, errByHand
	}
	rest := string(a.text[from:a.after(from)])
	switch {
	case n.Style == 0 && n.Value != "" && strings.HasPrefix(rest, n.Value):
		return from, from + len(n.Value), nil
	case n.Style&yaml.DoubleQuotedStyle != 0:
		if m := doubleQuoted.FindString(rest); m != "" {
			return from, from + len(m), nil
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		if m := singleQuoted.FindString(rest); m != "" {
			return from, from + len(m), nil
		}
	}
	return 0, 0, errByHand
}

var (
	doubleQuoted = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"`)
	singleQuoted = regexp.MustCompile(`^'(?:[^']|'')*'`)
)

func (a *amender) replace(n *yaml.Node, value string) ([]byte, error) {
	from, to, err := a.scalar(n)
	if err != nil {
		return nil, err
	}
	return a.splice(from, to, value), nil
}

func (a *amender) splice(from, to int, with string) []byte {
	return []byte(string(a.text[:from]) + with + string(a.text[to:]))
}

// eol is how the file ends its lines.
func (a *amender) eol() string {
	if bytes.Contains(a.text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// insertFlow adds a member to a mapping in braces, in front of the others.
func (a *amender) insertFlow(n *yaml.Node, path []string, value string) ([]byte, error) {
	at := a.offset(n)
	if at >= len(a.text) || a.text[at] != '{' || n.Anchor != "" {
		return nil, errByHand
	}
	text := strings.Join(path, ": {") + ": " + value + strings.Repeat("}", len(path)-1)
	if len(n.Content) > 0 {
		text += ", "
	}
	return a.splice(at+1, at+1, text), nil
}

// lines writes a member on lines of its own.
func (a *amender) lines(path []string, value, indent string) string {
	text := ""
	for i, key := range path {
		text += indent + strings.Repeat("  ", i) + key + ":"
		if i < len(path)-1 {
			text += a.eol()
		}
	}
	return text + " " + value + a.eol()
}

// appendRoot adds a section to the file.
func (a *amender) appendRoot(path []string, value string) ([]byte, error) {
	lead := ""
	if len(a.text) > 0 && a.text[len(a.text)-1] != '\n' {
		lead = a.eol()
	}
	return a.splice(len(a.text), len(a.text), lead+a.lines(path, value, "")), nil
}

// insertBlock adds a member to a mapping of lines: below its first one, if that
// is a single line, else above it.
func (a *amender) insertBlock(n *yaml.Node, path []string, value string) ([]byte, error) {
	first := n.Content[0]
	indent := strings.Repeat(" ", first.Column-1)
	if _, to, err := a.scalar(n.Content[1]); err == nil {
		at := a.after(to)
		lead := ""
		if a.text[at-1] != '\n' {
			lead = a.eol()
		}
		return a.splice(at, at, lead+a.lines(path, value, indent)), nil
	}
	at := a.offset(first)
	return a.splice(at, at, strings.TrimPrefix(a.lines(path, value, indent), indent)+indent), nil
}
