package mcp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Handles turns the handles that callers hold into what the server knows by
// them: cursors of lists, and ids of tasks. Each returns false for a handle that
// it did not give to this caller.
type Handles struct {
	Cursor func(handle string) (cursor string, ok bool)
	Task   func(handle string) (id string, ok bool)
}

// Errors about handles. What was never given out and what was given to somebody
// else are the same.
var (
	errCursor = &Error{Status: http.StatusBadRequest, Code: CodeInvalidParams, Message: "Unknown cursor.", Data: map[string]string{"code": "GH-1308"}}
	errTask   = &Error{Status: http.StatusBadRequest, Code: CodeInvalidParams, Message: "Task not found.", Data: map[string]string{"code": "GH-1308"}}
)

// holds says whether a message has handles in it.
func (p *parts) holds(body []byte, m *Message) bool {
	return p.cursor.some() && pages(m.Method) && isString(body, p.cursor) ||
		m.Method == methodListen && len(p.tasks.items) > 0 ||
		m.Kind == Request && p.task.some() && ofTask(m.Method) || p.metaRelated.some()
}

// ofTask says whether a method is about the task in params.taskId.
func ofTask(method string) bool { return strings.HasPrefix(method, "tasks/") }

// Open replaces the handles in an accepted message. Its error is an *Error when
// a handle is not this caller's. m.Raw becomes other bytes; the rest of m stays.
//
// A task that a response is related to may be one of the client's own, of which
// nothing is known here: what is no handle stays there as it is. The server goes
// by the response's id. MCP 2025-11-25, tasks
func (h Handles) Open(m *Message) error {
	r := open(m.Raw)
	defer r.close()
	var p parts
	if e := r.read(&p); e != nil {
		return e // it was read before
	}
	var cuts []cut
	swap := func(at span, opened func(string) (string, bool), unknown *Error) error {
		text, ok := opened(string(text(at.of(m.Raw))))
		if !ok {
			e := *unknown
			e.ID = m.ID
			return &e
		}
		cuts = append(cuts, cut{at, quoted(text)})
		return nil
	}
	if p.cursor.some() && pages(m.Method) && isString(m.Raw, p.cursor) && p.cursor.to-p.cursor.from > len(`""`) {
		if err := swap(p.cursor, h.Cursor, errCursor); err != nil {
			return err
		}
	}
	if m.Kind == Request && p.task.some() && ofTask(m.Method) {
		if err := swap(p.task, h.Task, errTask); err != nil {
			return err
		}
	}
	if m.Method == methodListen {
		for _, at := range p.tasks.items {
			if err := swap(at, h.Task, errTask); err != nil {
				return err
			}
		}
	}
	if p.metaRelated.some() {
		if err := swap(p.metaRelated, h.Task, errTask); err != nil && m.Kind != Response {
			return err
		}
	}
	m.Raw = splice(m.Raw, 0, cuts)
	return nil
}

// Mirror returns the value of Mcp-Name for an accepted message whose handles
// were opened; empty when it has none.
func (m *Message) Mirror() (string, error) {
	if m.Kind != Request || !ofTask(m.Method) || m.Name == "" {
		return "", nil
	}
	r := open(m.Raw)
	defer r.close()
	var p parts
	if e := r.read(&p); e != nil {
		return "", fmt.Errorf("read an opened message: %w", e)
	}
	if !p.task.some() {
		return "", errors.New("an opened message has lost its task")
	}
	return EncodeHeaderValue(string(text(p.task.of(m.Raw)))), nil
}

// quoted returns a text as raw JSON.
func quoted(text string) []byte {
	b, err := jsontext.AppendQuote(nil, text)
	if err != nil { // only of invalid UTF-8, which none of ours has
		return []byte(`""`)
	}
	return b
}
