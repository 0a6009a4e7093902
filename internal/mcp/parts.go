package mcp

import "errors"

const metaPrefix = "io.modelcontextprotocol/" // of the protocol's own names in _meta

var errTrailing = errors.New("something follows the value")

// parts is where the members that matter stand in one message. Which of them
// mean something depends on the method, which may come last.
type parts struct {
	whole                             span
	jsonrpc, id, method               span
	params, result, fault             span
	name, uri, task, request, cursor  span  // members of params
	ref                               span  // params.ref
	refType, refName, refURI          span  // members of it
	watch                             span  // params.notifications
	uris, tasks                       names // lists in it
	progress, version                 span  // params.progressToken, params.protocolVersion
	client                            span  // clientInfo.name, of _meta or params
	metaVersion, metaProgress, metaID span  // members of params._meta or result._meta; metaID: the subscription's
	metaRelated                       span  // taskId of the related task there
}

// names is a list of strings.
type names struct {
	list  span // between the brackets
	items []span
	odd   bool // it is something else
}

// message reads one message, which must be an object, into p. Its error is an
// *Error or says that the bytes are not strict JSON; p then holds what was read before.
func (r *reader) message(p *parts) (err error) {
	*p = parts{}
	p.whole, err = r.mustObject(func(name []byte) error { return r.member(p, name) })
	return err
}

// member reads the value of one member of the envelope.
func (r *reader) member(p *parts, name []byte) (err error) {
	switch string(name) {
	case "jsonrpc":
		p.jsonrpc, err = r.value()
	case "id":
		p.id, err = r.value()
	case "method":
		p.method, err = r.value()
	case "params":
		p.params, err = r.object(func(name []byte) error { return r.param(p, name) })
	case "result":
		p.result, err = r.object(func(name []byte) error { return r.resultMember(p, name) })
	case "error":
		p.fault, err = r.value()
	default:
		err = r.other(name, inEnvelope)
	}
	return err
}

// param reads the value of one member of params.
func (r *reader) param(p *parts, name []byte) (err error) {
	switch string(name) {
	case "name":
		p.name, err = r.value()
	case "uri":
		p.uri, err = r.value()
	case "taskId":
		p.task, err = r.value()
	case "requestId":
		p.request, err = r.value()
	case "protocolVersion":
		p.version, err = r.value()
	case "progressToken":
		p.progress, err = r.value()
	case "cursor":
		p.cursor, err = r.value()
	case "ref":
		p.ref, err = r.object(func(name []byte) error { return r.refMember(p, name) })
	case "notifications":
		p.watch, err = r.object(func(name []byte) error { return r.watchMember(p, name) })
	case "clientInfo":
		_, err = r.object(func(name []byte) error { return r.clientInfo(p, name) })
	case "_meta":
		err = r.meta(p)
	case "arguments":
		_, err = r.value()
	default:
		err = r.other(name, inParams)
	}
	return err
}

// refMember reads the value of one member of params.ref.
func (r *reader) refMember(p *parts, name []byte) (err error) {
	switch string(name) {
	case "type":
		p.refType, err = r.value()
	case "name":
		p.refName, err = r.value()
	case "uri":
		p.refURI, err = r.value()
	default:
		err = r.other(name, inRef)
	}
	return err
}

// watchMember reads the value of one member of params.notifications.
func (r *reader) watchMember(p *parts, name []byte) error {
	switch string(name) {
	case "resourceSubscriptions":
		return r.names(&p.uris)
	case "taskIds":
		return r.names(&p.tasks)
	}
	return r.other(name, inWatch)
}

// names reads a value that should be a list of strings, or null.
func (r *reader) names(n *names) (err error) {
	kind := r.at()
	n.list, err = r.array(func() error {
		v, err := r.value()
		if err == nil && !isString(r.body, v) {
			n.odd = true
		}
		n.items = append(n.items, v)
		return err
	})
	if kind != '[' {
		n.list, n.odd = span{}, kind != 'n'
	}
	return err
}

// resultMember reads the value of one member of result.
func (r *reader) resultMember(p *parts, name []byte) error {
	if string(name) == "_meta" {
		return r.meta(p)
	}
	_, err := r.value()
	return err
}

// meta reads a _meta, which is an object or, from clients that spell out what
// they do not have, null.
func (r *reader) meta(p *parts) error {
	kind := r.at()
	if _, err := r.object(func(name []byte) error { return r.metaMember(p, name) }); err != nil {
		return err
	}
	if kind != '{' && kind != 'n' {
		return refuse(CodeInvalidParams, "The member _meta must be an object.")
	}
	return nil
}

// metaMember reads the value of one member of a _meta.
func (r *reader) metaMember(p *parts, name []byte) (err error) {
	switch string(name) {
	case metaPrefix + "protocolVersion":
		p.metaVersion, err = r.value()
	case "progressToken":
		p.metaProgress, err = r.value()
	case metaPrefix + "subscriptionId":
		p.metaID, err = r.value()
	case metaPrefix + "related-task":
		_, err = r.object(func(name []byte) error { return r.related(p, name) })
	case metaPrefix + "clientInfo":
		_, err = r.object(func(name []byte) error { return r.clientInfo(p, name) })
	case metaPrefix + "clientCapabilities", metaPrefix + "logLevel":
		_, err = r.value()
	default:
		err = r.other(name, inMeta)
	}
	return err
}

// related reads the value of one member of what names a related task.
func (r *reader) related(p *parts, name []byte) (err error) {
	if string(name) != "taskId" {
		return r.other(name, inTask)
	}
	p.metaRelated, err = r.value()
	if err == nil && !isString(r.body, p.metaRelated) {
		err = refuse(CodeInvalidParams, "The id of a related task must be a string.")
	}
	return err
}

// clientInfo reads the value of one member of a clientInfo.
func (r *reader) clientInfo(p *parts, name []byte) error {
	v, err := r.value()
	if err == nil && string(name) == "name" && r.body[v.from] == '"' {
		p.client = v
	}
	return err
}

// other reads the value of a member that means nothing here, unless a lenient
// reader takes it for one that does.
func (r *reader) other(name []byte, where place) error {
	if lookalike(name, where) {
		return refuse(CodeInvalidRequest, "A member's name differs from one of the protocol's only in case or in invisible characters.")
	}
	_, err := r.value()
	return err
}
