package mcp

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxScalar bounds ids and progress tokens, in bytes of raw JSON: they are kept
// for as long as a call lasts.
const maxScalar = 1024

// kind checks the envelope, whoever sent it, and tells what it is. An id may
// still be null. JSON-RPC 2.0 §4, §5
func (p *parts) kind(body []byte) (Kind, *Error) {
	switch {
	case !p.jsonrpc.some() || !isString(body, p.jsonrpc) || string(text(p.jsonrpc.of(body))) != "2.0":
		return 0, refuse(CodeInvalidRequest, `The member jsonrpc must be "2.0".`)
	case p.id.some() && body[p.id.from] != 'n' && !isScalar(body, p.id):
		return 0, refuse(CodeInvalidRequest, "The id must be a string or a number of at most 1024 bytes.")
	case p.method.some():
		return p.calling(body)
	case p.params.some():
		return 0, refuse(CodeInvalidRequest, "A message with params needs a method.")
	case p.result.some() == p.fault.some():
		return 0, refuse(CodeInvalidRequest, "A message needs exactly one of method, result and error.")
	case p.fault.some() && body[p.fault.from] != '{':
		return 0, refuse(CodeInvalidRequest, "The error must be an object.")
	case p.result.some() && p.raw(body) == nil:
		return 0, refuse(CodeInvalidRequest, "A result needs the id of its request.")
	}
	return Response, nil
}

// calling is kind for what has a method.
func (p *parts) calling(body []byte) (Kind, *Error) {
	switch {
	case p.result.some() || p.fault.some():
		return 0, refuse(CodeInvalidRequest, "A message needs exactly one of method, result and error.")
	case !isString(body, p.method) || !printable(text(p.method.of(body))):
		return 0, refuse(CodeInvalidRequest, "The method must be a string without control characters.")
	case p.params.some() && body[p.params.from] != '{' && body[p.params.from] != 'n':
		return 0, refuse(CodeInvalidParams, "The params must be an object.")
	case p.id.some():
		return Request, nil
	}
	return Notification, nil
}

// raw returns the id's bytes, nil for none and for null.
func (p *parts) raw(body []byte) []byte {
	if !p.id.some() || !isScalar(body, p.id) {
		return nil
	}
	return p.id.of(body)
}

// fill makes a message from a client of what was read.
func (p *parts) fill(body []byte, m *Message) *Error {
	kind, e := p.kind(body)
	if e != nil {
		return e
	}
	m.Kind, m.ID, m.Raw = kind, p.raw(body), p.whole.of(body)
	if kind == Response {
		m.Handles = p.metaRelated.some()
		return nil
	}
	name := text(p.method.of(body))
	known, ok := method(name)
	if !ok {
		known = string(name)
	}
	m.Method = known
	notification := strings.HasPrefix(known, "notifications/")
	switch {
	case kind == Notification && !notification:
		// A stdio server may well execute it, and nobody would see an answer. JSON-RPC 2.0 §4.1
		return refuse(CodeInvalidRequest, "This method needs an id.")
	case kind == Request && notification:
		return refuse(CodeInvalidRequest, "A notification must not have an id.")
	case kind == Request && m.ID == nil:
		return refuse(CodeInvalidRequest, "The id must not be null.")
	}
	if e := p.subject(body, m); e != nil {
		return e
	}
	return p.details(body, m)
}

// subject finds what the message is about.
func (p *parts) subject(body []byte, m *Message) *Error {
	what, required, _ := about(m.Method)
	var s span
	switch what {
	case subjectName:
		s = p.name
	case subjectURI:
		s = p.uri
	case subjectTask:
		s = p.task
	case subjectRef:
		return p.reference(body, m)
	case subjectWatched:
		return p.watched(body, m)
	case noSubject:
		return nil
	}
	if !s.some() || !isString(body, s) || s.to-s.from == len(`""`) {
		if !required {
			return nil
		}
		return refuse(CodeInvalidParams, "The params must name what the call is about, as a string.")
	}
	name := text(s.of(body))
	if !printable(name) {
		return refuse(CodeInvalidParams, "What the call is about must not contain control characters.")
	}
	m.Name = string(name)
	return nil
}

