package edit

import (
	"bytes"
	"maps"
	"slices"

	"github.com/tailscale/hujson"
)

// List sees to it that a list of mappings, a member of the root of a JSON file,
// has one whose member key is as in want. One that is there already stays as it is.
func List(text []byte, list string, want Object, key string) ([]byte, []Splice, error) {
	body := bytes.TrimPrefix(text, mark)
	d, err := openJSON(body)
	if err != nil {
		return nil, nil, err
	}
	e := editor{format: JSON, text: body}
	before, _ := d.get([]string{list})
	after := []any{plain(want)}
	v := d.find([]string{list})
	if v == nil {
		s, err := d.insert(nil, Member{list, []Object{want}})
		return e.listed(text, list, after, s, err)
	}
	array, ok := v.Value.(*hujson.Array)
	if !ok {
		return nil, nil, &FormError{list + " is no list"}
	}
	old, _ := before.([]any)
	if slices.ContainsFunc(old, func(one any) bool { return member(one, key) == member(plain(want), key) }) {
		return text, nil, nil
	}
	var starts, commas []int
	for i := range array.Elements {
		starts = append(starts, array.Elements[i].StartOffset)
		commas = append(commas, array.Elements[i].EndOffset+len(array.Elements[i].AfterExtra))
	}
	return e.listed(text, list, append(after, old...), []Splice{d.put(v, Member{Value: want}, starts, commas, false)}, nil)
}

// Unlist takes the mapping whose member key has a value out of such a list, and
// the list too when nothing else is in it.
func Unlist(text []byte, list, key, value string) ([]byte, []Splice, error) {
	body := bytes.TrimPrefix(text, mark)
	d, err := openJSON(body)
	if err != nil {
		return nil, nil, err
	}
	e := editor{format: JSON, text: body}
	have, _ := d.get([]string{list})
	old, _ := have.([]any)
	i := slices.IndexFunc(old, func(one any) bool { return member(one, key) == value })
	switch {
	case i < 0:
		return text, nil, nil
	case len(old) == 1:
		s, err := d.remove([]string{list})
		return e.listed(text, list, nil, s, err)
	}
	v := d.find([]string{list})
	array, _ := v.Value.(*hujson.Array) // get returned it as a list
	before := -1
	if i > 0 {
		before = array.Elements[i-1].EndOffset + len(array.Elements[i-1].AfterExtra)
	}
	one := &array.Elements[i]
	last := i == len(array.Elements)-1 && one.AfterExtra == nil
	s := d.take(v, one.StartOffset, one.EndOffset, one.EndOffset+len(one.AfterExtra), last, before)
	return e.listed(text, list, slices.Delete(slices.Clone(old), i, i+1), s, nil)
}

func member(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}

// listed makes the changes, and returns the text if the list is then as wanted
// and all else as before; nil: the list is gone.
func (e *editor) listed(text []byte, list string, want []any, all []Splice, err error) ([]byte, []Splice, error) {
	body := e.text
	if err := e.apply(all, err, step{}); err != nil {
		return nil, nil, err
	}
	before, err := decode(JSON, body)
	if err != nil {
		return nil, nil, err
	}
	m, _ := before.(map[string]any)
	if m = maps.Clone(m); want == nil {
		delete(m, list)
	} else {
		m[list] = want
	}
	if got, err := decode(JSON, e.text); err != nil || !equal(got, any(m)) {
		return nil, nil, errUnsafe
	}
	return e.result(text, body)
}
