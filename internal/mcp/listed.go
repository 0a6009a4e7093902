package mcp

import "bytes"

// offer is what the elements of a list are.
type offer struct {
	kind   Primitive // zero: tasks
	member string    // that names one
	place  place     // of its members
}

// listing is a list under way.
type listing struct {
	offer
	runs    []run // what stays: neighbours with what is between them
	dropped bool  // whether something does not stay, or not as it was
	joined  bool  // whether the last element read stays, as it was
}

// A run is a part of a list that stays.
type run struct {
	span
	swap cut // in it; none: the zero cut
}

// list reads a list of what a server offers, and decides about each element.
func (v *view) list(r *reader, o offer) error {
	l := listing{offer: o}
	kind := r.at()
	at, err := r.array(func() error { return v.element(r, &l) })
	switch {
	case err != nil:
		return err
	case kind != '[' && kind != 'n':
		return refuse(CodeInvalidRequest, "What a result lists must be an array.")
	case kind == 'n':
		return nil
	}
	v.cacheable = v.cacheable || o.kind != 0
	if l.dropped {
		v.cuts = append(v.cuts, cut{at, l.kept(r.body)})
	}
	return nil
}

// kept returns the elements that stay.
func (l *listing) kept(body []byte) []byte {
	parts := make([][]byte, len(l.runs))
	for i, one := range l.runs {
		parts[i] = one.of(body)
		if one.swap.at.some() {
			parts[i] = splice(parts[i], one.from, []cut{one.swap})
		}
	}
	return bytes.Join(parts, []byte(","))
}

// element reads one element of a list. One without a name that all readers agree
// on stays out.
func (v *view) element(r *reader, l *listing) error {
	name, named, unsure := "", span{}, false
	at, err := r.object(func(member []byte) error {
		value, err := r.value()
		switch {
		case err != nil:
			return err
		case string(member) == l.member && isString(r.body, value):
			name, named = string(text(value.of(r.body))), value
		case string(member) != l.member && lookalike(member, l.place):
			unsure = true
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case name == "" || unsure:
		l.dropped, l.joined = true, false
		return nil
	case l.kind == 0:
		v.listed(l, at, named, name)
		return nil
	}
	good := l.kind != Tool || v.f.Saw == nil || v.f.Saw(name, at.of(r.body))
	switch {
	case !good || !v.f.Shown(l.kind, name):
		l.dropped, l.joined = true, false
	case l.joined:
		l.runs[len(l.runs)-1].to = at.to
	default:
		l.runs, l.joined = append(l.runs, run{span: at}), true
	}
	return nil
}

// listed decides about a task, of which a list says nothing but that it is there.
func (v *view) listed(l *listing, at, named span, id string) {
	handle, ok := v.f.task(id, false)
	l.joined, l.dropped = false, true
	if ok {
		l.runs = append(l.runs, run{at, cut{named, quoted(handle)}})
	}
}

// completion reads the value of one member of what completes an argument.
func (v *view) completion(r *reader, name []byte) (err error) {
	switch string(name) {
	case "total":
		v.total, err = r.value()
		return err
	case "values":
	default:
		return r.other(name, inCompletion)
	}
	var n names
	if err := r.names(&n); err != nil {
		return err
	}
	v.values = v.keep(r.body, &n, func(value string) (string, bool) {
		return value, v.f.Completes != nil && v.f.Completes(value)
	})
	return nil
}
