package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds what is parsed, in bytes: a configuration is a page of text.
const maxFile = 1 << 20

// Load reads a file. lookup finds the variables that it names (os.LookupEnv);
// nil knows none. A wrong file is Mistakes, all of them at once; what a file
// says about relative paths is relative to the file.
//
// A file may be sound and yet not enough to serve: see Config.Check.
func Load(path string, lookup func(string) (string, bool)) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, data, lookup)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", path, err)
	}
	c.Store.SQLite = within(dir, c.Store.SQLite)
	for _, u := range c.Servers {
		if u.Stdio != nil {
			u.Stdio.Cwd = within(dir, u.Stdio.Cwd)
		}
	}
	return c, nil
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Parse reads the text of a file; name is what mistakes call it.
func Parse(name string, data []byte, lookup func(string) (string, bool)) (*Config, error) {
	r := &reader{file: name, lookup: lookup}
	if len(data) > maxFile {
		r.fail(nil, "", "is larger than 1 MiB")
		return nil, r.mistakes
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.syntax(err)
		return nil, r.mistakes
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.NullType {
			bodies = append(bodies, d.Body)
		}
	}
	c := &Config{}
	switch {
	case len(bodies) == 0:
		r.fail(nil, "", "is empty")
	case len(bodies) > 1:
		// A decoder would read the first and drop the rest without a word.
		r.fail(bodies[1], "", "a second document begins here; one file is one configuration")
	default:
		r.config(bodies[0], c)
	}
	if len(r.mistakes) > 0 {
		slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
		})
		return nil, r.mistakes
	}
	return c, nil
}

// syntax keeps the parser's sentence and place, not its picture of the file:
// that would repeat lines which may hold secrets.
func (r *reader) syntax(err error) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		r.fail(nil, "", "is not YAML")
		return
	}
	p := at.GetToken().Position
	r.mistakes = append(r.mistakes, Mistake{Code: "GH-2001", File: r.file, Line: p.Line, Col: p.Column, Text: at.GetMessage()})
}

// config reads the whole document.
func (r *reader) config(n ast.Node, c *Config) {
	present := r.object(n, "", fields{
		"version": func(n ast.Node, path string) {
			if v := r.text(n, path); v != "" && v != "1" {
				r.fail(n, path, `is %q; this gatehouse reads version 1`, v)
			}
		},
		"server": func(n ast.Node, path string) {
			r.object(n, path, fields{
				"listen": func(n ast.Node, path string) {
					c.Server.Listen = r.checked(n, path, func(s string) error { return CheckListen(s, "") })
				},
			})
		},
		"servers": func(n ast.Node, path string) {
			r.list(n, path, func(n ast.Node, path string) { c.Servers = append(c.Servers, r.upstream(n, path)) })
			if len(c.Servers) > 1 {
				r.fail(n, path, "lists %d servers; this version protects one", len(c.Servers))
			}
		},
		"auth": func(n ast.Node, path string) {
			r.object(n, path, fields{"api_keys": func(n ast.Node, path string) {
				r.object(n, path, fields{})
				c.Auth.APIKeys = &APIKeys{}
			}})
		},
		"policy": func(n ast.Node, path string) {
			r.object(n, path, fields{"default": func(n ast.Node, path string) {
				if r.allow(n, path) {
					c.Policy.Default = Allow
				}
			}})
		},
		"store": func(n ast.Node, path string) {
			r.object(n, path, fields{"sqlite": func(n ast.Node, path string) { c.Store.SQLite = r.text(n, path) }})
		},
	})
	if !present["version"] {
		r.fail(n, "version", `is missing. Begin the file with "version: 1"`)
	}
}

// allow reads policy.default. "deny" belongs to rules, which do not exist yet:
// taking it would make a server that refuses everybody.
func (r *reader) allow(n ast.Node, path string) bool {
	switch v := r.text(n, path); v {
	case "allow":
		return true
	case "deny":
		r.fail(n, path, "deny needs policy.rules, which this version does not have")
	case "":
	default:
		r.fail(n, path, "%q is not allow", v)
	}
	return false
}

// upstream reads one element of servers.
func (r *reader) upstream(n ast.Node, path string) Upstream {
	u := Upstream{}
	before := len(r.mistakes)
	r.object(n, path, fields{
		"name": func(n ast.Node, path string) { u.Name = r.text(n, path) },
		"path": func(n ast.Node, path string) { u.Path = r.checked(n, path, CheckPath) },
		"url":  func(n ast.Node, path string) { u.URL = r.checked(n, path, CheckUpstreamURL) },
		"stdio": func(n ast.Node, path string) {
			u.Stdio = &Stdio{}
			r.stdio(n, path, u.Stdio)
		},
	})
	if len(r.mistakes) > before {
		return u // judging the rest of a server that was not understood would mislead
	}
	for field, err := range u.check() {
		r.fail(n, path+field, "%v", err)
	}
	return u
}

func (r *reader) stdio(n ast.Node, path string, s *Stdio) {
	r.object(n, path, fields{
		"command": func(n ast.Node, path string) {
			r.list(n, path, func(n ast.Node, path string) { s.Command = append(s.Command, r.text(n, path)) })
		},
		"cwd":  func(n ast.Node, path string) { s.Cwd = r.text(n, path) },
		"user": func(n ast.Node, path string) { s.User = r.text(n, path) },
		"env": func(n ast.Node, path string) {
			s.Env = map[string]string{}
			r.each(n, path, func(name string, n ast.Node, path string) {
				if !variableName.MatchString(name) {
					r.fail(n, path, "is not the name of a variable")
				}
				s.Env[name] = r.expanded(n, path)
			})
		},
	})
}
