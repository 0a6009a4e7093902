package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// maxFile bounds what is parsed, in bytes: a configuration is a page of text.
const maxFile = 1 << 20

// Load reads a file and completes it with its defaults. A wrong file is
// [Mistakes], all of them at once; what a file says about relative paths is
// relative to the file.
//
// A file may be sound and yet not enough to serve: see [Config.Check].
func Load(path string, o Outside) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", path, err)
	}
	return parse(path, dir, data, o)
}

// readFile reads a configuration. Whoever can write it can let himself in.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	wrong := func(format string, args ...any) error {
		return Mistakes{{Code: codeFile, File: path, Text: fmt.Sprintf(format, args...)}}
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, wrong("is not a plain file")
	}
	switch who, err := writable(f, info); {
	case err != nil:
		return nil, err
	case who != "":
		return nil, wrong("can be written by %s", who)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Parse reads the text of a file; name is what mistakes call it. Relative paths
// are left as they are.
func Parse(name string, data []byte, o Outside) (*Config, error) { return parse(name, "", data, o) }

func parse(name, dir string, data []byte, o Outside) (*Config, error) {
	r := &reader{file: name, dir: dir, outside: o, off: map[string]bool{}, source: &source{file: name, at: map[string]place{}}}
	r.source.read(absolute(dir, name))
	body := r.body(data)
	if body == nil {
		return nil, r.mistakes
	}
	c := &Config{source: r.source}
	r.object(body, "", root, reflect.ValueOf(c).Elem())
	r.policies(c)
	c.fileDefaults()
	c.Complete()
	if len(r.mistakes) == 0 {
		return c, nil
	}
	// What else is wrong is said too, but not what only follows from the above.
	var more Mistakes
	if errors.As(c.Check(), &more) {
		for _, m := range more {
			if !slices.ContainsFunc(r.mistakes, func(o Mistake) bool { return related(o.Path, m.Path) }) {
				r.mistakes = append(r.mistakes, m)
			}
		}
	}
	r.mistakes.sort()
	r.mistakes[0].source = r.source
	return nil, r.mistakes
}

func absolute(dir, name string) string {
	if dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, filepath.Base(name))
}

// related says whether one path is the other or lies above it.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == len(b) || a == "" || b[len(a)] == '.' || b[len(a)] == '[')
}

// sort puts mistakes in the order of the file; what stands nowhere in it comes last.
func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// body parses the one document of a file; nil when there is none.
func (r *reader) body(data []byte) ast.Node {
	switch {
	case len(data) > maxFile:
		r.fail(nil, "", "is larger than 1 MiB")
		return nil
	case bytes.HasPrefix(data, []byte("\ufeff")):
		r.fail(nil, "", "begins with a byte order mark; save it as plain UTF-8 without one")
		return nil
	case bytes.IndexByte(data, 0) >= 0:
		r.fail(nil, "", "holds a NUL, so it was not written to its end")
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if t := tooDeep(tokens); t != nil {
		r.fail(nil, "", "is nested more than %d deep", maxDepth)
		m := &r.mistakes[len(r.mistakes)-1]
		m.Line, m.Col = t.Position.Line, t.Position.Column
		return nil
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		r.syntax(err, data)
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.NullType {
			bodies = append(bodies, d.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		r.fail(nil, "", "is empty")
	case len(bodies) > 1:
		// A decoder would read the first and drop the rest without a word.
		r.fail(bodies[1], "", "a second document begins here; one file is one configuration")
	default:
		return bodies[0]
	}
	return nil
}

// maxDepth bounds brackets within brackets. A configuration needs six; the time
// that the parser takes grows with the square.
const maxDepth = 50

// tooDeep returns the token at which a text goes too deep, or nil: brackets, and
// dashes or question marks one after the other.
func tooDeep(tokens token.Tokens) *token.Token {
	depth, row, line := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Line != line {
				line, row = t.Position.Line, 0
			}
			row++
		}
		if depth > maxDepth || row > maxDepth {
			return t
		}
	}
	return nil
}

var (
	bareColon = pattern.Lazy(`[{,:]\s*:\d+\s*[,}]`)
	inBraces  = pattern.Lazy(`[{\[,].*\$\{`)
)

// syntax keeps the parser's sentence and place, not its picture of the file:
// that would repeat lines which may hold secrets.
func (r *reader) syntax(err error, data []byte) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		r.fail(nil, "", "is not YAML")
		return
	}
	p := at.GetToken().Position
	r.fail(nil, "", "%s", at.GetMessage())
	m := &r.mistakes[len(r.mistakes)-1]
	m.Line, m.Col = p.Line, p.Column
	lines := strings.Split(string(data), "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return
	}
	switch line := lines[p.Line-1]; {
	case bareColon().MatchString(line):
		m.Text += `. Inside { } an address cannot begin with a colon: write 9090, or "0.0.0.0:9090"`
	case inBraces().MatchString(line):
		m.Text += `. Inside { } and [ ] a reference needs quotes: "${NAME}"`
	case strings.Contains(line, "${"):
		m.Text += `. A reference with ": " or " #" in it needs quotes: "${NAME:?why: because}"`
	}
}
