package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Setting is one value that is in force, and where it came from.
type Setting struct {
	Path   string `json:"path"`             // such as servers[crm].url: named things by name
	Value  any    `json:"value"`            // text, bool, int or a list of texts; nil: nothing. Secrets are masked
	Origin string `json:"origin"`           // such as "gatehouse.yaml:14" or "default"
	Digest string `json:"digest,omitempty"` // of a secret: tells whether two differ, and too short to guess it by
	at     string // its path with elements by number, as in [Amendment]
}

// Text is the value as one would write it.
func (s Setting) Text() string {
	switch v := s.Value.(type) {
	case nil:
		return "–"
	case []string:
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = scalarText(v[i])
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case []any: // read back from JSON
		list := make([]string, len(v))
		for i := range v {
			list[i] = fmt.Sprint(v[i])
		}
		return Setting{Value: list}.Text()
	case string:
		return scalarText(v)
	}
	return fmt.Sprint(s.Value)
}

// scalarText quotes what would not be read back as it is, even inside brackets.
func scalarText(s string) string {
	if s == "" || s == "true" || s == "false" || s == "null" || strings.ContainsAny(s, "{}[],#&*!|>'\"%@` \\") ||
		strings.Contains(s, ": ") || strings.HasPrefix(s, ":") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "?") {
		return strconv.Quote(s)
	}
	return s
}

// Settings are all that is in force, in the order of the reference.
func (c *Config) Settings() []Setting {
	w := &lister{source: c.source}
	w.walk(root, reflect.ValueOf(c).Elem(), "", "")
	return w.all
}

