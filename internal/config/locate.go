package config

import (
	"fmt"
	"path/filepath"

	"github.com/goccy/go-yaml/ast"
)

// Locate returns only where the database of a configuration is, "" when it does
// not say. The rest of the file is not judged and none of its references is
// followed: whoever manages a server need not be able to read its secrets.
func Locate(path string, o Outside) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", path, err)
	}
	r := &reader{file: path, dir: dir, outside: o, off: map[string]bool{}, source: &source{file: path, at: map[string]place{}}}
	body := r.body(data)
	where := ""
	if body != nil {
		r.each(body, "", func(key string, _, n ast.Node, at string) {
			if key != "store" {
				return
			}
			r.each(n, at, func(key string, _, n ast.Node, at string) {
				if key != "sqlite" {
					return
				}
				if text, ok := r.text(n, at, &setting{key: key, form: formPath}); ok {
					where = r.within(text)
				}
			})
		})
	}
	if len(r.mistakes) > 0 {
		return "", r.mistakes
	}
	return where, nil
}
