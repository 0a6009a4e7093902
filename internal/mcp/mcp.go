// Package mcp reads the JSON-RPC messages of the Model Context Protocol
// strictly: one parse that leaves no room for a second opinion, of both eras,
// checked against the headers that mirror the body. It forwards nothing and
// decides nothing; what it accepted are the caller's own bytes.
//
// Every slice handed out is a part of the bytes handed in. Whoever reuses
// those bytes ends the slices' life.
package mcp

// Revisions of the protocol. Their names are dates and compare as strings.
const (
	Version20241105 = "2024-11-05"
	Version20250326 = "2025-03-26"
	Version20250618 = "2025-06-18"
	Version20251125 = "2025-11-25"
	Version20260728 = "2026-07-28"
)

// Era tells the two ways of talking apart.
type Era uint8

// The eras. A server may speak both on one URL.
const (
	Legacy Era = iota // up to 2025-11-25: a session opened by initialize
	Modern            // 2026-07-28: every request stands for itself
)

// Kind is what a message is. JSON-RPC 2.0 §4, §5
type Kind uint8

// The kinds.
const (
	Request Kind = iota
	Notification
	Response
)

// Primitive is a kind of what a server offers.
type Primitive uint8

// The kinds of what a server offers.
const (
	Tool Primitive = iota + 1
	Prompt
	Resource
	Template // of resources' URIs. RFC 6570
)

// Subject is one of the things that a server offers.
type Subject struct {
	Kind Primitive
	Name string // of a tool or prompt; the URI of a resource; the text of a template
}

// Message is what is read of one message from a client.
type Message struct {
	Kind          Kind
	ID            []byte // raw JSON of the id, a string or a number; nil: a notification, or an error about no request
	Method        string // empty: a response
	Name          string // what it is about: params.name (tools/call, prompts/get), params.uri (resources/read, subscribe, unsubscribe), params.taskId (tasks/*), name or uri of params.ref (completion/complete); else empty
	Handles       bool   // it has a cursor or names a task, by what Filter gave out for them: see Handles.Open
	Version       string // the _meta's protocol version, or params.protocolVersion of initialize
	Client        string // clientInfo.name: unverified, for display only; printable, at most 64 bytes
	ProgressToken []byte // raw JSON of params._meta.progressToken; nil: none
	Target        []byte // raw JSON of params.requestId of notifications/cancelled; nil: none
	Raw           []byte // the message's own bytes

	ref     Primitive // of completion/complete
	one     [1]Subject
	watched []Subject // by subscriptions/listen
}

// About returns what of the server's a message is about: one thing for most
// methods, every resource that subscriptions/listen wants to hear of, nothing
// for methods that are about none. Each has to be one that the caller may reach.
// A name may be empty where the method is served although it is not said.
func (m *Message) About() []Subject {
	kind := offered(m.Method)
	switch {
	case m.Method == methodListen:
		return m.watched
	case m.Method == methodComplete:
		if kind = Prompt; m.ref != 0 {
			kind = m.ref
		}
	case kind == 0:
		return nil
	}
	m.one[0] = Subject{kind, m.Name}
	return m.one[:]
}

// Call is one accepted POST.
type Call struct {
	Raw      []byte // the exact bytes accepted, to be forwarded as they are
	Batch    bool
	Era      Era
	Version  string    // the revision in force: the _meta's or the header's; "2025-03-26" when neither says
	Messages []Message // exactly one unless Batch

	one [1]Message // saves an allocation in the usual case
}

// Limits bounds what is read. The zero value works.
type Limits struct {
	Depth int // levels of nesting of objects and arrays; zero: 64
	Batch int // messages in one batch; zero: 50
}

func (l Limits) depth() int {
	if l.Depth > 0 {
		return l.Depth
	}
	return 64
}

func (l Limits) batch() int {
	if l.Batch > 0 {
		return l.Batch
	}
	return 50
}