// Hash names the configuration in force, like a41f0c22. Of a secret only a
// digest of sixteen bits is in it, so it tells nothing about one.
func (c *Config) Hash() string {
	h := sha256.New()
	for _, s := range c.Settings() {
		_, _ = fmt.Fprintf(h, "%q=%q%q\n", s.Path, s.Text(), s.Digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// lister gathers settings. It walks two paths: one as the file counts, one as
// people name.
type lister struct {
	source *source
	all    []Setting
}

func (w *lister) walk(settings []setting, owner reflect.Value, path, shown string) {
	for i := range settings {
		s := &settings[i]
		if s.planned || s.field == "" && s.within == nil {
			continue
		}
		at, name := joined(path, s.key), joined(shown, s.key)
		if s.field == "" {
			w.walk(s.within, owner, at, name)
			continue
		}
		if w.source != nil && s.also != "" {
			if other := joined(path, s.also); w.source.at[other].asked {
				at = other
			}
		}
		if s.entry {
			if v := owner.FieldByName(s.field).MapIndex(reflect.ValueOf(s.key)); v.IsValid() {
				w.scalar(v, at, name)
			}
			continue
		}
		w.value(s, owner.FieldByName(s.field), at, name)
	}
}

func joined(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

func (w *lister) value(s *setting, v reflect.Value, path, shown string) {
	switch t := v.Type(); {
	case t.Kind() == reflect.Pointer && v.IsNil():
		w.emit(path, shown, nil, "")
	case t.Kind() == reflect.Pointer:
		w.walk(s.within, v.Elem(), path, shown)
	case s.named:
		for i := range v.Len() {
			one := v.Index(i)
			w.walk(s.within, one, joined(path, one.FieldByName("Name").String()), joined(shown, one.FieldByName("Name").String()))
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && s.within != nil:
		for i := range v.Len() {
			w.walk(s.within, v.Index(i), fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%s[%s]", shown, label(v, i)))
		}
	case t == ratesType:
		for i := range v.Len() {
			r, _ := v.Index(i).Interface().(ToolRate)
			w.emit(joined(path, r.Tools), joined(shown, r.Tools), r.Rate.String(), "")
		}
	case t.Kind() == reflect.Slice:
		w.list(v, path, shown)
	case t.Kind() == reflect.Map:
		w.table(s, v, path, shown)
	case t.Kind() == reflect.Struct && s.within != nil:
		w.walk(s.within, v, path, shown)
	default:
		w.scalar(v, path, shown)
	}
}

// label is an element's name, unless others share it.
func label(list reflect.Value, i int) string {
	nameOf := func(i int) string {
		if f := list.Index(i).FieldByName("Name"); f.IsValid() {
			return f.String()
		}
		return ""
	}
	name := nameOf(i)
	for j := range list.Len() {
		if name == "" || j != i && nameOf(j) == name {
			return strconv.Itoa(i)
		}
	}
	return name
}

func (w *lister) list(v reflect.Value, path, shown string) {
	if v.Len() == 0 {
		w.emit(path, shown, nil, "")
		return
	}
	texts := make([]string, v.Len())
	secret := ""
	for i := range texts {
		texts[i] = fmt.Sprint(v.Index(i).Interface())
		if w.hidden(fmt.Sprintf("%s[%d]", path, i)) {
			secret += texts[i] + "\x00"
			texts[i] = masked
		}
	}
	w.emit(path, shown, texts, secret)
}

func (w *lister) table(s *setting, v reflect.Value, path, shown string) {
	m := map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		m[k.String()] = v.MapIndex(k)
	}
	for _, k := range names(m) {
		switch at, name := joined(path, k), joined(shown, k); {
		case s.within != nil:
			w.walk(s.within, m[k], at, name)
		case m[k].Kind() == reflect.Map:
			w.table(s, m[k], at, name)
		default:
			w.scalar(m[k], at, name)
		}
	}
}

func (w *lister) scalar(v reflect.Value, path, shown string) {
	switch x := v.Interface().(type) {
	case string:
		w.text(path, shown, x, w.hidden(path))
	case Secret:
		w.text(path, shown, x.Reveal(), true)
	case int64:
		w.emit(path, shown, unit.FormatBytes(x), "")
	case time.Duration:
		w.emit(path, shown, unit.FormatDuration(x), "")
	case unit.Rate:
		w.emit(path, shown, x.String(), "")
	case netip.Prefix:
		w.emit(path, shown, x.String(), "")
	default: // bool and int
		w.emit(path, shown, x, "")
	}
}

func (w *lister) text(path, shown, text string, secret bool) {
	switch {
	case text == "":
		w.emit(path, shown, nil, "")
	case secret:
		w.emit(path, shown, masked, text)
	default:
		w.emit(path, shown, text, "")
	}
}

func (w *lister) hidden(path string) bool { return w.source != nil && w.source.at[path].hidden }

func (w *lister) emit(path, shown string, value any, secret string) {
	s := Setting{Path: shown, Value: value, Origin: w.origin(path), at: path}
	if secret != "" {
		sum := sha256.Sum256([]byte("gatehouse setting\x00" + path + "\x00" + secret))
		s.Digest = hex.EncodeToString(sum[:2])
	}
	w.all = append(w.all, s)
}

// origin says where a value came from.
func (w *lister) origin(path string) string {
	if w.source == nil {
		return "given"
	}
	p := w.source.at[path]
	if p.line == 0 {
		return w.source.filledBy(path)
	}
	text := fmt.Sprintf("%s:%d", p.in(w.source), p.line)
	from := p.from
	for i := 0; w.source.at[fmt.Sprintf("%s[%d]", path, i)].line > 0; i++ {
		if f := w.source.at[fmt.Sprintf("%s[%d]", path, i)].from; f != "" {
			from = strings.TrimPrefix(from+" and "+f, " and ")
		}
	}
	if from != "" {
		text += ", " + from
	}
	return text
}

// Change is a difference between two configurations.
type Change struct {
	Sign     string // "+", "-" or "~"
	Path     string
	Old, New *Setting // nil: it was not there
}

// String is a line for people.
func (c Change) String() string {
	switch {
	case c.Old == nil:
		return "+ " + c.Path + ": " + c.New.Text()
	case c.New == nil:
		return "- " + c.Path + ": " + c.Old.Text()
	case c.Old.Text() == c.New.Text():
		return "~ " + c.Path + ": another secret"
	}
	return "~ " + c.Path + ": " + c.Old.Text() + " → " + c.New.Text()
}

// Diff compares what is in force, whatever it came from.
func Diff(before, after []Setting) []Change {
	index := map[string]*Setting{}
	for i := range before {
		index[before[i].Path] = &before[i]
	}
	var all []Change
	for i := range after {
		n := &after[i]
		o := index[n.Path]
		delete(index, n.Path)
		switch {
		case (o == nil || o.Value == nil) && n.Value == nil:
		case o == nil || o.Value == nil:
			all = append(all, Change{Sign: "+", Path: n.Path, New: n})
		case n.Value == nil:
			all = append(all, Change{Sign: "-", Path: n.Path, Old: o})
		case o.Text() != n.Text() || o.Digest != n.Digest:
			all = append(all, Change{Sign: "~", Path: n.Path, Old: o, New: n})
		}
	}
	for i := range before {
		if o := index[before[i].Path]; o != nil && o.Value != nil {
			all = append(all, Change{Sign: "-", Path: o.Path, Old: o})
		}
	}
	return all
}
