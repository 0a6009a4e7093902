package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// Outside is what a file may refer to. The zero value knows nothing.
type Outside struct {
	Lookup func(name string) (string, bool)       // a variable of the environment: os.LookupEnv
	Run    func(command []string) ([]byte, error) // standard output of a program, at most 64 KiB, in bounded time
}

func (o Outside) lookup(name string) (string, bool) {
	if o.Lookup == nil {
		return "", false
	}
	return o.Lookup(name)
}

var (
	wholly   = pattern.Lazy(`^\$\{[^{}]+\}$`)
	variable = pattern.Lazy(`^([A-Za-z_][A-Za-z0-9_]*)(:\?(.*))?$`)
)

// found is a text whose references are resolved.
type found struct {
	text   string
	from   []string // what was referred to, for people
	secret bool     // something in it is to be shown to nobody
	parts  []string // what the references stood for
}

// resolve replaces ${NAME}, ${NAME:?why}, ${file:PATH} and ${cmd:PROGRAM …} by
// what they stand for; "$$" is a dollar. What was put in is not looked at again.
func (r *reader) resolve(raw string) (found, error) {
	var f found
	var b strings.Builder
	for rest := raw; rest != ""; {
		before, after, ok := strings.Cut(rest, "$")
		b.WriteString(before)
		switch {
		case !ok:
			rest = ""
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			name, remaining, closed := strings.Cut(after[1:], "}")
			if !closed {
				return f, errors.New("has a ${ without its }")
			}
			value, err := r.refer(name, &f)
			if err != nil {
				return f, err
			}
			b.WriteString(value)
			f.parts = append(f.parts, value)
			rest = remaining
		default:
			b.WriteByte('$')
			rest = after
		}
	}
	f.text = b.String()
	return f, nil
}

// refer returns what stands behind one reference.
func (r *reader) refer(name string, f *found) (string, error) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		f.secret = true
		path = r.secretPath(path)
		f.from = append(f.from, path)
		text, err := readSecret(path, r.credentials(path))
		r.source.read(path)
		return text, err
	}
	if line, ok := strings.CutPrefix(name, "cmd:"); ok {
		f.secret = true
		return r.run(line, f)
	}
	m := variable().FindStringSubmatch(name)
	if m == nil {
		return "", unknownReference(name)
	}
	f.from = append(f.from, "variable "+m[1])
	f.secret = f.secret || secretName().MatchString(m[1])
	value, ok := r.outside.lookup(m[1])
	switch {
	case ok && value != "" || ok && m[2] == "":
		return value, nil
	case m[3] != "":
		return "", fmt.Errorf("names the variable %s, which is not set: %s", m[1], m[3])
	}
	return "", fmt.Errorf("names the variable %s, which is not set", m[1])
}

func unknownReference(name string) error {
	kind, _, _ := strings.Cut(name, ":")
	switch {
	case strings.Contains(name, ":-") || strings.Contains(name, ":="):
		name, _, _ = strings.Cut(name, ":") // what follows may be a secret that somebody wrote down
		return fmt.Errorf("${%.40s:…} has a default; there are none, a variable is set or it is a mistake", name)
	case slices.Contains([]string{"keychain", "vault", "env"}, kind):
		return fmt.Errorf("${%s:…} is not available in this version of gatehouse", kind)
	}
	return fmt.Errorf("${%.40s} is none of ${NAME}, ${NAME:?why}, ${file:/path} and ${cmd:program}. For a dollar write $$", name)
}

// maxRun bounds what a program may say, in bytes.
const maxRun = 64 << 10

// run has a program say the value.
func (r *reader) run(line string, f *found) (string, error) {
	command, err := Words(line)
	if err != nil {
		return "", err
	}
	f.from = append(f.from, "command "+command[0])
	if r.outside.Run == nil {
		return "", fmt.Errorf("asks the program %.80q, and programs are not run here", command[0])
	}
	out, err := r.outside.Run(command)
	if err != nil {
		return "", fmt.Errorf("asks the program %.80q: %w", command[0], err)
	}
	if len(out) > maxRun {
		return "", fmt.Errorf("asks the program %.80q, which said more than 64 KiB", command[0])
	}
	text, err := oneText(out)
	if err != nil {
		return "", fmt.Errorf("asks the program %.80q, whose answer %w", command[0], err)
	}
	return text, nil
}

// Words splits a command at spaces; what stands in '…' or "…" is one word.
// There is no shell, so nothing else has a meaning.
func Words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	var quote rune
	open := false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ':
			if open {
				all = append(all, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(c)
			open = true
		}
	}
	if open {
		all = append(all, word.String())
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("has a command with a %c that does not end", quote)
	case len(all) == 0 || all[0] == "":
		return nil, errors.New("has a command without a program")
	}
	return all, nil
}

// source is where the settings of a file came from.
type source struct {
	reading  string // the file that is being read; empty: the configuration itself
	followed bool   // files of rules were read
	file     string
	at       map[string]place  // by path
	filled   map[string]string // by path: what filled in what the file does not say, such as "preset auth0"
	files    []string          // that were read, the configuration first
	secrets  []string          // values that are hidden in whatever is printed
}

// place is where one setting came from.
type place struct {
	file      string // empty: the configuration itself
	line, col int
	from      string // what was referred to; empty: the file says it itself
	hidden    bool   // its value is shown to nobody
	asked     bool   // it has a value of its own
}

// in is the file of a place.
func (p place) in(s *source) string { return cmp.Or(p.file, s.file) }

// note remembers where a key or an element stands.
func (s *source) note(path string, n ast.Node) {
	line, col := position(n)
	s.at[path] = place{file: s.reading, line: line, col: col}
}

// found remembers what a value was made of.
func (s *source) found(path string, n ast.Node, f found, set *setting) {
	line, col := position(n)
	inChild := set.form == formEnv || set.key == "command"
	hidden := f.secret || set.form == formSecret || set.form == formPartial || inChild && len(f.from) > 0
	s.at[path] = place{file: s.reading, line: line, col: col, from: strings.Join(f.from, " and "), hidden: hidden, asked: true}
	if !hidden {
		return
	}
	const shortest = 4 // less would be struck from every second word
	for _, v := range append(f.parts, f.text) {
		if len(v) >= shortest && len(f.parts) > 0 && !slices.Contains(s.secrets, v) {
			s.secrets = append(s.secrets, v)
		}
	}
}

// read remembers a file that the configuration is made of.
func (s *source) read(path string) {
	if !slices.Contains(s.files, path) {
		s.files = append(s.files, path)
	}
}

// mask hides every secret in a sentence.
func (s *source) mask(text string) string {
	if s == nil {
		return text
	}
	for _, v := range s.secrets {
		text = strings.ReplaceAll(text, v, masked)
	}
	return text
}

// where finds the place of a path, or of the nearest thing above it.
func (s *source) where(path string) place {
	for s != nil && path != "" {
		if p, ok := s.at[path]; ok {
			return p
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return place{}
}

// filledBy says what filled in a setting that the file does not say.
func (s *source) filledBy(path string) string {
	for path != "" {
		if by := s.filled[path]; by != "" {
			return by
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return "default"
}
