package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Reference is docs/reference/config.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for i := range root {
		s := &root[i]
		if s.planned || s.within == nil {
			continue
		}
		_, _ = fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| setting | written as | default | meaning |\n|---|---|---|---|\n", s.key, s.doc)
		path, within := s.key, fieldType(s, reflect.TypeFor[Config]())
		switch {
		case s.named:
			path, within = path+".NAME", within.Elem()
		case within.Kind() == reflect.Slice:
			path, within = path+"[]", within.Elem()
		}
		referenceRows(&b, s.within, within, path)
	}
	b.WriteString("\n## Not in this version\n\nThese settings of the format are refused by name, because they would not be obeyed.\n\n")
	plannedRows(&b, root, "")
	return b.String()
}

func referenceRows(b *strings.Builder, settings []setting, owner reflect.Type, path string) {
	for i := range settings {
		s := &settings[i]
		if s.planned {
			continue
		}
		t, at := fieldType(s, owner), path+"."+s.key
		def := "–"
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		if s.need {
			def = "required"
		}
		_, _ = fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", at, strings.ReplaceAll(s.written(t), "|", `\|`), def, strings.ReplaceAll(s.doc, "|", `\|`))
		if s.within == nil {
			continue
		}
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Slice:
			at, t = at+"[]", t.Elem()
		case reflect.Map:
			at, t = at+".NAME", t.Elem()
		default:
		}
		referenceRows(b, s.within, t, at)
	}
}

func plannedRows(b *strings.Builder, settings []setting, path string) {
	for i := range settings {
		s := &settings[i]
		if s.planned {
			_, _ = fmt.Fprintf(b, "- `%s`\n", joined(path, s.key))
		}
		for _, v := range s.other {
			_, _ = fmt.Fprintf(b, "- `%s: %s`\n", joined(path, s.key), v)
		}
		at := joined(path, s.key)
		if s.key == "servers" || s.key == "rules" {
			at += "[]"
		}
		plannedRows(b, s.within, at)
	}
}

// written says how a value is written.
func (s *setting) written(t reflect.Type) string {
	switch {
	case t == ratesType:
		return "rates by pattern"
	case s.entry:
		t = t.Elem()
	case t.Kind() == reflect.Slice && s.within != nil:
		return s.orOne("section", "list of sections", "list of them")
	case t.Kind() == reflect.Slice:
		one := s.written(t.Elem())
		return s.orOne(one, "list of "+one, "list of it")
	case t.Kind() == reflect.Map && s.within != nil:
		return "sections by name"
	case t.Kind() == reflect.Map:
		return s.written(t.Elem()) + " by name"
	case s.within != nil && s.short != "":
		inner := find(s.within, s.short)
		return "section, or " + inner.written(fieldType(inner, t))
	case s.within != nil:
		return "section"
	}
	switch {
	case s.form == formSecret:
		return "reference"
	case s.form == formPartial:
		return "text with a reference"
	case s.one != nil:
		return "`" + strings.Join(s.one, "` or `") + "`"
	case s.form == formPath:
		return "path"
	case s.form == formAddress:
		return "address"
	}
	switch t {
	case reflect.TypeFor[bool]():
		return "`true` or `false`"
	case reflect.TypeFor[int64]():
		return "size"
	case reflect.TypeFor[int]():
		return "number"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[unit.Rate]():
		return "rate"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	}
	return "text"
}

// orOne says of a list whether it may also be one element.
func (s *setting) orOne(one, list, short string) string {
	if s.single {
		return one + ", or " + short
	}
	return list
}

const referenceHead = `# The configuration file

Every setting of ` + "`gatehouse.yaml`" + `, written by ` + "`go test ./internal/config -run Published -update`" + ` from the table that the
reader uses; a test compares. Editors complete and check the file by [its schema](../schema/v1.json):

` + "```yaml" + `
# yaml-language-server: $schema=` + SchemaID + `
version: 1
` + "```" + `

A file is strict: an unknown key, a wrong type, an empty list and a section without a value are mistakes, and all of
them are said at once, with their places. ` + "`gatehouse config validate`" + ` says them without starting anything. Paths are relative
to the file; ` + "`~/`" + ` is the home directory. The file may be written by nobody but its owner.

**Written as.** *Size*: ` + "`512KiB`, `4MiB`" + ` or a number of bytes. *Duration*: ` + "`30s`, `90m`, `24h`, `7d`, `2w`" + `. *Rate*: ` + "`10/s`, `60/min`," + `
` + "`1000/h`, `5/d`" + ` or ` + "`off`" + `. *Address*: ` + "`host:port`" + `; a port alone is one on 127.0.0.1. *Network*: ` + "`10.0.0.0/8`" + ` or one address.

**References** stand for a value, or for a part of one, and are never looked at again:

| reference | stands for |
|---|---|
| ` + "`${NAME}`" + ` | a variable of the environment; not set is a mistake |
| ` + "`${NAME:?why}`" + ` | the same, and *why* is said when it is not set or empty |
| ` + "`${file:/path}`" + ` | the text of a file that only we or root own and may read, less one line end. A name without ` + "`/`" + ` in front is looked for in systemd's ` + "`$CREDENTIALS_DIRECTORY`" + ` when there is one, else beside the file |
| ` + "`${cmd:program and arguments}`" + ` | what a program says. No shell; words are split at spaces and ` + "`'…'` or `\"…\"`" + ` is one; it gets PATH, HOME, LANG and TZ of our environment, 10 s and 64 KiB |
| ` + "`$$`" + ` | a dollar |

Inside ` + "`{ }` and `[ ]`" + ` a reference needs quotes. A secret has to be a reference, and is shown nowhere: a file is copied,
mailed and committed. So has a variable of a child whose name looks like one (` + "`…_TOKEN`, `…_KEY`, `…_SECRET`, `…PASSWORD…`" + `).
`
