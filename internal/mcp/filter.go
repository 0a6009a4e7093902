package mcp

import (
	"bytes"
	"strconv"
)

// Filter says what of a server's messages one caller may see. It is asked while
// a message is read; nil fields other than Shown leave alone what they are about.
type Filter struct {
	// Shown says whether the caller may see a thing. Required.
	Shown func(kind Primitive, name string) bool
	// Saw is told of every tool in a list, whether it is shown or not, as the server
	// describes it, and says whether anybody may see it like that.
	Saw func(tool string, definition []byte) bool
	// Completes says whether the caller may see a value that completes an argument;
	// nil: none of them.
	Completes func(value string) bool
	// Cursor returns the handle under which the caller gets a cursor.
	Cursor func(cursor string) (handle string)
	// Task returns the handle under which the caller gets the id of a task. answer
	// says that it stands in the answer to the caller's own request: then the task
	// is theirs. Otherwise false says that it is not.
	Task func(id string, answer bool) (handle string, ok bool)
	// Private has results that may be cached say so, even if they say nothing:
	// without a word they count as public. MCP 2026-07-28, caching
	Private bool
}

// unknownTask stands for the id of somebody else's task that a message is only
// related to.
const unknownTask = "unknown"

// Message takes out of a message what the caller may not see, and keeps the rest
// in order and byte by byte: what is left out of lists of tools, prompts,
// resources, templates and tasks leaves no trace but a shorter list. It makes
// what may be cached private to its reader: a shared cache must not hand one
// caller's list to another. MCP 2026-07-28, caching. Cursors and ids of tasks
// become handles. A message that needs no change comes back itself.
//
// ok is false when the whole message is not for the caller: news of a resource or
// a task that they may not see. What is not exactly one message, or has lists of
// another shape, is an error that wraps [ErrUnreadable]; what has no name that
// all readers agree on is left out.
func (f *Filter) Message(message []byte) (out []byte, ok bool, err error) {
	r := open(message)
	defer r.close()
	v := view{f: f, values: -1}
	if _, err := r.mustObject(func(name []byte) error { return v.message(r, name) }); err != nil {
		return nil, false, unreadable(r.settle(err))
	}
	if err := r.end(); err != nil {
		return nil, false, unreadable(r.settle(err))
	}
	if v.method.some() {
		ok = v.news(message)
	} else {
		ok = true
		v.answers(message)
	}
	if !ok {
		return nil, false, nil
	}
	return splice(message, 0, v.cuts), true, nil
}

// view is what is found while a message is read.
type view struct {
	f      *Filter
	p      parts // of params and _meta
	method span

	result    int    // offset behind the bracket that opens it; zero: none
	cacheable bool   // it is one of those that may be cached
	scope     span   // result.cacheScope
	next      span   // result.nextCursor
	tasks     []span // ids in result and result.task
	total     span   // result.completion.total
	values    int    // of a completion that are left; -1: all of them

	cuts []cut
}

func (v *view) message(r *reader, name []byte) (err error) {
	switch string(name) {
	case "result":
		kind := r.at()
		var at span
		at, err = r.object(func(name []byte) error { return v.member(r, name) })
		if kind == '{' {
			v.result = at.from + 1
		}
		return err
	case "method":
		v.method, err = r.value()
		return err
	case "params":
		v.p.params, err = r.object(func(name []byte) error { return r.param(&v.p, name) })
		return err
	case "jsonrpc", "id", "error":
		_, err = r.value()
		return err
	}
	return r.other(name, inEnvelope)
}

