package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Settings that Locate finds.
const (
	SettingDatabase  = "store.sqlite"
	SettingAuditFile = "audit.file"
)

// Locate returns only where a configuration has its database or its audit trail,
// "" when it does not say. The rest of the file is not judged and none of its
// references is followed: whoever manages a server need not be able to read its
// secrets.
func Locate(path, wanted string, o Outside) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", path, err)
	}
	r := &reader{file: path, dir: dir, outside: o, off: map[string]bool{}, source: &source{file: path, at: map[string]place{}}}
	section, name, _ := strings.Cut(wanted, ".")
	where := ""
	if body := r.body(data); body != nil {
		r.each(body, "", func(key string, _, n ast.Node, at string) {
			if key != section {
				return
			}
			r.each(n, at, func(key string, _, n ast.Node, at string) {
				if key != name {
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
