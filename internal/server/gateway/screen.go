package gateway

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// filter makes a message to the client fit for the caller: what they may not
// reach is gone from it, a list made for one caller says that it is private, and
// cursors and tasks have handles that open for nobody else. ok is false when the
// message is not for them at all. A message that cannot be read is an error, never
// passed on.
func (x *exchange) filter(message []byte) (out []byte, ok bool, err error) {
	f := mcp.Filter{
		Shown:     x.shows,
		Completes: x.completes(message),
		Cursor:    func(cursor string) string { return x.g.cursors.seal(x.caller, cursor) },
		Task:      x.task,
		Private:   x.call != nil && x.call.Era == mcp.Modern,
	}
	pins := x.g.pins()
	if pins == nil {
		return f.Message(message)
	}
	saw := false
	f.Saw = func(tool string, definition []byte) bool {
		saw = true
		return pins.Saw(tenant.ID(x.caller.Tenant), tool, definition)
	}
	if out, ok, err = f.Message(message); err == nil && saw {
		err = unkept(pins.Keep(x.ctx())) // nobody sees a tool before it is known which it was
	}
	return out, ok, err
}

// shows says whether the caller may see something by the rules that hold now: a
// stream may be older than they are.
func (x *exchange) shows(kind mcp.Primitive, name string) bool {
	return x.g.guard().Shows(x.caller, kind, name)
}

// task returns the handle of a task, and whether it is the caller's: one that
// the answer to their own request names is, of another it has to be known.
func (x *exchange) task(id string, answer bool) (handle string, ok bool) {
	handle = x.g.tasks.seal(x.caller, id)
	if answer {
		x.g.line.tasks.add(owner(x), handle)
		return handle, true
	}
	return handle, x.g.line.tasks.has(owner(x), handle)
}

// completes returns what judges the values in the answer to a completion; nil
// when none was asked for, or it is not known which: then no value passes.
func (x *exchange) completes(message []byte) func(string) bool {
	m := x.asked(message, "completion/complete")
	if m == nil {
		return nil
	}
	c := m.Completion()
	return func(value string) bool {
		for _, s := range c.With(value) {
			if !x.shows(s.Kind, s.Name) {
				return false
			}
		}
		return true
	}
}

// asked returns the request of a method that a message answers; nil: none.
func (x *exchange) asked(message []byte, method string) *mcp.Message {
	if x.call == nil {
		return nil
	}
	for i := range x.call.Messages {
		m := &x.call.Messages[i]
		if m.Method != method {
			continue
		}
		if !x.call.Batch {
			return m
		}
		if e, err := mcp.Peek(message); err == nil && bytes.Equal(e.ID, m.ID) {
			return m
		}
	}
	return nil
}

// fit filters what may tell of something that the caller must not see: the answer
// to a call for it, what a GET stream redelivers, and any answer of the older era.
// There servers find an answer's stream by its id alone, so a client that gives
// two calls the same one gets the list it asked for as the answer to the other.
func (x *exchange) fit(body []byte) (out []byte, ok bool, err error) {
	if x.call != nil && !wantsFilter(x) && (x.call.Era == mcp.Modern || !mentions(body)) {
		return body, true, nil
	}
	return x.filterAll(body)
}

// filterAll filters one message, or the array that answers a batch.
func (x *exchange) filterAll(body []byte) (out []byte, ok bool, err error) {
	if len(body) == 0 || body[0] != '[' {
		return x.filter(body)
	}
	messages, err := mcp.Split(body)
	if err != nil {
		return nil, false, err
	}
	kept := messages[:0]
	for _, m := range messages {
		if m, ok, err = x.filter(m); err != nil {
			return nil, false, err
		}
		if ok {
			kept = append(kept, m)
		}
	}
	return append(append([]byte("["), bytes.Join(kept, []byte(","))...), ']'), len(kept) > 0, nil
}

// wantsFilter says whether the answers to a call tell what there is.
func wantsFilter(x *exchange) bool {
	if x.call == nil {
		return false
	}
	for i := range x.call.Messages {
		if tells(&x.call.Messages[i], x.call.Era) {
			return true
		}
	}
	return false
}

// tells says whether the answer to a message has to be looked at: it lists what
// there is, may be cached for others, or names a task.
func tells(m *mcp.Message, era mcp.Era) bool {
	switch m.Method {
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list", "completion/complete", "subscriptions/listen":
		return true
	case "resources/read":
		return era == mcp.Modern
	case "tools/call": // only who says that they know tasks is given one. SEP-2663
		return era == mcp.Modern && bytes.Contains(m.Raw, []byte(`/tasks"`))
	}
	return strings.HasPrefix(m.Method, "tasks/")
}

// mentions says whether a message of the older era may need to be filtered.
func mentions(body []byte) bool {
	for _, word := range [...]string{"tools", "prompts", "resource", "taskId", "nextCursor", "completion"} {
		if bytes.Contains(body, []byte(word)) {
			return true
		}
	}
	return false
}

// open replaces the handles in what the caller says by what the server knows, or
// refuses those that are not theirs.
func (x *exchange) open() error {
	if x.call == nil {
		return nil
	}
	opened := false
	h := mcp.Handles{
		Cursor: func(handle string) (string, bool) { return x.g.cursors.open(x.caller, handle) },
		Task: func(handle string) (string, bool) {
			id, ok := x.g.tasks.open(x.caller, handle)
			if ok {
				x.g.line.tasks.add(owner(x), handle)
			}
			return id, ok
		},
	}
	for i := range x.call.Messages {
		m := &x.call.Messages[i]
		if !m.Handles {
			continue
		}
		if err := h.Open(m); err != nil {
			if x.call.Era == mcp.Modern && m.Method == "tasks/result" { // is gone, whoever's the task is. SEP-2663
				return &mcp.Error{Status: http.StatusNotFound, Code: mcp.CodeMethodNotFound, ID: m.ID, Message: "Method not found", Data: map[string]string{"code": "GH-1203"}}
			}
			return err
		}
		opened = true
	}
	if !opened {
		return nil
	}
	if !x.call.Batch {
		m := &x.call.Messages[0]
		x.call.Raw = m.Raw
		var err error
		x.mirror, err = m.Mirror()
		return err
	}
	all := make([][]byte, len(x.call.Messages))
	for i := range x.call.Messages {
		all[i] = x.call.Messages[i].Raw
	}
	x.call.Raw = append(append([]byte("["), bytes.Join(all, []byte(","))...), ']')
	return nil
}
