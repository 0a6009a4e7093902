package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// reader walks a parsed file and collects every mistake, so that a file is
// mended in one go. It knows nothing of what a setting means.
type reader struct {
	file     string
	lookup   func(string) (string, bool)
	mistakes Mistakes
}

// fields are the keys of an object and what reads each.
type fields map[string]func(n ast.Node, path string)

var (
	reference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	apiKey    = regexp.MustCompile(`\bgth[kraci]_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b`)
)

// planned are settings of the documented format that this version lacks. They
// are refused like unknown ones, but a reader who knows them is not told that
// they are misspelt.
var planned = map[string][]string{
	"":                {"mode", "tenants", "scopes", "limits", "cache", "audit", "observability", "admin"},
	"server":          {"public_url", "tls", "trusted_proxies", "shutdown_grace"},
	"servers[]":       {"forward", "pin"},
	"servers[].stdio": {"secrets", "sandbox"},
	"auth":            {"issuers", "embedded", "local"},
	"auth.api_keys":   {"enabled", "allow_tenantless", "max_per_tenant", "default_ttl", "rotation_overlap", "last_used"},
	"policy":          {"rules", "files", "tool_pinning"},
	"store":           {"postgres", "migrate", "encryption_key"},
}

var index = regexp.MustCompile(`\[\d+\]`)

// fail notes a mistake at a node; nil is the file as a whole.
func (r *reader) fail(n ast.Node, path, format string, args ...any) {
	m := Mistake{Code: "GH-2001", File: r.file, Text: strings.TrimSpace(path + " " + fmt.Sprintf(format, args...))}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		m.Line, m.Col = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	r.mistakes = append(r.mistakes, m)
}

// each calls do for every entry of a mapping. A key twice is a mistake: which
// one wins is not a question for a file about access.
func (r *reader) each(n ast.Node, path string, do func(key string, n ast.Node, path string)) {
	m, ok := n.(ast.MapNode)
	if !ok || n.Type() == ast.AnchorType || n.Type() == ast.AliasType || n.Type() == ast.TagType {
		r.fail(n, path, "needs to be a mapping, as in {key: value}")
		return
	}
	seen := map[string]bool{}
	for entries := m.MapRange(); entries.Next(); {
		k, ok := entries.Key().(*ast.StringNode)
		if !ok {
			r.fail(entries.Key(), path, "has a key that is not a plain word")
			continue
		}
		at := strings.TrimPrefix(path+"."+k.Value, ".")
		if seen[k.Value] {
			r.fail(k, at, "appears twice")
			continue
		}
		seen[k.Value] = true
		do(k.Value, entries.Value(), at)
	}
}

// object reads a mapping with known keys and returns those that were there.
func (r *reader) object(n ast.Node, path string, known fields) map[string]bool {
	present := map[string]bool{}
	if n == nil || n.Type() == ast.NullType {
		r.fail(n, path, "has no value; say {} to take the defaults")
		return present
	}
	r.each(n, path, func(key string, value ast.Node, at string) {
		read := known[key]
		if read == nil {
			r.unknown(value, path, key, known)
			return
		}
		present[key] = true
		read(value, at)
	})
	return present
}

func (r *reader) unknown(n ast.Node, path, key string, known fields) {
	where := ""
	if path != "" {
		where = " under " + path
	}
	if slices.Contains(planned[index.ReplaceAllString(path, "[]")], key) {
		r.fail(n, "", "%q%s is not available in this version of gatehouse; remove it, it would not be obeyed", key, where)
		return
	}
	hint := ""
	if c := closest(key, slices.Sorted(maps.Keys(known))); c != "" {
		hint = fmt.Sprintf(". Did you mean %q?", c)
	}
	r.fail(n, "", "unknown key %q%s%s", key, where, hint)
}

// list calls do for each element of a sequence.
func (r *reader) list(n ast.Node, path string, do func(n ast.Node, path string)) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, path, "needs to be a list, as in [one, two]")
		return
	}
	for i, v := range s.Values {
		do(v, fmt.Sprintf("%s[%d]", path, i))
	}
}

// text returns a scalar as it is written, so that a port, a flag or a version
// need no quotes. Anything else is a mistake and returns "".
func (r *reader) text(n ast.Node, path string) string {
	s, ok := r.scalar(n, path)
	if ok && strings.Contains(s, "${") {
		r.fail(n, path, "names a variable; this version takes variables only as the whole value of an entry of env")
		return ""
	}
	return s
}

// checked is text that a rule must hold for.
func (r *reader) checked(n ast.Node, path string, rule func(string) error) string {
	s := r.text(n, path)
	if s == "" {
		return ""
	}
	if err := rule(s); err != nil {
		r.fail(n, path, "%v", err)
		r.mistakes[len(r.mistakes)-1].Code = mistakeOf("", err).Code
		return ""
	}
	return s
}

// expanded is text, or the variable that "${NAME}" names.
func (r *reader) expanded(n ast.Node, path string) string {
	s, ok := r.scalar(n, path)
	if !ok {
		return ""
	}
	m := reference.FindStringSubmatch(s)
	if m == nil {
		if strings.Contains(s, "${") {
			r.fail(n, path, "may be ${NAME} and nothing else, or plain text")
		}
		return s
	}
	if r.lookup != nil {
		if v, ok := r.lookup(m[1]); ok {
			return v
		}
	}
	r.fail(n, path, "names the variable %s, which is not set", m[1])
	return ""
}

func (r *reader) scalar(n ast.Node, path string) (string, bool) {
	var s string
	switch v := n.(type) {
	case *ast.StringNode:
		s = v.Value
	case *ast.LiteralNode:
		s = v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s = n.GetToken().Value
	case nil, *ast.NullNode:
		r.fail(n, path, "has no value")
		return "", false
	default:
		r.fail(n, path, "needs to be plain text; anchors, tags and nested values have no meaning here")
		return "", false
	}
	if apiKey.MatchString(s) {
		r.fail(n, path, "holds a gatehouse key. A file is copied and committed: revoke the key and pass secrets as ${NAME}")
		return "", false
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c == 0 || c == '\n' || c == '\r' }) {
		r.fail(n, path, "contains a line break or NUL")
		return "", false
	}
	return s, true
}
