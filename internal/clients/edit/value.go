package edit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v3"
)

// decode reads a whole text, as any reader of the format would. A text without
// anything in it is an empty mapping.
func decode(f Format, text []byte) (any, error) {
	var v any
	switch f {
	case JSON:
		if len(bytes.TrimSpace(text)) == 0 {
			return map[string]any{}, nil
		}
		standard, err := hujson.Standardize(bytes.Clone(text))
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(standard))
		d.UseNumber()
		err = d.Decode(&v)
		return v, err
	case TOML:
		m := map[string]any{}
		err := toml.Unmarshal(text, &m)
		return m, err
	case YAML:
		err := yaml.Unmarshal(text, &v)
		if v == nil && err == nil {
			v = map[string]any{}
		}
		return v, err
	}
	return nil, errors.New("edit: unknown format")
}

// plain is a value of ours as decode would return it, numbers aside.
func plain(v any) any {
	switch v := v.(type) {
	case Object:
		m := make(map[string]any, len(v))
		for _, one := range v {
			m[one.Name] = plain(one.Value)
		}
		return m
	case []Object:
		l := make([]any, len(v))
		for i := range v {
			l[i] = plain(v[i])
		}
		return l
	case []string:
		l := make([]any, len(v))
		for i := range v {
			l[i] = v[i]
		}
		return l
	}
	return v
}

// equal compares what decode returns. Not-a-number is as it was.
func equal(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if w, ok := y[k]; !ok || !equal(x[k], w) {
				return false
			}
		}
		return true
	case map[any]any: // of YAML, with a key that is no string
		y, ok := b.(map[any]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			if w, ok := y[k]; !ok || !equal(x[k], w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	if x, ok := a.(float64); ok && math.IsNaN(x) {
		y, ok := b.(float64)
		return ok && math.IsNaN(y)
	}
	if isNumber(a) && isNumber(b) {
		return fmt.Sprint(a) == fmt.Sprint(b)
	}
	return reflect.DeepEqual(a, b)
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, int64, uint64, float64, json.Number:
		return true
	}
	return false
}

// quote writes a string as JSON does, which TOML and YAML read in the same way.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// layout is how a text is laid out.
type layout struct {
	eol  string // the end of a line
	unit string // one step of indentation
}

var indented = regexp.MustCompile(`(?m)^(\t+| +)\S`)

// layoutOf looks at the first line end, and at the first line that is indented.
func layoutOf(text []byte) layout {
	l := layout{"\n", "  "}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		l.eol = "\r\n"
	}
	if m := indented.FindSubmatch(text); m != nil && len(m[1]) <= 8 {
		if l.unit = string(m[1]); l.unit[0] == '\t' {
			l.unit = "\t"
		}
	}
	return l
}

// scalar writes a value on one line, in a way that all three formats read.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case []string:
		words := make([]string, len(v))
		for i := range v {
			words[i] = quote(v[i])
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return "null"
}

// lineStart returns where the line of an offset begins, lineEnd where the next one does.
func lineStart(text []byte, at int) int { return bytes.LastIndexByte(text[:at], '\n') + 1 }

func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

func blank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }
