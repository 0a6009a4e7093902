package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// maxPolicyFiles bounds how many files a policy is made of.
const maxPolicyFiles = 1000

// policies reads the files that policies name, and tells rules where they stand.
func (r *reader) policies(c *Config) {
	r.source.followed = r.dir != ""
	r.policy(&c.Policy, "policy")
	for i := range c.Servers {
		if p := c.Servers[i].Policy; p != nil {
			r.policy(p, serverPath(i)+".policy")
		}
	}
}

func serverPath(i int) string { return fmt.Sprintf("servers[%d]", i) }

func (r *reader) policy(p *Policy, at string) {
	if r.dir != "" { // a text alone is not followed
		read, before := map[string]bool{}, len(r.mistakes)
		for i, pattern := range p.Files {
			r.policyFiles(p, at, fmt.Sprintf("%s.files[%d]", at, i), pattern, read)
		}
		if len(r.mistakes) > before {
			r.source.followed = false // which rules there are is not known
		}
	}
	for i := range p.Rules {
		if place := r.source.at[fmt.Sprintf("%s.rules[%d]", at, i)]; place.line > 0 {
			p.Rules[i].source = fmt.Sprintf("%s:%d", place.in(r.source), place.line)
		}
	}
}

// policyFiles adds the rules of all files of a pattern. One that matches none is
// a mistake: a rule that denies could be what is not found.
func (r *reader) policyFiles(p *Policy, at, path, pattern string, read map[string]bool) {
	wrong := func(format string, args ...any) {
		place := r.source.at[path]
		m := Mistake{Code: codeFile, File: r.file, Line: place.line, Col: place.col, Path: path, Text: path + " " + fmt.Sprintf(format, args...)}
		r.mistakes = append(r.mistakes, m)
	}
	r.source.read(still(pattern)) // a file that is added changes its directory
	files, err := filepath.Glob(pattern)
	files = slices.DeleteFunc(files, func(name string) bool {
		return strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")
	})
	switch {
	case err != nil:
		wrong("%q is not a pattern of files", pattern)
	case len(files) == 0:
		wrong("%q is no file, and matches none", pattern)
	case len(read)+len(files) > maxPolicyFiles:
		wrong("%q makes it more than %d files", pattern, maxPolicyFiles)
	default:
		for _, name := range files {
			if !read[name] {
				read[name] = true
				r.policyFile(p, at, path, name)
			}
		}
	}
}

// still is the part of a pattern before the first star: a directory, or the
// file itself.
func still(pattern string) string {
	if !strings.ContainsAny(pattern, `*?[\`) {
		return pattern
	}
	return filepath.Dir(pattern[:strings.IndexAny(pattern, `*?[\`)] + "x")
}

// policyFile adds the rules of one file. Its mistakes are said with its places.
func (r *reader) policyFile(p *Policy, at, path, name string) {
	r.source.read(name)
	r.source.read(filepath.Dir(name))
	name = r.short(name)
	data, err := readFile(name)
	var wrong Mistakes
	if err != nil && !errors.As(err, &wrong) {
		why := &fs.PathError{}
		if errors.As(err, &why) {
			err = why.Err
		}
		wrong = Mistakes{{Code: codeFile, File: name, Path: path, Text: fmt.Sprintf("%s names a file that cannot be read: %v", path, err)}}
	}
	if wrong != nil {
		r.mistakes = append(r.mistakes, wrong...)
		return
	}
	file := *r
	file.file, file.mistakes = name, nil
	before := r.source.at[at+".rules"]
	r.source.reading = name
	defer func() { r.source.reading, r.source.at[at+".rules"] = "", before }()
	if body := file.body(data); body != nil {
		more := struct{ Rules []Rule }{p.Rules}
		file.object(body, at, fileSettings, reflect.ValueOf(&more).Elem())
		p.Rules = more.Rules
	}
	r.mistakes = append(r.mistakes, file.mistakes...)
}

// ruleFiles are the files of a pattern, without those for policy test.
func ruleFiles(pattern string) ([]string, error) {
	files, err := filepath.Glob(pattern)
	return slices.DeleteFunc(files, func(name string) bool {
		return strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")
	}), err
}

// RuleFiles are the files that Files names, as they are now.
func (p *Policy) RuleFiles() []string {
	var all []string
	for _, pattern := range p.Files {
		files, _ := ruleFiles(pattern) // a wrong pattern was refused when it was read
		all = append(all, files...)
	}
	return all
}

// short names a file below the configuration as people do who name that.
func (r *reader) short(name string) string {
	if rel, err := filepath.Rel(r.dir, name); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.Join(filepath.Dir(r.file), rel)
	}
	return name
}
