package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Settings that Locate and Has find.
const (
	SettingDatabase  = "store.sqlite"
	SettingAuditFile = "audit.file"
	SettingKeys      = "auth.api_keys"
)

// Locate returns only where a configuration has its database or its audit trail,
// "" when it does not say. The rest of the file is not judged and none of its
// references is followed: whoever manages a server need not be able to read its
// secrets.
func Locate(path, wanted string, o Outside) (string, error) {
	where := ""
	err := look(path, wanted, o, func(r *reader, key string, n ast.Node, at string) {
		if text, ok := r.text(n, at, &setting{key: key, form: formPath}); ok {
			where = r.within(text)
		}
	})
	if err != nil {
		return "", err
	}
	return where, nil
}

// Has says whether a configuration has a setting, such as auth.api_keys, whatever
// it says there. It judges and follows as little as Locate does.
func Has(path, wanted string, o Outside) (has bool, err error) {
	err = look(path, wanted, o, func(*reader, string, ast.Node, string) { has = true })
	return has && err == nil, err
}

// look hands over one setting of a section, if it is there.
func look(path, wanted string, o Outside, found func(r *reader, key string, n ast.Node, at string)) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("resolve %s: %w", path, err)
	}
	r := &reader{file: path, dir: dir, outside: o, off: map[string]bool{}, source: &source{file: path, at: map[string]place{}}}
	section, name, _ := strings.Cut(wanted, ".")
	if body := r.body(data); body != nil {
		r.each(body, "", func(key string, _, n ast.Node, at string) {
			if key != section {
				return
			}
			r.each(n, at, func(key string, _, n ast.Node, at string) {
				if key == name {
					found(r, key, n, at)
				}
			})
		})
	}
	if len(r.mistakes) > 0 {
		return r.mistakes
	}
	return nil
}