// details fills in what is not needed to decide, but for following a call.
func (p *parts) details(body []byte, m *Message) *Error {
	if p.client.some() {
		m.Client = display(text(p.client.of(body)))
	}
	switch {
	case p.metaVersion.some():
		if !isString(body, p.metaVersion) {
			return refuse(CodeInvalidParams, "The protocol version in _meta must be a string.")
		}
		m.Version = versionText(text(p.metaVersion.of(body)))
	case m.Method == methodInitialize && p.version.some() && isString(body, p.version):
		m.Version = versionText(text(p.version.of(body)))
	}
	if p.metaProgress.some() && body[p.metaProgress.from] != 'n' {
		if !isScalar(body, p.metaProgress) {
			return refuse(CodeInvalidParams, "The progressToken must be a string or a number of at most 1024 bytes.")
		}
		m.ProgressToken = p.metaProgress.of(body)
	}
	if p.cursor.some() && pages(m.Method) && body[p.cursor.from] != 'n' && !isString(body, p.cursor) {
		return refuse(CodeInvalidParams, "The cursor must be a string.")
	}
	m.Handles = p.holds(body, m)
	if m.Method == methodCancelled && p.request.some() {
		if !isScalar(body, p.request) {
			return refuse(CodeInvalidParams, "The requestId must be a string or a number of at most 1024 bytes.")
		}
		m.Target = p.request.of(body)
	}
	return nil
}

// maxWatched bounds the resources of one subscription: each is asked for.
const maxWatched = 1000

// reference finds what is to be completed. MCP 2024-11-05, completion
func (p *parts) reference(body []byte, m *Message) *Error {
	kind, of, other := Primitive(0), span{}, span{}
	if p.refType.some() && isString(body, p.refType) {
		switch string(text(p.refType.of(body))) {
		case "ref/prompt":
			kind, of, other = Prompt, p.refName, p.refURI
		case "ref/resource":
			kind, of, other = Resource, p.refURI, p.refName
		}
	}
	if kind == 0 || !of.some() || !isString(body, of) || other.some() && body[other.from] != 'n' {
		return refuse(CodeInvalidParams, "The ref must be that of a prompt, with a name, or of a resource, with a uri.")
	}
	name := text(of.of(body))
	if !printable(name) {
		return refuse(CodeInvalidParams, "What the call is about must not contain control characters.")
	}
	if kind == Resource && bytes.IndexByte(name, '{') >= 0 {
		kind = Template
	}
	m.Name, m.ref = string(name), kind
	return nil
}

// watched finds the resources that a subscription is about. MCP 2026-07-28, SEP-2575
func (p *parts) watched(body []byte, m *Message) *Error {
	switch {
	case !p.watch.some() || body[p.watch.from] != '{':
		return refuse(CodeInvalidParams, "The params must say which notifications are wanted.")
	case p.uris.odd || p.tasks.odd:
		return refuse(CodeInvalidParams, "Resources and tasks to listen to must be lists of strings.")
	case len(p.uris.items) > maxWatched || len(p.tasks.items) > maxWatched:
		return refuse(CodeInvalidParams, "At most 1000 resources and tasks can be listened to at once.")
	}
	for _, s := range p.uris.items {
		uri := text(s.of(body))
		if !printable(uri) {
			return refuse(CodeInvalidParams, "What the call is about must not contain control characters.")
		}
		m.watched = append(m.watched, Subject{Resource, string(uri)})
	}
	return nil
}

func isString(body []byte, s span) bool { return body[s.from] == '"' }

// isScalar reports whether a value can identify something: a string or a number.
func isScalar(body []byte, s span) bool {
	switch c := body[s.from]; {
	case s.to-s.from > maxScalar:
		return false
	default:
		return c == '"' || c == '-' || '0' <= c && c <= '9'
	}
}

// printable reports whether there is something, and no control character in
// it: a program in C ends a name at its first NUL.
func printable(name []byte) bool {
	for _, c := range name {
		if c < 0x20 || c == 0x7f {
			return false
		}
	}
	return len(name) > 0
}

func versionText(name []byte) string {
	if known, ok := version(name); ok {
		return known
	}
	return string(name)
}

// display returns what of a name may be shown: what prints, 64 bytes at most.
func display(name []byte) string {
	const long = 64
	if len(name) <= long && bytes.IndexFunc(name, hidden) < 0 {
		return string(name)
	}
	var b []byte
	for _, r := range string(name) {
		if len(b)+utf8.RuneLen(r) > long {
			break
		}
		if !hidden(r) {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }
