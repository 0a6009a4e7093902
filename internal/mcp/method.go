package mcp

import "strings"

// Method names that are looked at here.
const (
	methodInitialize = "initialize"
	methodCancelled  = "notifications/cancelled"
	methodProgress   = "notifications/progress"
	methodComplete   = "completion/complete"
	methodListen     = "subscriptions/listen"

	methodUpdated      = "notifications/resources/updated"
	methodAcknowledged = "notifications/subscriptions/acknowledged"
	methodTaskStatus   = "notifications/tasks/status" // MCP 2025-11-25
	methodTasks        = "notifications/tasks"        // SEP-2663
)

// method returns the one string that stands for a known client-to-server
// method of any revision, so that the usual ones cost no allocation.
func method(name []byte) (string, bool) {
	for _, known := range [...]string{
		"tools/call", "tools/list", methodInitialize, "ping", "server/discover", methodListen,
		"resources/read", "resources/list", "resources/templates/list", "resources/subscribe", "resources/unsubscribe",
		"prompts/get", "prompts/list", methodComplete, "logging/setLevel",
		"tasks/get", "tasks/result", "tasks/list", "tasks/update", "tasks/cancel",
		"notifications/initialized", methodCancelled, methodProgress, "notifications/roots/list_changed", methodTaskStatus,
	} {
		if string(name) == known {
			return known, true
		}
	}
	return "", false
}

// Known reports whether a client may send method to a server in some revision,
// extensions of the protocol's own (tasks) included.
func Known(name string) bool {
	_, ok := method([]byte(name))
	return ok
}

// subject says which member of params a method is about.
type subject uint8

const (
	noSubject subject = iota
	subjectName
	subjectURI
	subjectTask
	subjectRef
	subjectWatched
)

// about returns which member of params tells what a method is about, whether a
// request without it is refused, and whether 2026-07-28 wants it mirrored in
// Mcp-Name. MCP 2026-07-28, transports, §standard headers
func about(method string) (s subject, required, mirrored bool) {
	switch method {
	case "tools/call", "prompts/get":
		return subjectName, true, true
	case "resources/read":
		return subjectURI, true, true
	case "resources/subscribe", "resources/unsubscribe":
		return subjectURI, false, false // a server of 2026-07-28 answers them with method not found
	case methodComplete:
		return subjectRef, true, false
	case methodListen:
		return subjectWatched, true, false
	case "tasks/list":
		return noSubject, false, false
	}
	if strings.HasPrefix(method, "tasks/") {
		return subjectTask, true, false // SEP-2663 mirrors it too, but servers differ in whether they insist
	}
	return noSubject, false, false
}

// offered returns the kind of what a method's name names; zero: of none.
func offered(method string) Primitive {
	switch method {
	case "tools/call":
		return Tool
	case "prompts/get":
		return Prompt
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		return Resource
	}
	return 0
}

// pages says whether a method's answer may have a cursor to the next page.
func pages(method string) bool { return strings.HasSuffix(method, "/list") }

// version returns the one string that stands for a revision that is spoken here.
func version(name []byte) (string, bool) {
	for _, known := range [...]string{Version20260728, Version20251125, Version20250618, Version20250326, Version20241105} {
		if string(name) == known {
			return known, true
		}
	}
	return "", false
}

// serverMethod is method for what a server sends.
func serverMethod(name []byte) (string, bool) {
	for _, known := range [...]string{
		methodProgress, "notifications/message", methodCancelled,
		"notifications/tools/list_changed", "notifications/resources/list_changed", "notifications/prompts/list_changed",
		methodUpdated, methodAcknowledged,
		"notifications/elicitation/complete", methodTaskStatus, methodTasks,
		"sampling/createMessage", "elicitation/create", "roots/list", "ping",
	} {
		if string(name) == known {
			return known, true
		}
	}
	return "", false
}
