package mcp

import "bytes"

// FilterTools takes out of a response the tools that are not allowed, keeps the
// others in order and byte by byte, and makes the result private to its
// reader: a shared cache must not hand one caller's list to another. MCP
// 2026-07-28, caching. A message whose result has no "tools" comes back itself.
//
// Whatever is not exactly one message or has tools of another shape is an error
// that wraps [ErrUnreadable]; a tool without a name is left out.
func FilterTools(message []byte, allowed func(tool string) bool) ([]byte, error) {
	r := open(message)
	defer r.close()
	f := filter{allowed: allowed}
	if _, err := r.mustObject(func(name []byte) error { return f.message(r, name) }); err != nil {
		return nil, unreadable(r.settle(err))
	}
	if err := r.end(); err != nil {
		return nil, unreadable(r.settle(err))
	}
	if !f.list.some() {
		return message, nil
	}
	cuts := make([]cut, 0, 2)
	if f.dropped {
		cuts = append(cuts, cut{f.list, f.kept(message)})
	}
	if f.scope.some() && string(f.scope.of(message)) != `"private"` {
		cuts = append(cuts, cut{f.scope, []byte(`"private"`)})
	}
	return splice(message, 0, cuts), nil
}

// filter is what is found while a response is read.
type filter struct {
	allowed func(string) bool
	list    span   // between the brackets of result.tools
	runs    []span // of it, what stays: neighbours with what is between them
	dropped bool   // whether something does not stay
	joined  bool   // whether the last tool read stays
	scope   span   // result.cacheScope
}

// kept returns the tools that stay.
func (f *filter) kept(message []byte) []byte {
	parts := make([][]byte, len(f.runs))
	for i, run := range f.runs {
		parts[i] = run.of(message)
	}
	return bytes.Join(parts, []byte(","))
}

func (f *filter) message(r *reader, name []byte) (err error) {
	switch string(name) {
	case "result":
		_, err = r.object(func(name []byte) error { return f.result(r, name) })
		return err
	case "jsonrpc", "id", "method", "params", "error":
		_, err = r.value()
		return err
	}
	return r.other(name, inEnvelope)
}

func (f *filter) result(r *reader, name []byte) (err error) {
	switch string(name) {
	case "tools":
		kind := r.at()
		if f.list, err = r.array(func() error { return f.tool(r) }); err != nil || kind == '[' {
			return err
		}
		if f.list = (span{}); kind != 'n' {
			return refuse(CodeInvalidRequest, "The tools of a result must be an array.")
		}
		return nil
	case "cacheScope":
		f.scope, err = r.value()
		return err
	}
	return r.other(name, inResult)
}

// tool reads one tool and decides about it. One without a name that all readers
// agree on stays out.
func (f *filter) tool(r *reader) error {
	name, unsure := "", false
	at, err := r.object(func(member []byte) error {
		v, err := r.value()
		switch {
		case err != nil:
			return err
		case string(member) == "name" && isString(r.body, v):
			name = string(text(v.of(r.body)))
		case lookalike(member, inTool):
			unsure = true
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case name == "" || unsure || !f.allowed(name):
		f.dropped, f.joined = true, false
	case f.joined:
		f.runs[len(f.runs)-1].to = at.to
	default:
		f.runs, f.joined = append(f.runs, at), true
	}
	return nil
}