// member reads the value of one member of a result.
func (v *view) member(r *reader, name []byte) (err error) {
	switch string(name) {
	case "tools":
		return v.list(r, offer{Tool, "name", inNamed})
	case "prompts":
		return v.list(r, offer{Prompt, "name", inNamed})
	case "resources":
		return v.list(r, offer{Resource, "uri", inResource})
	case "resourceTemplates":
		return v.list(r, offer{Template, "uriTemplate", inTemplate})
	case "tasks":
		return v.list(r, offer{0, "taskId", inTask})
	case "completion":
		_, err = r.object(func(name []byte) error { return v.completion(r, name) })
	case "contents":
		v.cacheable = true
		_, err = r.value()
	case "cacheScope":
		v.scope, err = r.value()
	case "nextCursor":
		v.next, err = r.value()
	case "taskId":
		err = v.task(r)
	case "task":
		_, err = r.object(func(name []byte) error {
			if string(name) == "taskId" {
				return v.task(r)
			}
			_, err := r.value()
			return err
		})
	case "_meta":
		err = r.meta(&v.p)
	default:
		err = r.other(name, inResult)
	}
	return err
}

func (v *view) task(r *reader) error {
	at, err := r.value()
	if err == nil && isString(r.body, at) {
		v.tasks = append(v.tasks, at)
	}
	return err
}

// news decides about what a server says unasked, and edits it.
func (v *view) news(message []byte) bool {
	switch string(text(v.method.of(message))) {
	case methodUpdated:
		if !v.p.uri.some() || !isString(message, v.p.uri) || !v.f.Shown(Resource, string(text(v.p.uri.of(message)))) {
			return false
		}
	case methodTaskStatus, methodTasks:
		if !v.p.task.some() || !isString(message, v.p.task) || !v.handle(message, v.p.task, false) {
			return false
		}
	case methodAcknowledged:
		v.keep(message, &v.p.uris, func(uri string) (string, bool) { return uri, v.f.Shown(Resource, uri) })
		v.keep(message, &v.p.tasks, func(id string) (string, bool) { return v.f.task(id, false) })
	}
	if at := v.p.metaRelated; at.some() && !v.handle(message, at, false) {
		v.cuts = append(v.cuts, cut{at, quoted(unknownTask)})
	}
	return true
}

// answers edits an answer to the caller's own request. Its lists are done.
func (v *view) answers(message []byte) {
	for _, at := range append(v.tasks, v.p.metaRelated) {
		if at.some() {
			v.handle(message, at, true)
		}
	}
	if v.next.some() && isString(message, v.next) && v.f.Cursor != nil && v.next.to-v.next.from > len(`""`) {
		v.cuts = append(v.cuts, cut{v.next, quoted(v.f.Cursor(string(text(v.next.of(message)))))})
	}
	switch {
	case v.scope.some() && string(v.scope.of(message)) != `"private"`:
		v.cuts = append(v.cuts, cut{v.scope, []byte(`"private"`)})
	case !v.scope.some() && v.cacheable && v.f.Private:
		v.cuts = append(v.cuts, cut{span{v.result, v.result}, []byte(`"cacheScope":"private",`)})
	}
	if v.values >= 0 && v.total.some() { // how many there are would be told
		v.cuts = append(v.cuts, cut{v.total, strconv.AppendInt(nil, int64(v.values), 10)})
	}
}

// task is Task, which may be nil.
func (f *Filter) task(id string, answer bool) (string, bool) {
	if f.Task == nil {
		return id, true
	}
	return f.Task(id, answer)
}

// handle has the id of a task replaced by its handle, if it is the caller's.
func (v *view) handle(message []byte, at span, answer bool) bool {
	handle, ok := v.f.task(string(text(at.of(message))), answer)
	if ok && v.f.Task != nil {
		v.cuts = append(v.cuts, cut{at, quoted(handle)})
	}
	return ok
}

// keep has a list of strings replaced by what is left of it, and returns how many
// that are; -1 when it stays as it is.
func (v *view) keep(message []byte, n *names, as func(string) (string, bool)) int {
	var kept [][]byte
	changed := n.odd
	for _, at := range n.items {
		if !isString(message, at) {
			continue
		}
		was := string(text(at.of(message)))
		is, ok := as(was)
		if changed = changed || !ok || is != was; ok {
			kept = append(kept, quoted(is))
		}
	}
	if !changed || !n.list.some() {
		return -1
	}
	v.cuts = append(v.cuts, cut{n.list, bytes.Join(kept, []byte(","))})
	return len(kept)
}
