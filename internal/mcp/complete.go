package mcp

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Completion is what a completion/complete wants to have completed.
type Completion struct {
	of       Subject
	variable string            // of the template
	known    map[string]string // values that other variables have already
}

// Completion returns what an accepted completion/complete wants.
func (m *Message) Completion() Completion {
	var said struct {
		Params struct {
			Argument struct {
				Name string `json:"name"`
			} `json:"argument"`
			Context struct {
				Arguments map[string]string `json:"arguments"`
			} `json:"context"`
		} `json:"params"`
	}
	c := Completion{of: m.About()[0]}
	if json.Unmarshal(m.Raw, &said) == nil { // else nothing is known of the variables
		c.variable, c.known = said.Params.Argument.Name, said.Params.Context.Arguments
	}
	return c
}

// With returns what the subject becomes with a value for the argument: a prompt
// or a resource stays what it is, a template becomes one of fewer variables, or a
// resource. Servers differ in whether they encode what they fill in, so there may
// be two. RFC 6570 §3.2
func (c Completion) With(value string) []Subject {
	if c.of.Kind != Template {
		return []Subject{c.of}
	}
	raw, encoded := c.fill(value, func(v string) string { return v }), c.fill(value, percent)
	if raw == encoded {
		return []Subject{located(raw)}
	}
	return []Subject{located(raw), located(encoded)}
}

// located says what a template is once variables are filled in.
func located(uri string) Subject {
	if strings.Contains(uri, "{") {
		return Subject{Template, uri}
	}
	return Subject{Resource, uri}
}

// fill puts values where a template has one variable alone; other expressions
// stay as they are.
func (c Completion) fill(value string, encode func(string) string) string {
	var b strings.Builder
	rest := c.of.Name
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		expression, end, closed := strings.Cut(after, "}")
		if !closed {
			return b.String() + "{" + after
		}
		rest = end
		operator, name := "", expression
		if expression != "" && strings.Contains("+#./;?&", expression[:1]) {
			operator, name = expression[:1], expression[1:]
		}
		v, known := c.known[name]
		if name == c.variable {
			v, known = value, true
		}
		if !known {
			b.WriteString("{" + expression + "}")
			continue
		}
		switch operator {
		case "+":
			b.WriteString(v)
		case "#":
			b.WriteString("#" + v)
		case ".", "/":
			b.WriteString(operator + encode(v))
		case ";", "?", "&":
			b.WriteString(operator + name + "=" + encode(v))
		default:
			b.WriteString(encode(v))
		}
	}
}

// percent encodes everything that is not unreserved. RFC 3986 §2.3
func percent(v string) string {
	var b strings.Builder
	for _, c := range []byte(v) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
