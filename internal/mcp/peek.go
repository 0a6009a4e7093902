package mcp

import (
	"errors"
	"fmt"
)

// ErrUnreadable says that a message from a server is not what it should be. It
// is never an *Error: the caller of the server did nothing wrong.
var ErrUnreadable = errors.New("message from the server cannot be read")

// Envelope is the little that is read of a message on its way to a client.
type Envelope struct {
	Kind           Kind
	ID             []byte // raw JSON; nil: a notification, or an error about no request
	Method         string // empty: a response
	Params         []byte // raw JSON; nil: none
	Result         []byte // raw JSON; nil: none
	Error          []byte // raw JSON; nil: none
	ProgressToken  []byte // raw JSON of params.progressToken of notifications/progress, else of params._meta.progressToken; nil: none
	RequestID      []byte // raw JSON of params.requestId; nil: none
	SubscriptionID []byte // raw JSON of the subscription's id in the _meta of params or result; nil: none
	Tells          bool   // it has a method, and tells of a resource or a task: to be filtered
}

// Peek reads one message from a server as strictly as [Limits.Read] reads those
// from clients, only deeper nesting is accepted. Its error wraps [ErrUnreadable].
func Peek(message []byte) (Envelope, error) {
	r := open(message)
	defer r.close()
	var p parts
	if e := r.read(&p); e != nil {
		return Envelope{}, unreadable(e)
	}
	kind, e := p.kind(message)
	if e != nil {
		return Envelope{}, unreadable(e)
	}
	env := Envelope{
		Kind: kind, ID: p.raw(message),
		Params: p.params.of(message), Result: p.result.of(message), Error: p.fault.of(message),
		RequestID: p.request.of(message), SubscriptionID: p.metaID.of(message),
	}
	if kind == Request && env.ID == nil {
		return Envelope{}, fmt.Errorf("%w: the id of a request is null", ErrUnreadable)
	}
	if kind != Response {
		name := text(p.method.of(message))
		known, ok := serverMethod(name)
		if !ok {
			known = string(name)
		}
		env.Method = known
		env.ProgressToken = p.token(message).of(message)
		switch env.Method {
		case methodUpdated, methodAcknowledged, methodTaskStatus, methodTasks:
			env.Tells = true
		default:
			env.Tells = p.metaRelated.some()
		}
	}
	return env, nil
}

// read reads the one message there is.
func (r *reader) read(p *parts) *Error {
	if e := r.settle(r.message(p)); e != nil {
		return e
	}
	return r.settle(r.end())
}

// token returns where the progress token stands: it is what a progress
// notification is about, and an attribute of everything else.
func (p *parts) token(body []byte) span {
	if p.method.some() && string(text(p.method.of(body))) == methodProgress {
		return p.progress
	}
	return p.metaProgress
}

func unreadable(e *Error) error { return fmt.Errorf("%w: %s", ErrUnreadable, e.Message) }

// Split returns the messages in the body of an answer: the elements of an
// array, which answers a batch, or the one message. Each is to be read by
// [Peek]. Its error wraps [ErrUnreadable].
func Split(body []byte) ([][]byte, error) {
	r := open(body)
	defer r.close()
	var messages [][]byte
	element := func() error {
		v, err := r.value()
		messages = append(messages, v.of(body))
		return err
	}
	var err error
	if r.at() == '[' {
		_, err = r.array(element)
	} else {
		err = element()
	}
	if err != nil {
		return nil, unreadable(r.settle(err))
	}
	if err := r.end(); err != nil {
		return nil, unreadable(r.settle(err))
	}
	return messages, nil
}
