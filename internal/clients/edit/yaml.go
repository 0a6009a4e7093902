package edit

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlDoc is a YAML file of one document whose root is a block mapping. It is
// edited by whole lines: block mappings are made of them.
type yamlDoc struct {
	text []byte
	root *yaml.Node // the mapping; nil: nothing is in the file
	all  any
	layout
}

var yamlError = regexp.MustCompile(`^yaml: (?:unmarshal errors:\n +)?line (\d+): (.*)`)

func openYAML(text []byte) (*yamlDoc, error) {
	d := &yamlDoc{text: text, layout: layoutOf(text)}
	if strings.Contains(d.unit, "\t") {
		d.unit = "  "
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return d, nil
	}
	if err == nil {
		d.all, err = decode(YAML, text)
	}
	if err != nil {
		if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1])
			return nil, &SyntaxError{Line: line, Reason: m[2]}
		}
		return nil, &SyntaxError{Line: 1, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if !errors.Is(dec.Decode(&next), io.EOF) {
		return nil, &FormError{"the file has more than one document"}
	}
	if len(doc.Content) != 1 || doc.Content[0].Tag == "!!null" && doc.Content[0].Value == "" {
		return d, nil
	}
	d.root = doc.Content[0]
	if d.root.Kind != yaml.MappingNode || d.root.Style&yaml.FlowStyle != 0 {
		return nil, &FormError{"the root of the file is no block mapping"}
	}
	return d, nil
}

// find returns the key and the value at a path; nil: there is none. Inside of
// aliases and flow mappings nothing is looked for.
func (d *yamlDoc) find(path []string) (key, value *yaml.Node) {
	value = d.root
	for _, name := range path {
		if value == nil || value.Kind != yaml.MappingNode {
			return nil, nil
		}
		in := value
		key, value = nil, nil
		for i := 0; i+1 < len(in.Content); i += 2 {
			if in.Content[i].Value == name {
				key, value = in.Content[i], in.Content[i+1]
			}
		}
	}
	return key, value
}

func (d *yamlDoc) get(path []string) (any, bool) {
	v := d.all
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	if v == nil && len(path) == 1 { // "extensions:" with nothing behind it
		return map[string]any{}, true
	}
	return v, true
}

// lines returns a member as lines of block style.
func (d *yamlDoc) lines(m Member, indent string) string {
	o, ok := m.Value.(Object)
	switch {
	case ok && len(o) == 0:
		return indent + word(m.Name) + ": {}" + d.eol
	case !ok:
		return indent + word(m.Name) + ": " + value(m.Value) + d.eol
	}
	text := indent + word(m.Name) + ":" + d.eol
	for _, one := range o {
		text += d.lines(one, indent+d.unit)
	}
	return text
}

var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)

// word writes a string without quotes where every reader takes it as one.
func word(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return quote(s)
	}
	if plainWord.MatchString(s) {
		return s
	}
	return quote(s)
}

func value(v any) string {
	if s, ok := v.(string); ok {
		return word(s)
	}
	return scalar(v)
}

func (d *yamlDoc) insert(path []string, m Member) ([]Splice, error) {
	key, in := d.find(path)
	switch {
	case len(path) > 0 && key == nil:
		return d.insert(path[:len(path)-1], Member{path[len(path)-1], Object{m}})
	case len(path) == 0:
		lead, trail := "", true
		if n := len(d.text); n > 0 && d.text[n-1] != '\n' {
			lead, trail = d.eol, false
		}
		indent := ""
		if d.root != nil {
			indent = strings.Repeat(" ", d.root.Column-1)
		}
		text := d.lines(m, indent)
		if !trail {
			text = strings.TrimSuffix(text, d.eol)
		}
		return []Splice{{At: len(d.text), Text: lead + text}}, nil
	}
	indent := strings.Repeat(" ", key.Column-1) + d.unit
	at := d.line(key.Line + 1)
	lead := ""
	if at > 0 && d.text[at-1] != '\n' {
		lead = d.eol
	}
	switch {
	case in.Kind == yaml.MappingNode && in.Style&yaml.FlowStyle == 0:
		indent = strings.Repeat(" ", in.Content[0].Column-1)
	case in.Kind == yaml.MappingNode && len(in.Content) == 0:
		return d.unfold(key, in, lead, d.lines(m, indent))
	case in.Tag == "!!null" && in.Value == "":
	default:
		return nil, &FormError{fmt.Sprintf("%s is no block mapping", strings.Join(path, "."))}
	}
	return []Splice{{At: at, Text: lead + d.lines(m, indent)}}, nil
}

// unfold puts lines in the place of {}.
func (d *yamlDoc) unfold(key, in *yaml.Node, lead, text string) ([]Splice, error) {
	from := d.line(in.Line) + in.Column - 1
	to := from
	for to < len(d.text) && d.text[to] != '}' {
		to++
	}
	if in.Line != key.Line || to == len(d.text) || d.text[from] != '{' || !blank(d.text[from+1:to]) {
		return nil, &FormError{key.Value + " is written in a way that cannot be edited safely"}
	}
	if from > 0 && d.text[from-1] == ' ' {
		from--
	}
	return []Splice{{At: from, Cut: to + 1 - from}, {At: d.line(key.Line + 1), Text: lead + text}}, nil
}

// line returns the offset at which a line begins, from 1.
func (d *yamlDoc) line(n int) int {
	at := 0
	for ; n > 1 && at < len(d.text); n-- {
		at = lineEnd(d.text, at)
	}
	return at
}

// span returns the lines of a member: those below its key that are indented
// more, up to the last that has something in it.
func (d *yamlDoc) span(key *yaml.Node) (from, to int) {
	from = d.line(key.Line)
	to = lineEnd(d.text, from)
	for at := to; at < len(d.text); {
		end := lineEnd(d.text, at)
		text := strings.TrimRight(string(d.text[at:end]), " \t\r\n")
		indent := len(text) - len(strings.TrimLeft(text, " "))
		if text != "" && indent < key.Column {
			break
		}
		if text != "" {
			to = end
		}
		at = end
	}
	return from, to
}

func (d *yamlDoc) own(path []string) (key *yaml.Node, err error) {
	key, _ = d.find(path)
	if key == nil || !blank(d.text[d.line(key.Line):d.line(key.Line)+key.Column-1]) {
		return nil, &FormError{strings.Join(path, ".") + " is written in a way that cannot be edited safely"}
	}
	return key, nil
}

func (d *yamlDoc) replace(path []string, value any) ([]Splice, error) {
	key, err := d.own(path)
	if err != nil {
		return nil, err
	}
	from, to := d.span(key)
	text := d.lines(Member{path[len(path)-1], value}, strings.Repeat(" ", key.Column-1))
	if d.text[to-1] != '\n' {
		text = strings.TrimSuffix(text, d.eol)
	}
	return []Splice{{At: from, Cut: to - from, Text: text}}, nil
}

func (d *yamlDoc) remove(path []string) ([]Splice, error) {
	key, err := d.own(path)
	if err != nil {
		return nil, err
	}
	from, to := d.span(key)
	if d.text[to-1] != '\n' && from > 0 {
		from = len(strings.TrimRight(string(d.text[:from]), "\r\n"))
	}
	if up, in := d.find(path[:len(path)-1]); up != nil && len(in.Content) == 2 { // it was the only one
		at := d.line(up.Line) + up.Column - 1
		for at < len(d.text) && d.text[at] != ':' {
			at++
		}
		return []Splice{{At: from, Cut: to - from}, {At: at + 1, Text: " {}"}}, nil
	}
	return []Splice{{At: from, Cut: to - from}}, nil
}
